const STRAND_WORDS = [["both", "± both"], ["+", "+ plus"], ["-", "− minus"]];
const LANE_WORDS = { letters: "letters, plus strand", complement: "letters, minus strand", codons: "codons of genes", frames: "six frames", gc: "GC content", skew: "GC skew" };
// Lanes of the sequence whose values the server computes.
const SERVED = ["gc", "skew"];
const HELP = [
  "Drag to move, Shift-drag to select, drag the ruler to zoom into a stretch, drag the bar above it to go elsewhere.",
  "Click into the picture or hold Ctrl, and the wheel zooms; with Shift it moves.",
  "Click anything for its details; right-click (or Shift+F10) for what can be done with it.",
  "Drag the name of a row to put it elsewhere, its lower edge to make it higher.",
  "Keys: arrows, + and −, Home (whole contig), End (bases), b (select the view), z and Shift+Z (undo, redo), Esc.",
  "The first base is number 1, here and in all boxes; files keep their own conventions.",
];

// One line of boxes and buttons above the rows.
class Toolbar {
  constructor(browser) {
    const b = (this.browser = browser);
    const button = (name, label, title) => el("button", { type: "button", "data-do": name, title, "aria-label": title.replace(/ \(.*/, ""), onclick: () => b.act(name) }, label);
    const box = el("input", { type: "text", class: "place", "aria-label": "Locus", title: "contig:first-last or first..last, a single position, a contig, a gene, locus tag or product, or a feature, as in: feature 12" });
    this.place = new Suggestions(b, box, "suggest", (offer) => this.go(offer.value), (text) => this.go(text));
    this.features = new Popover("Features", "Features", (panel) => this.fillFeatures(panel));
    this.tracks = new Popover("Tracks", "Tracks", (panel) => this.fillTracks(panel));
    this.marks = new Popover("★", "Bookmarks", (panel) => this.fillMarks(panel));
    this.beside = new Popover("Split", "Two views side by side", (panel, popover) => this.fillBeside(panel, popover));
    this.save = new Popover("Save", "Save", (panel, popover) => this.fillSave(panel, popover));
    this.help = new Popover("?", "Help", (panel) => panel.replaceChildren(...[...HELP, `Modes of the canvas, by key: ${b.modes.keysText()}.`].map((line) => el("p", {}, line))));
    this.draw = this.choice("Draw", [["signal", "signal"], ["heat", "heat"]], "signal", "draw");
    this.strands = this.choice("Strand read", STRAND_WORDS, "both", "strands");
    this.popovers = [this.features, this.tracks, this.marks, this.beside, this.save, this.help];
    this.root = el("div", { class: "bar", role: "toolbar", "aria-label": "Move, zoom and choose what is drawn" },
      this.place.root, b.modes.choice,
      button("left", "◀", "Move left (arrow left)"), button("right", "▶", "Move right (arrow right)"),
      button("in", "+", "Zoom in (+)"), button("out", "−", "Zoom out (-)"),
      button("bases", "bases", "To single bases (End)"), button("whole", "all", "The whole contig (Home)"),
      this.features.root, this.tracks.root, this.draw, this.strands,
      button("undo", "↶", "Undo (z)"), button("redo", "↷", "Redo (Shift+Z)"),
      button("select", "⬚", "Select a region (or hold Shift) to list the features active in it"),
      this.marks.root, this.beside.root, this.save.root, this.help.root,
      el("span", { class: "where", "aria-live": "polite" }));
  }
  get where() { return this.root.querySelector(".where"); }
  button(name) { return this.root.querySelector(`[data-do="${name}"]`); }
  choice(label, words, usual, name) {
    const change = (event) => this.browser.change({ [name]: event.target.value === usual ? "" : event.target.value });
    return el("select", { "aria-label": label, title: label, onchange: change }, ...words.map(([value, word]) => el("option", { value }, word)));
  }
  go(text) { this.browser.request({ kind: "go", text }, () => this.browser.canvas.focus()); }

  // Take over what the server sent; what somebody is typing just now stays.
  take(head, jumped) {
    const box = this.place.input, typing = box.getRootNode().activeElement === box;
    if (!typing || jumped) this.spoken(jumped);
    this.draw.value = head.draw;
    this.strands.value = head.strands === "+-" ? "both" : head.strands;
    // A difference has two sides, and they are no strands.
    this.strands.hidden = head.features.some((feature) => feature.sides);
    this.features.button.textContent = `Features ${head.features.length}`;
    this.tracks.button.textContent = `Tracks ${head.lanes.length}`;
    for (const popover of this.popovers) if (popover !== this.help) popover.refill();
    // Without a server there is nothing to go back to, to keep and to compare with.
    for (const part of [this.marks.root, this.beside.root, this.button("undo"), this.button("redo")]) part.hidden = Boolean(head.alone);
    this.moves();
  }
  moves() {
    this.button("undo").disabled = this.browser.past.length < 2;
    this.button("redo").disabled = !this.browser.undone.length;
  }
  spoken(always = false) {
    const box = this.place.input;
    if (always || box.getRootNode().activeElement !== box) box.value = this.browser.spoken();
  }

  fillFeatures(panel) {
    const b = this.browser, ids = b.head.features.map((f) => f.id);
    if (!this.finder) {
      const box = el("input", { type: "text", "aria-label": "Find features", placeholder: "stop, TATAAT, rpoB, 12", title: "By any track that a feature goes with, its label or your note, IUPAC letters of a motif, a gene, locus tag or product where it is active, or its number" });
      const add = (offer) => { box.value = ""; b.setFeatures([...b.head.features.map((f) => f.id).filter((id) => id !== offer.value), offer.value].slice(-Math.max(12, b.held.features.length))); };
      this.finder = new Suggestions(b, box, "find", add, () => this.finder.look(), "No feature is found by this number, track, motif or gene.");
      box.addEventListener("focus", () => { if (!box.value) this.finder.look(); });
      this.drawn = el("ul", { class: "drawn" });
      panel.replaceChildren(this.finder.root, this.drawn, el("p", { class: "note" }, "At most 12. Drag the names beside the rows to order them."));
    }
    this.drawn.replaceChildren(...b.head.features.map((feature) => el("li", {},
      el("button", { type: "button", class: "plain", onclick: () => b.request({ kind: "detail", of: "feature", feature: feature.id }) }, `${feature.id} · ${feature.label}`),
      el("button", { type: "button", class: "plain", "aria-label": `Take out feature ${feature.id}`, onclick: () => b.setFeatures(ids.filter((id) => id !== feature.id)) }, "×"))));
  }

  fillTracks(panel) {
    const b = this.browser, head = b.head, kept = panel.scrollTop;
    const box = (name, word, checked, change) => el("label", {}, el("input", { type: "checkbox", "data-name": name, checked, onchange: (event) => change(event.target.checked) }), word);
    const shown = b.shownTracks(), lanes = head.sequence || [];
    const turn = (list, name, on) => [...list.filter((other) => other !== name), ...(on ? [name] : [])];
    const own = head.lanes.filter((lane) => lane.own);
    const parts = [
      el("fieldset", {}, el("legend", {}, "Annotation"), ...(head.tracks || []).map((name) => box(`t${name}`, name, shown.includes(name), (on) => b.setTracks(turn(b.shownTracks(), name, on))))),
      el("fieldset", {}, el("legend", {}, "Sequence"), ...Object.entries(LANE_WORDS).filter(([name]) => !head.alone || !SERVED.includes(name)).map(([name, word]) => box(`l${name}`, word, lanes.includes(name), (on) => b.setLanes(turn(b.head.sequence || [], name, on))))),
    ];
    if (head.sampled) parts.push(el("fieldset", {}, el("legend", {}, "Samples"), box("variants", "variants", Boolean(head.variants), (on) => b.change({ variants: on ? "cohort" : "" }))));
    const said = el("output", {}, `${Math.round(100 * head.threshold)} %`);
    const hide = el("input", { type: "range", min: "0", max: "1", step: "0.05", value: String(head.threshold), "aria-label": "Hide below", "data-name": "hide", oninput: (event) => { said.textContent = `${Math.round(100 * event.target.value)} %`; }, onchange: (event) => b.change({ threshold: event.target.value === "0" ? "" : event.target.value }) });
    parts.push(el("label", { class: "range", title: "Share of a feature's full scale: the value that 99.9 % of its active bases do not reach." }, "Hide below ", hide, said));
    if (DropTarget.input() && !head.alone) parts.push(el("p", { class: "note" }, own.length ? `Your own: ${own.map((lane) => lane.name).join(", ")}. ` : "", el("button", { type: "button", onclick: () => DropTarget.input()?.click() }, "Add your own file"), " or drop it on the page: BED, GFF3, bigWig, bedGraph, VCF."));
    renew(panel, parts);
    panel.scrollTop = kept;
  }

  fillMarks(panel) {
    const b = this.browser;
    if (!this.note) {
      const keep = () => { b.bookmark(b.brush || [b.view.start, b.view.end], this.note.value); this.note.value = ""; };
      this.note = el("input", { type: "text", "aria-label": "Note of the bookmark", placeholder: "note", maxlength: "500", onkeydown: (event) => { if (event.key === "Enter") keep(); } });
      this.marked = el("ul", { class: "drawn" });
      panel.replaceChildren(el("div", { class: "line" }, this.note, el("button", { type: "button", onclick: keep }, "Bookmark this place")), this.marked, el("p", { class: "note" }, "The selection, else the view. Kept in bookmarks.json of the study."));
    }
    this.marked.replaceChildren(...(b.head.marks || []).map(([start, end, note]) => el("li", {},
      el("button", { type: "button", class: "plain", onclick: () => b.look(start, end) }, el("span", {}, note || "no note"), el("small", {}, `${grouped(start + 1)}-${grouped(end)}`)),
      el("button", { type: "button", class: "plain", "aria-label": `Remove the bookmark ${note || grouped(start + 1)}`, onclick: () => b.request({ kind: "unmark", start, end }) }, "×"))));
  }

  fillBeside(panel, popover) {
    const b = this.browser, ask = (more) => () => { popover.close(); b.request(more); };
    const parts = [el("button", { type: "button", onclick: ask({ kind: "beside", study: "" }) }, "Another view of this study")];
    parts.push(...(b.head.studies || []).filter((name) => name !== b.head.study).map((name) => el("button", { type: "button", onclick: ask({ kind: "beside", study: name }) }, `Study ${name}`)));
    parts.push(el("button", { type: "button", onclick: ask({ kind: "alone" }) }, "Close the second view"));
    panel.replaceChildren(...parts);
  }

  // The address holds the view. Where the browser does not let pages copy, it is there to be selected.
  async copyLink(panel) {
    try {
      await navigator.clipboard.writeText(location.href);
      panel.append(el("p", { class: "note", role: "status" }, "copied"));
    } catch {
      const box = el("input", { type: "text", readonly: true, value: location.href, "aria-label": "Link" });
      panel.append(box);
      box.select();
    }
  }
  fillSave(panel, popover) {
    const b = this.browser, act = (run) => () => { popover.close(true); run(); };
    const parts = [["PNG", "png"], ["SVG", "svg"]].map(([word, name]) => el("button", { type: "button", title: "The picture as it is on the screen, with rows that are scrolled out of it", onclick: act(() => b.act(name)) }, word));
    if (b.head.page) parts.push(el("button", { type: "button", title: "This view for somebody without the study: one file that moves and zooms, offline", onclick: act(() => b.request({ kind: "save", format: b.head.page })) }, "Standalone page"));
    if (location.protocol.startsWith("http") && !b.head.unlinked) parts.push(el("button", { type: "button", title: "The address of this view, to be sent", onclick: () => this.copyLink(panel) }, "Copy link"));
    const values = (b.head.formats || []).map(([format, label]) => el("button", { type: "button", disabled: !b.head.features.length, onclick: act(() => b.request({ kind: "save", format })) }, label));
    if (values.length) parts.push(el("p", { class: "note" }, "Features in view as values:"), ...values);
    panel.replaceChildren(...parts);
  }
}
