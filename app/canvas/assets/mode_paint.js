// Strokes of concepts on the rows: painted, moved, drawn out, copied, erased; what the model writes under them, below.
// The server keeps every change as a node of the history; the address holds the node.
// EDGE_BASES: pixels at a stroke's end by which it is drawn out. GRID: strengths are multiples of it.
const EDGE_BASES = 5, GRID = 0.05, PAINT_ROW = 54, REACHES = [1, 2, 4, 8];
const TOOLS = { brush: "Brush", move: "Move", copy: "Copy", erase: "Erase" };

MODES.paint = class {
  static title = "Paint";
  static key = "p";
  constructor(browser, side) {
    Object.assign(this, { browser, side, tree: [], node: null, other: null, found: null, concepts: [], readouts: [], fills: [], chosen: "", opened: null, most: {}, tool: "brush", reach: 2, sample: 0, arm: "painted", hand: null, standing: null, begun: false, queue: [], sent: 0 });
    this.panel = new PaintPanel(this);
    this.keys = { 1: () => this.pick("brush"), 2: () => this.pick("move"), 3: () => this.pick("copy"), 4: () => this.pick("erase"), "[": () => this.back(), "]": () => this.forth() };
  }
  pick(tool) { this.tool = tool; this.draw(); }
  // One question at a time: of two at once the page would see the last alone.
  ask(kind, more, done) {
    this.queue.push([{ kind, ...more }, done]);
    this.next();
  }
  next() {
    const b = this.browser, waits = b.waiting.has(this.sent) && performance.now() - this.sentAt < 5 * ANSWER_WITHIN;
    if (waits || !this.queue.length) return;
    const [asked, done] = this.queue.shift();
    this.sentAt = performance.now();
    this.sent = b.requests + 1;
    b.request(asked, done);
  }
  leave() { clearTimeout(this.watching); }
  take(head) {
    const ask = this.browser.modes.ask;
    if (head.alone) return this.hold(head.shown || {});
    this.next();
    if (!this.begun) {
      this.begun = true;
      this.ask("paint_palette", {}, (answer) => { Object.assign(this, answer); if (!this.chosen) this.choose(this.concepts[0]?.[0] || ""); this.draw(); });
    }
    if (ask === this.asked) return;
    this.asked = ask;
    // A change that was made here has told already what came of it.
    const number = Number.parseInt(ask, 10) || 0;
    if (this.fresh && this.fresh === ask && this.node?.number === number) { this.fresh = ""; return this.preview(); }
    this.fresh = "";
    this.ask("paint_history", { ask }, (answer) => { if (this.asked === ask) { this.set(answer); this.preview(); } });
  }
  // The strongest that the genome shows of each concept of a painting.
  learn(node) { for (const [name, , most] of node?.palette || []) this.most[name] = most; }
  hold({ node, samples, reference }) {
    this.node = node || null;
    this.learn(node);
    this.found = node && samples?.length ? { picture: { reference, arms: { painted: samples }, start: node.start, end: node.end, chrom: node.chrom, letters: samples[0], levels: [], evidence: [] } } : null;
    this.draw();
  }
  set(answer) {
    if (this.node?.number !== answer.node?.number) { this.found = null; this.sample = 0; this.standing = null; }
    Object.assign(this, { tree: answer.tree, node: answer.node });
    this.learn(answer.node);
    if ("other" in answer) Object.assign(this, { other: answer.other, fills: answer.fills });
    else this.other = null;
    this.draw();
  }
  // A change: the server answers with the node that it became.
  change(kind, more) {
    this.ask(kind, { node: this.node?.number || 0, ...more }, (answer) => {
      this.set(answer);
      this.fresh = answer.node ? String(answer.node.number) : "";
      if (this.fresh === this.browser.modes.ask) { this.fresh = ""; return; }
      this.browser.modes.tell(this.fresh);
    });
  }
  go(number) { this.browser.modes.tell(number ? String(number) : ""); }
  back() { if (this.node) this.go(this.node.parent); }
  forth() { const next = this.tree.filter((row) => row[1] === (this.node?.number || 0)).pop(); if (next) this.go(next[0]); }
  // What the model writes under the node, then what is read of the sample that is shown.
  preview() {
    if (!this.node || !this.node.sheets.some((sheet) => sheet.strokes.length)) { this.found = null; this.browser.modes.stop(); return this.draw(); }
    const asked = this.asked;
    this.browser.modes.work("paint_preview", { ask: asked }, (answer) => {
      if (this.asked !== asked) return;
      this.found = answer;
      this.node.written = true;
      this.read(this.sample);
    });
    this.draw();
  }
  read(sample) {
    const { asked, found } = this;
    this.sample = sample;
    Object.assign(found.picture, { sample: null, letters: found.picture.arms.painted[sample] });
    this.browser.modes.work("paint_sample", { ask: asked, sample }, (answer) => {
      if (this.found !== found || this.sample !== sample) return;
      Object.assign(found.picture, answer);
      this.draw();
    });
    this.draw();
  }
  choose(word) {
    this.chosen = word;
    this.opened = null;
    if (word) this.ask("paint_open", { concept: word, node: this.node?.number || 0 }, (answer) => this.open(answer.concept));
    this.draw();
  }
  open(concept) {
    this.opened = concept;
    this.chosen = concept.word;
    this.most[concept.name] = concept.most;
    if (!this.concepts.some((each) => each[0] === concept.word || each[1] === concept.name)) this.concepts.push([concept.word, concept.name, concept.said]);
    this.draw();
  }
  add(word) { this.ask("paint_open", { concept: word, node: this.node?.number || 0 }, (answer) => {
    this.side.querySelector('[data-name="add"]').value = "";
    this.open(answer.concept);
  }); }
  stroke(concept, start, end, strand, strength) { this.change("paint_stroke", { concept, start, end, strand, strength }); }
  act(name, more) { this.change("paint_act", { act: name, ...more }); }
  run(name) { this.ask("paint_run", { node: this.node.number, name }, (answer) => { this.set({ tree: answer.tree, node: answer.node }); this.standing = answer; this.watch(); this.draw(); }); }
  watch() {
    clearTimeout(this.watching);
    this.watching = setTimeout(() => this.ask("paint_standing", { node: this.node?.number || 0 }, (answer) => { this.standing = answer; this.draw(); if (answer.standing === "running") this.watch(); }), 2000);
  }
  draw() {
    this.panel.draw();
    this.browser.modes.redraw();
    const data = this.browser.root.dataset;
    data.node = String(this.node?.number || "");
    data.strokes = String((this.node?.sheets || []).reduce((n, sheet) => n + sheet.strokes.length, 0));
    data.written = this.found && this.found.picture.node === this.node?.number ? "1" : "0";
  }

  // -- rows --
  // Names of concepts by row: a feature that is drawn is painted on its own row.
  nameOf(row) { return row.kind === "painted" ? row.name : row.kind === "feature" ? `feature ${row.feature.id}` : ""; }
  wordOf(name) { return (this.concepts.find((each) => each[1] === name) || [name])[0]; }
  rows() {
    const drawn = new Set(this.browser.head.features.map((feature) => `feature ${feature.id}`)), names = (this.node?.palette || []).map((each) => each[0]);
    const chosen = this.concepts.find((each) => each[0] === this.chosen)?.[1];
    if (chosen && !names.includes(chosen)) names.push(chosen);
    const rows = names.filter((name) => !drawn.has(name)).map((name) => ({ kind: "painted", id: `lane/paint ${name}`, height: PAINT_ROW, name, mode: this }));
    const picture = this.found?.picture;
    if (!picture) return rows;
    const texts = picture.arms[this.arm] || picture.arms.painted, letters = this.arm === "painted" ? picture.letters : texts[0];
    rows.push({ kind: "letters", id: "lane/paint.letters", height: LETTERS, strand: "+", letters: { start: picture.start, text: letters }, title: `written, ${this.arm}` });
    for (const strand of "+-") {
      const own = (picture.sample?.codons || []).filter((codon) => codon[1] === strand);
      if (own.length && this.arm === "painted") rows.push({ kind: "writtenCodons", id: `lane/paint.codons ${strand}`, height: LETTERS, strand, codons: own });
    }
    rows.push({ kind: "reads", id: "lane/paint.reads", height: 9 * (texts.length + 1) + 4, start: picture.start, texts, reference: picture.reference, consensus: picture.consensus?.[this.arm], title: this.arm });
    const other = this.found.other;
    if (other) rows.push({ kind: "letters", id: "lane/paint.other", height: LETTERS, strand: "+", letters: { start: other.start, text: other.letters }, title: `node ${other.node}` }, { kind: "reads", id: "lane/paint.otherReads", height: 9 * (other.samples.length + 1) + 4, start: other.start, texts: other.samples, reference: other.reference, title: `node ${other.node}` });
    for (const lane of picture.sample?.lanes || []) rows.push({ kind: "lane", id: `lane/paint.${lane.name}`, height: lane.kind === "signal" ? 28 : LANE * lane.rows, lane });
    return rows;
  }
  strokes() { return (this.node?.sheets || []).flatMap((sheet, s) => sheet.strokes.map((stroke, i) => ({ ...stroke, sheet: s, stroke: i }))); }
  // Half of a row that stands for a strand: its line of strength 0, and the way up.
  half(row, strand) {
    const two = this.browser.head.strands.length === 2, high = two ? row.height / 2 : row.height;
    if (two) return { zero: row.y + high, up: strand === "+" ? -1 : 1, high };
    return { zero: row.y + row.height, up: -1, high };
  }
  shownOn(row) { return this.strokes().filter((stroke) => stroke.concept === this.nameOf(row) && this.browser.head.strands.includes(stroke.strand)); }
  over(p, { rows, left, fixed, height }, view) {
    const scale = (p.width - left) / (view.end - view.start), node = this.node, pen = p.pen;
    if (node && node.chrom === view.chrom) p.frameOf(left + (node.start - view.start) * scale, left + (node.end - view.start) * scale, left);
    for (const row of rows.filter((each) => each.seen && this.nameOf(each))) {
      pen.save();
      pen.beginPath();
      pen.rect(left, Math.max(row.y, row.stays ? 0 : fixed - 1), p.width - left, row.height);
      pen.clip();
      if (node && node.chrom === view.chrom) for (const stroke of this.shownOn(row)) this.box(p, row, stroke, left, view, scale);
      if (this.found?.picture.chrom === view.chrom) this.levels(p, row, left, view, scale);
      if (this.hand?.ghost && this.hand.row.id === row.id) this.box(p, row, this.hand.ghost, left, view, scale);
      pen.restore();
    }
  }
  box(p, row, stroke, left, view, scale) {
    const { zero, up, high } = this.half(row, stroke.strand), most = this.most[stroke.concept] ?? Infinity;
    for (let i = 0; i < stroke.values.length; ) {
      let stop = i + 1;
      while (stop < stroke.values.length && stroke.values[stop] === stroke.values[i]) stop++;
      const value = stroke.values[i], share = Math.min(1, Math.abs(value) / this.reach), x = left + (stroke.start + i - view.start) * scale, h = share * (high - 1);
      p.stroke(x, up < 0 ? zero - h : zero, (stop - i) * scale, h, value < 0, Math.abs(value) > most);
      i = stop;
    }
  }
  // The level of the concept when the unedited model reads what was written: painted (line) and unpainted (dots).
  levels(p, row, left, view, scale) {
    for (const each of this.found.picture.levels.filter((one) => one.concept === this.nameOf(row) && this.browser.head.strands.includes(one.strand))) {
      const { zero, up, high } = this.half(row, each.strand), y = (value) => zero + up * Math.min(1, Math.max(0, value) / this.reach) * (high - 1);
      for (const [arm, dash, alpha] of [["unpainted", [2, 3], 0.6], [this.arm, [], 0.95]]) if (each.arms[arm]) p.curve(each.arms[arm].map((value, i) => [left + (each.start + i + 0.5 - view.start) * scale, y(value)]), dash, alpha);
    }
  }

  // -- hands --
  // Where a pointer is on a row of a concept: strand, and strength by its height.
  grip(row, event) {
    const y = event.clientY - this.browser.canvas.getBoundingClientRect().top, strands = this.browser.head.strands, minus = strands.length === 2 ? y > row.y + row.height / 2 : strands === "-";
    const strand = minus ? "-" : "+", { zero, up, high } = this.half(row, strand), share = Math.max(0, Math.min(1, ((y - zero) * up) / (high - 1)));
    return { strand, strength: Math.max(GRID, Math.round((share * this.reach) / GRID) * GRID) };
  }
  down(at, event) {
    const { row, position } = at;
    if (this.browser.head.alone || !row || position === null || !this.nameOf(row)) return false;
    const { strand, strength } = this.grip(row, event), scale = this.browser.scale(), name = this.nameOf(row);
    const near = (edge) => Math.abs(edge - this.browser.position(event)) * scale <= EDGE_BASES;
    const on = this.shownOn(row).findLast((s) => s.strand === strand && ((position >= s.start && position < s.end) || (this.tool === "move" && (near(s.start) || near(s.end)))));
    if (["move", "copy"].includes(this.tool) && !on) return false;
    const edge = this.tool === "move" && on ? (near(on.start) ? "start" : near(on.end) ? "end" : "") : "";
    this.hand = { row, name, from: position, to: position, strand, strength, on, edge };
    this.move(at, event);
    return true;
  }
  move({ position }, event) {
    const hand = this.hand;
    if (!hand) return;
    hand.to = position ?? hand.to;
    const first = Math.min(hand.from, hand.to), last = Math.max(hand.from, hand.to) + 1, by = hand.to - hand.from;
    if (this.tool === "brush") {
      hand.strength = this.grip(hand.row, event).strength;
      hand.ghost = { concept: hand.name, strand: hand.strand, start: first, values: Array(last - first).fill(hand.strength) };
    } else if (this.tool === "erase") hand.ghost = { concept: hand.name, strand: hand.strand, start: first, values: Array(last - first).fill(GRID) };
    else if (hand.edge) {
      const start = hand.edge === "start" ? Math.min(hand.to, hand.on.end - 1) : hand.on.start, end = hand.edge === "end" ? Math.max(hand.to + 1, hand.on.start + 1) : hand.on.end;
      hand.ghost = { ...hand.on, start, end, values: Array(end - start).fill(hand.on.values[0]) };
    } else hand.ghost = { ...hand.on, start: hand.on.start + by };
    this.browser.root.dataset.ghost = `${hand.ghost.start}-${hand.ghost.start + hand.ghost.values.length}`;
    this.browser.paint();
  }
  up() {
    const hand = this.hand;
    this.hand = null;
    if (!hand?.ghost) return;
    const { ghost, on } = hand, start = ghost.start, end = start + ghost.values.length, of = on && { sheet: on.sheet, stroke: on.stroke };
    if (this.tool === "brush") this.stroke(this.wordOf(hand.name).replace(/^feature /, ""), start, end, hand.strand, hand.strength);
    else if (this.tool === "erase") { if (this.node) this.act("erase", { start, end, strand: hand.strand }); }
    else if (hand.edge) this.act("stretch", { ...of, start, end });
    else if (start !== on.start) this.act(this.tool, this.tool === "move" ? { ...of, by: start - on.start } : { ...of, start });
    this.browser.paint();
  }
  hover({ row, position }) {
    const name = row && this.nameOf(row), lines = [];
    if (!name) return lines;
    for (const stroke of this.shownOn(row).filter((s) => position >= s.start && position < s.end)) lines.push(`painted ${stroke.strand}: ${stroke.values[position - stroke.start]} of full scale`);
    for (const each of this.found?.picture.levels || []) {
      const i = position - each.start;
      if (each.concept === name && i >= 0 && i < each.painted.length) lines.push(...[this.arm, "unpainted"].filter((arm) => each.arms[arm]).map((arm) => `read back, ${arm} (${each.strand}): ${each.arms[arm][i].toFixed(2)}`));
    }
    return lines;
  }
  menu({ row, position }, put) {
    if (this.browser.head.alone || !row || position === null) return;
    for (const on of this.shownOn(row).filter((s) => position >= s.start && position < s.end)) {
      const of = { sheet: on.sheet, stroke: on.stroke };
      put(`Take away the stroke of ${on.concept}`, () => this.act("remove", of));
      put("Twice as strong", () => this.act("strengthen", { ...of, strength: 2 * on.values[0] }));
      put("Half as strong", () => this.act("strengthen", { ...of, strength: on.values[0] / 2 }));
    }
  }
};

Object.assign(Painter.prototype, {
  painted(row, head, view, left) {
    const middle = row.y + row.height / 2;
    this.words(row.name, left - 8, middle - 6, { align: "right", bold: true, most: left - 14 });
    this.words(`painted, up to ${row.mode.reach} x full scale`, left - 8, middle + 7, { align: "right", alpha: 0.85, size: 10, most: left - 14 });
    this.box(left, row.y, this.width - left, row.height, this.ink, 0.035);
    if (head.strands.length === 2) this.box(left, middle - 0.5, this.width - left, 1, this.ink, 0.3);
  },
  // A stroke; hatched where it is stronger than the genome ever shows.
  stroke(x, y, w, h, takesAway, beyond) {
    const pen = this.pen, colour = this.palette[takesAway ? "-" : "A"];
    this.box(x, y, Math.max(1, w), Math.max(1.5, h), colour, beyond ? 0.22 : 0.4);
    if (!beyond) return;
    pen.save();
    pen.beginPath();
    pen.rect(x, y, w, h);
    pen.clip();
    pen.strokeStyle = colour;
    pen.lineWidth = 1.4;
    pen.beginPath();
    for (let at = x - h; at < x + w; at += 6) { pen.moveTo(at, y + h); pen.lineTo(at + h, y); }
    pen.stroke();
    pen.restore();
    this.marks++;
  },
  curve(points, dash, alpha) {
    const pen = this.pen;
    pen.beginPath();
    points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.setLineDash?.(dash);
    pen.globalAlpha = alpha;
    pen.strokeStyle = this.ink;
    pen.lineWidth = 1.3;
    pen.stroke();
    pen.setLineDash?.([]);
    pen.globalAlpha = 1;
    this.marks++;
  },
  // Where the canvas of the painting begins and ends.
  frameOf(from, to, left) {
    for (const x of [from, to]) if (x >= left && x <= this.width) for (let y = RULER; y < this.height; y += 7) this.box(x, y, 1, 4, this.palette.A, 0.8);
    const a = Math.max(left, from), b = Math.min(this.width, to);
    if (b > a) this.box(a, RULER - 3, b - a, 2, this.palette.A, 0.9);
  },
  writtenCodons(row, head, view, left) { this.codons(row, { codons: row.codons }, view, left); },
  // Written sequences as reads: letters that differ from the reference, and the consensus below them.
  reads(row, head, view, left) {
    const scale = (this.width - left) / (view.end - view.start), high = 9;
    this.words(row.title, left - 8, row.y + row.height / 2 - 6, { align: "right", most: left - 12 });
    this.words(`${row.texts.length} samples${row.consensus ? ", consensus" : ""}`, left - 8, row.y + row.height / 2 + 7, { align: "right", alpha: 0.85, size: 10, most: left - 12 });
    const lines = [...row.texts, ...(row.consensus ? [row.consensus.letters] : [])];
    this.within(row, left, () => lines.forEach((text, line) => {
      const y = row.y + line * high + (line === row.texts.length ? 3 : 0), first = Math.max(0, Math.floor(view.start) - row.start), last = Math.min(text.length, Math.ceil(view.end) - row.start);
      if (last <= first) return;
      this.box(left + (row.start + first - view.start) * scale, y + 1, (last - first) * scale, high - 2, this.ink, 0.1);
      for (let i = first; i < last; i++) {
        const x = left + (row.start + i - view.start) * scale, same = text[i] === row.reference?.[i];
        if (same) continue;
        this.box(x, y + 1, Math.max(1, scale - 0.3), high - 2, this.palette[text[i]] || this.palette.N, line === row.texts.length ? row.consensus.shares[i] : 0.85);
        if (scale >= 7) this.words(text[i], x + scale / 2, y + high / 2, { align: "center", size: 8, bold: true, colour: this.ground });
      }
    }));
  },
});
