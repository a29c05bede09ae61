// What raised or lowered the probability of a base: arcs from bases before it, a list of features, and what the model
// predicts without some of them. ARCS: bases that are drawn.
const ARCS = 12;

MODES.attribute = class {
  static title = "Attribute";
  static key = "a";
  constructor(browser, side) {
    Object.assign(this, { browser, side, at: null, parts: null, bases: null, off: null, test: null, pointed: null });
  }
  // The base, its strand, and what is off, of the mode's part of the address.
  read(ask) {
    const found = ask.match(/^(.+):(\d+):([+-])(?::([\d,]*))?$/);
    return found && { chrom: found[1], position: Number(found[2]) - 1, strand: found[3], off: (found[4] || "").split(",").filter(Boolean).map(Number) };
  }
  write(at) { return `${at.chrom}:${at.position + 1}:${at.strand}${at.off.length ? `:${at.off.join(",")}` : ""}`; }
  ask(off) { return { ask: this.write({ ...this.at, off }) }; }
  take(head) {
    const ask = this.browser.modes.ask;
    if (ask === this.asked) return;
    this.asked = ask;
    const at = this.read(ask), old = this.at;
    this.at = at;
    if (!at) { this.parts = this.bases = this.off = this.test = null; return this.draw(); }
    const same = old && at.chrom === old.chrom && at.position === old.position && at.strand === old.strand;
    this.test = null;
    if (!same) this.parts = this.bases = this.off = null;
    if (head.alone) this.hold(head.shown || {});
    else if (!this.parts) this.work("attribute_base", [], (answer) => { this.parts = answer; this.listed(); this.next(); });
    else this.next();
    this.draw();
  }
  // A page by itself holds what was drawn, and nothing else.
  hold(shown) { Object.assign(this, { parts: shown.parts || null, bases: shown.bases?.bases || null, off: shown.off?.off.length ? shown.off : null }); }
  work(kind, off, done) {
    const asked = this.asked;
    this.browser.modes.work(kind, this.ask(off), (answer) => { if (this.asked === asked) { done(answer); this.draw(); } });
  }
  // How many lists have come, for whoever measures.
  listed() { const { dataset } = this.browser.modes.side; dataset.answered = String(Number(dataset.answered || 0) + 1); }
  // What is still missing of what is drawn.
  next() {
    if (!this.parts) return;
    const off = this.at.off;
    if (off.length && String(this.off?.off) !== String(off)) return this.work("attribute_off", off, (answer) => { this.off = answer; this.next(); });
    if (!off.length) this.off = null;
    if (!this.bases) this.work("attribute_bases", [], (answer) => { this.bases = answer.bases; });
  }
  click({ position, strand }) {
    if (position === null || this.browser.head.alone) return false;
    this.browser.modes.tell(this.write({ chrom: this.browser.view.chrom, position, strand: strand || this.at?.strand || "+", off: [] }));
    return true;
  }
  menu(at, put) {
    if (at.position !== null && !this.browser.head.alone) for (const strand of "+-") put(`Attribute this base, ${strand === "+" ? "plus" : "minus"} strand read`, () => this.browser.modes.tell(this.write({ chrom: this.browser.view.chrom, position: at.position, strand, off: [] })));
  }
  turn(feature, on) { this.browser.modes.tell(this.write({ ...this.at, off: on ? this.at.off.filter((f) => f !== feature) : [...this.at.off, feature] })); }

  // -- the panel --
  draw() {
    this.browser.modes.redraw();
    const { parts, at } = this, alone = this.browser.head.alone;
    if (!at) return this.side.replaceChildren(el("h3", {}, "Attribute"), el("p", {}, "Click a base, in the half of a row for the strand that is read: what raised or lowered the probability that the model gave it?"));
    const head = el("div", { class: "line" }, el("h3", {}, `${at.chrom}:${grouped(at.position + 1)}`),
      alone ? null : el("button", { type: "button", title: "Read the other strand", "aria-label": "Read the other strand", "data-name": "strand", onclick: () => this.browser.modes.tell(this.write({ ...at, strand: at.strand === "+" ? "-" : "+", off: [] })) }, at.strand === "+" ? "+ plus" : "− minus"));
    if (!parts) return renew(this.side, [head]);
    const off = new Set(at.off), p = 2 ** parts.bits;
    const facts = [
      [`p(${parts.letter})`, `${(100 * p).toFixed(1)} %, ${signed(parts.bits)} bits`],
      ["without the layer", `${signed(parts.baseline)} bits`],
      ["features", `${signed(parts.from_features)} bits`],
      ["not explained", `${signed(parts.unexplained)} bits, by the autoencoder`],
      ["error of the sum", `${signed(parts.apart)} bits`],
    ];
    renew(this.side, [head,
      el("dl", {}, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      this.effect(), el("p", { class: "note" }, `${parts.note}. A tick is a feature that is on; taken out, it is 0 in all bases before.`),
      el("ul", { class: "attributed" }, ...parts.features.map((feature) => this.part(feature, off))),
      el("p", { class: "note" }, parts.more ? `${parts.more} more features: ${signed(parts.more_bits)} bits together.` : ""),
      el("p", { class: "note" }, "The same by command, in nats (1 bit is 0.693), with substitutions and controls:"), codeBox(parts.command),
      el("button", { type: "button", onclick: () => handOver(`data:text/plain;charset=utf-8,${encodeURIComponent(`# ${parts.note}\n${parts.question}`)}`, "question.toml") }, "Question file")]);
  }
  part(feature, off) {
    const b = this.browser, drawn = b.head.features.some((f) => f.id === feature.id), most = Math.max(...this.parts.features.map((f) => Math.abs(f.bits)));
    const point = (on) => () => { this.pointed = on ? feature.id : null; b.paint(); };
    return el("li", { onmouseenter: point(true), onmouseleave: point(false), onfocusin: point(true), onfocusout: point(false) },
      el("input", { type: "checkbox", checked: !off.has(feature.id), disabled: Boolean(b.head.alone), "aria-label": `Feature ${feature.id} on`, "data-name": `on ${feature.id}`, onchange: (event) => this.turn(feature.id, event.target.checked) }),
      el("button", { type: "button", class: "plain", title: drawn ? "Details" : "Draw it as a row", onclick: () => (drawn || b.head.alone ? b.request({ kind: "detail", of: "feature", feature: feature.id }) : b.setFeatures([...b.head.features.map((f) => f.id), feature.id].slice(-12))) }, `${drawn ? "● " : ""}${feature.id} · ${feature.label}`),
      el("span", { class: feature.bits < 0 ? "bar lowered" : "bar", style: `--share: ${Math.abs(feature.bits) / most}` }, signed(feature.bits)));
  }
  effect() {
    const { off, test } = this, alone = this.browser.head.alone;
    if (!off) return null;
    const words = `Without ${off.off.join(", ")}: ${signed(off.effect)} bits.`;
    return el("div", { class: "effect" }, el("p", {}, words),
      test ? evidence(test) : el("p", { class: "note" }, "Evidence: not tested. ", alone ? null : el("button", { type: "button", onclick: () => this.work("attribute_test", off.off, (answer) => { this.test = answer.evidence; }) }, "Test against controls")),
      alone ? null : el("button", { type: "button", onclick: () => this.browser.modes.tell(this.write({ ...this.at, off: [] })) }, "All on"));
  }

  // -- the picture --
  rows() {
    const parts = this.parts;
    if (!parts) return [];
    const rows = [{ kind: "arcs", id: "lane/mode.arcs", height: 58, mode: this }, { kind: "predicted", id: "lane/mode.prediction", height: 40, lane: parts.lane, words: "prediction" }];
    if (this.off?.lane) rows.push({ kind: "predicted", id: "lane/mode.without", height: 40, lane: this.off.lane, words: `without ${this.off.off.join(", ")}` });
    return rows;
  }
  over(p, { rows, left }, view) {
    if (!this.parts || this.parts.chrom !== view.chrom) return;
    const scale = (p.width - left) / (view.end - view.start), listed = new Map(this.parts.features.map((f) => [f.id, f]));
    const most = Math.max(...this.parts.features.flatMap((f) => f.places.map((place) => Math.abs(place[1]))), 1e-9);
    const x = left + (this.parts.position - view.start) * scale;
    if (x > left - scale && x < p.width) p.box(x, RULER, Math.max(1, scale), p.height - RULER, p.ink, 0.1);
    for (const row of rows.filter((row) => row.kind === "feature" && row.seen && listed.has(row.feature.id))) {
      const side = p.width && this.browser.head.strands.length === 2 && this.parts.strand === "-" ? row.half : 0;
      for (const [at, bits] of listed.get(row.feature.id).places) {
        const from = left + (at - view.start) * scale, size = 2 + 5 * Math.sqrt(Math.abs(bits) / most);
        if (from + scale > left && from < p.width) p.box(Math.max(left, from + scale / 2 - size / 2), row.y + side + 1, size, size, p.palette[bits < 0 ? "V" : "A"], 0.95);
      }
    }
  }
  hover({ position }) {
    const lane = this.parts?.chrom === this.browser.view.chrom && this.parts.lane, i = position - (lane ? lane.start : 0);
    if (!lane || i < 0 || i >= lane.letters.length) return [];
    const told = (logs) => [..."ACGT"].map((letter, k) => `${letter} ${logs[k].toFixed(2)}`).join(", ");
    const lines = [`log2 p, ${this.parts.strand === "+" ? "plus" : "minus"} strand read: ${told(lane.logs[i])}`];
    if (this.off?.lane) lines.push(`without ${this.off.off.join(", ")}: ${told(this.off.lane.logs[i])}`);
    const base = this.bases?.find((row) => row[0] === position);
    if (base) lines.push(`this base: ${signed(base[2])} bits`);
    return lines;
  }
};

// A number of bits with its sign.
function signed(bits) { return `${bits < 0 ? "−" : "+"}${Math.abs(bits).toFixed(Math.abs(bits) < 0.1 ? 3 : 2)}`; }

Object.assign(Painter.prototype, {
  // Arcs to the base that was asked for: from the bases before it with the largest parts, and of a feature that is pointed at.
  arcs(row, head, view, left) {
    const { parts, bases, pointed } = row.mode, pen = this.pen, floor = row.y + row.height - 2, scale = (this.width - left) / (view.end - view.start);
    this.words("raised, lowered by", left - 8, row.y + row.height / 2 - 6, { align: "right", most: left - 12 });
    this.words(pointed === null ? (bases ? "bases before it" : "…") : `feature ${pointed}`, left - 8, row.y + row.height / 2 + 7, { align: "right", alpha: 0.85, size: 10, most: left - 12 });
    this.box(left, floor, this.width - left, 1, this.ink, 0.25);
    if (parts.chrom !== view.chrom) return;
    const listed = parts.features.find((feature) => feature.id === pointed);
    const ends = listed ? listed.places : [...(bases || [])].sort((a, b) => Math.abs(b[2]) - Math.abs(a[2])).slice(0, ARCS).map(([at, , bits]) => [at, bits]);
    const most = Math.max(...ends.map((end) => Math.abs(end[1])), 1e-9), middle = (at) => left + (at + 0.5 - view.start) * scale, to = middle(parts.position);
    this.within(row, left, () => {
      for (const [at, bits] of ends) {
        const from = middle(at), share = Math.abs(bits) / most, high = Math.min(row.height - 6, 10 + Math.abs(to - from) / 3);
        pen.beginPath();
        pen.moveTo(from, floor);
        pen.quadraticCurveTo((from + to) / 2, floor - 2 * high, to, floor);
        pen.strokeStyle = this.palette[bits < 0 ? "V" : "A"];
        pen.globalAlpha = 0.3 + 0.65 * share;
        pen.lineWidth = 0.6 + 3 * share;
        pen.stroke();
        pen.globalAlpha = 1;
        this.marks++;
      }
    });
    row.mode.browser.root.dataset.arcs = String(ends.length);
  },
  // What the model predicts of each base: its four letters as high as their probability, that which stands there below.
  predicted(row, head, view, left) {
    const { lane } = row, scale = (this.width - left) / (view.end - view.start);
    this.words(row.words, left - 8, row.y + row.height / 2 - 6, { align: "right", most: left - 12 });
    this.words("share of each letter", left - 8, row.y + row.height / 2 + 7, { align: "right", alpha: 0.85, size: 10, most: left - 12 });
    this.box(left, row.y, this.width - left, row.height, this.ink, 0.035);
    this.within(row, left, () => [...lane.letters].forEach((own, i) => {
      const x = left + (lane.start + i - view.start) * scale;
      if (x + scale < left || x > this.width) return;
      let y = row.y + row.height;
      for (const letter of [own, ..."ACGT".replace(own, "")].filter((each) => "ACGT".includes(each))) {
        const high = row.height * 2 ** lane.logs[i]["ACGT".indexOf(letter)];
        y -= high;
        this.box(x, y, Math.max(0.7, scale - (scale > 3 ? 0.6 : 0)), high, this.palette[letter], letter === own ? 0.9 : 0.35);
        if (scale >= 7 && high >= 9) this.words(letter, x + scale / 2, y + high / 2, { align: "center", size: 9, bold: letter === own });
      }
    }));
  },
});
