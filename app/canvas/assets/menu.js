// What a reader may give a row: colours that are told apart with any colour vision.
const SWATCHES = ["0072b2", "d55e00", "009e73", "cc79a7", "e69f00", "56b4e9", "6b7280"];

// The menu at a place of the canvas: what can be done with what lies there.
class Menu {
  constructor(browser) {
    this.browser = browser;
    this.root = el("div", { class: "menu", role: "menu", hidden: true, onkeydown: (event) => this.key(event), onfocusout: (event) => { if (!this.root.contains(event.relatedTarget)) this.close(); } });
  }
  open(x, y, at) {
    const b = this.browser, { row, hit, position, strand } = at, items = [];
    // `kind`: of the request that it makes, where that needs a server.
    const put = (text, act, kind = "") => (b.head.alone && kind && !Object.hasOwn(ALONE, kind)) || items.push(el("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: () => { this.close(); act(); } }, text));
    const span = b.brush && position >= b.brush[0] && position < b.brush[1] ? b.brush : null;
    if (row?.kind === "feature") this.feature(row, put, items);
    else if (row?.kind === "lane" && hit && hit.count === 1) this.interval(hit, put);
    if (position !== null) {
      const here = `${b.view.chrom}:${grouped(position + 1)}`;
      if (span) put("What fires in the selection", () => b.request({ kind: "fires", ...asked(span) }), "fires");
      put(`What fires at ${here}`, () => b.request({ kind: "detail", of: "base", position }));
      if (span) put("Attribute the selection", () => b.request({ kind: "attribute", ...asked(span) }), "attribute");
      else if (b.modes.name !== "attribute") put(`Attribute the base at ${here}`, () => b.modes.choose("attribute", `${b.view.chrom}:${position + 1}:${strand || "+"}`), "attribute");
      put(span ? "Copy the sequence of the selection" : "Copy the sequence in view", () => b.copySequence(span || [b.view.start, b.view.end], "+"));
      put(span ? "Bookmark the selection" : "Bookmark the view", () => b.bookmark(span || [b.view.start, b.view.end]), "mark");
    }
    b.modes.current?.menu?.(at, put);
    if (row) this.row(row, put, items);
    for (const [name, word] of [["svg", "Picture as SVG"], ["png", "Picture as PNG"]]) put(word, () => b.act(name));
    this.root.replaceChildren(...items);
    this.root.hidden = false;
    const host = b.root.getBoundingClientRect(), { offsetWidth: w, offsetHeight: h } = this.root;
    this.root.style.left = `${Math.max(0, Math.min(x - host.left, host.width - w - 4))}px`;
    this.root.style.top = `${Math.max(0, Math.min(y - host.top, host.height - h - 4))}px`;
    this.items()[0]?.focus();
  }
  feature(row, put, items) {
    const b = this.browser, id = row.feature.id;
    if (!b.head.alone || (b.head.linked && typeof id === "number")) items.push(el("a", { role: "menuitem", tabindex: "-1", href: `feature?${b.head.linked || ""}feature=${id}` }, `Open feature ${id}`));
    put(`What ${nameOf(row.feature)} is`, () => b.request({ kind: "detail", of: "feature", feature: id }));
    for (const [format, label] of (b.head.formats || []).filter(([name]) => ["bigwig", "bed"].includes(name)))
      put(`Save feature ${id} in view as ${label}`, () => b.request({ kind: "save", format, feature: id }), "save");
  }
  interval(hit, put) {
    const b = this.browser, name = hit.name || hit.track;
    put(`Details of ${name}`, () => b.detail({ hit }));
    put(`Show all of ${name}`, () => { const more = (hit.end - hit.start) * 0.1; b.look(hit.start - more, hit.end + more); });
    put(`What fires in ${name}`, () => b.request({ kind: "fires", ...asked([hit.start, hit.end]) }), "fires");
    put(`Attribute ${name}`, () => b.request({ kind: "attribute", ...asked([hit.start, hit.end]) }), "attribute");
    put(`Copy the sequence of ${name}`, () => b.copySequence([hit.start, hit.end], hit.strand));
    put(`Bookmark ${name}`, () => b.bookmark([hit.start, hit.end], name), "mark");
  }
  row(row, put, items) {
    const b = this.browser, current = (b.head.rows[row.id] || [0, ""])[1];
    if (["lane", "feature"].includes(row.kind) && row.lane?.kind !== "driver") {
      const swatch = (colour) => el("button", {
        type: "button", role: "menuitemradio", tabindex: "-1", class: "swatch", style: colour ? `background: #${colour}` : "", "aria-checked": String(current === colour),
        "aria-label": colour ? `Colour ${colour}` : "Usual colours", title: colour ? `#${colour}` : "usual colours", onclick: () => { this.close(); b.restyle(row.id, null, colour); },
      }, colour ? "" : "↺");
      items.push(el("div", { class: "swatches", role: "group", "aria-label": "Colour of the row" }, ...[...SWATCHES, ""].map(swatch)));
    }
    const like = b.gutter.like(row), here = like ? like.findIndex((other) => other.id === row.id) : -1;
    if (here > 0) put("Move up", () => b.gutter.put(row, here - 1));
    if (like && here < like.length - 1) put("Move down", () => b.gutter.put(row, here + 1));
    if ((b.head.rows[row.id] || [0])[0]) put("Usual height", () => b.restyle(row.id, 0));
    if (row.kind === "feature") put(`Take out ${nameOf(row.feature)}`, () => b.setFeatures(b.head.features.map((f) => f.id).filter((id) => id !== row.feature.id)));
    if (row.kind === "lane" && b.shownTracks().includes(row.lane.name)) put(`Take out ${row.lane.name}`, () => b.setTracks(b.shownTracks().filter((name) => name !== row.lane.name)));
  }
  items() { return [...this.root.querySelectorAll("[role^=menuitem]")]; }
  key(event) {
    const items = this.items(), at = items.indexOf(this.root.getRootNode().activeElement);
    const go = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (go !== undefined) items[(go + items.length) % items.length].focus();
    else if (event.key === "Escape") this.close(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  close(back = false) {
    if (this.root.hidden) return;
    this.root.hidden = true;
    if (back) this.browser.canvas.focus();
  }
}

// A stretch as requests have it: whole bases.
function asked([start, end]) { return { start: Math.max(0, Math.floor(start)), end: Math.ceil(end) }; }
