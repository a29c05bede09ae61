// ASK_AFTER: ms of quiet before a view that is not drawn yet is asked for; TELL_AFTER: before a drawn one is told.
// ANSWER_WITHIN: ms after which an answer counts as lost.
const NARROWEST = 30, ASK_AFTER = 25, TELL_AFTER = 160, ANSWER_WITHIN = 4000, KEPT_TILES = 28;

class Browser {
  constructor(component) {
    this.root = component.parentElement.querySelector(".browser");
    this.canvas = this.root.querySelector("canvas");
    this.stage = this.root.querySelector(".stage");
    this.tip = this.root.querySelector(".tip");
    this.where = this.root.querySelector(".where");
    this.painter = new Painter(this.canvas, this.root);
    this.tiles = [];
    this.token = null;
    this.view = null;
    this.brush = null;
    this.drag = null;
    this.selecting = false;
    this.paints = 0;
    this.changed = 0;
    this.waited = false;
    this.asked = 0;
    this.abort = new AbortController();
    this.listen();
  }

  listen() {
    const on = (target, name, action, more = {}) => target.addEventListener(name, action, { signal: this.abort.signal, ...more });
    on(this.canvas, "wheel", (event) => this.wheel(event), { passive: false });
    on(this.canvas, "pointerdown", (event) => this.down(event));
    on(this.canvas, "pointermove", (event) => this.pointer(event));
    on(this.canvas, "pointerup", (event) => this.up(event));
    on(this.canvas, "pointercancel", () => { this.drag = null; this.paint(); });
    on(this.canvas, "pointerleave", () => this.hide());
    // The page moves under a pointer that stands still.
    on(document, "scroll", () => this.hide(), { capture: true, passive: true });
    on(this.canvas, "dblclick", (event) => this.zoom(0.5, this.position(event)));
    on(this.canvas, "keydown", (event) => this.key(event));
    for (const button of this.root.querySelectorAll("button[data-do]")) on(button, "click", () => this.act(button.dataset.do));
    this.observer = new ResizeObserver(() => { if (this.head) { this.paint(); this.settle(); } });
    this.observer.observe(this.stage);
    // A switch between light and dark changes the variables of the page, not the data.
    this.theme = new MutationObserver(() => this.head && this.paint());
    this.theme.observe(document.documentElement, { attributes: true, attributeFilter: ["style", "class"] });
    this.theme.observe(document.body, { attributes: true });
  }

  end() {
    this.abort.abort();
    this.observer.disconnect();
    this.theme.disconnect();
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
  }

  take(component) {
    this.send = component.setTriggerValue;
    const head = decode(component.data);
    if (this.head && this.head.scale !== head.scale) this.tiles = [];
    this.head = head;
    this.asked = 0;
    // The newest first among equals: a tile with a feature just added wins over one without.
    this.tiles = [...head.tiles, ...this.tiles.filter((old) => !head.tiles.some((t) => t.key === old.key))];
    const coarse = this.tiles.filter((t) => t.whole).slice(0, 2);
    this.tiles = [...coarse, ...this.tiles.filter((t) => !t.whole).slice(0, KEPT_TILES)];
    this.tiles.sort((a, b) => a.size - b.size);
    if (this.token !== head.token || !this.view || this.view.chrom !== head.chrom) {
      this.token = head.token;
      this.view = { chrom: head.chrom, start: head.view[0], end: head.view[1] };
      this.sent = this.address();
      this.sentWidth = null;
      clearTimeout(this.timer);
    }
    this.brush = this.drag && this.drag.brush ? this.brush : head.brush;
    this.canvas.setAttribute("aria-label", head.words);
    this.paint();
    this.settle();
  }

  width() { return Math.max(200, Math.round(this.stage.clientWidth || this.canvas.clientWidth || 800)); }
  left() { return layout(this.head, this.width()).left; }
  position(event) {
    const inside = event.clientX - this.canvas.getBoundingClientRect().left - this.left();
    return this.view.start + (inside / (this.width() - this.left())) * (this.view.end - this.view.start);
  }
  // As people count: the first base is number 1, the last one included.
  spoken() { return `${this.view.chrom}:${grouped(this.view.start + 1)}-${grouped(this.view.end)}`; }
  address() { return `${this.view.chrom}:${Math.round(this.view.start)}-${Math.round(this.view.end)}`; }

  look(start, end) {
    const length = this.head.length, span = Math.min(length, Math.max(Math.min(NARROWEST, length), end - start));
    const middle = (start + end) / 2;
    const from = Math.min(Math.max(0, Math.abs(end - start - span) < 1e-9 ? start : middle - span / 2), length - span);
    this.view = { chrom: this.view.chrom, start: from, end: from + span };
    this.changed = performance.now();
    this.waited = false;
    this.root.dataset.repaintMs = "";
    this.paint();
    this.settle();
  }
  zoom(factor, at) {
    const { start, end } = this.view, length = this.head.length;
    const span = Math.min(length, Math.max(Math.min(NARROWEST, length), (end - start) * factor));
    const share = (at - start) / (end - start);
    this.look(at - share * span, at - share * span + span);
  }
  pan(share) { const step = (this.view.end - this.view.start) * share; this.look(this.view.start + step, this.view.end + step); }

  act(name) {
    const middle = (this.view.start + this.view.end) / 2;
    const acts = {
      left: () => this.pan(-0.5), right: () => this.pan(0.5), in: () => this.zoom(1 / 2, middle), out: () => this.zoom(2, middle),
      whole: () => this.look(0, this.head.length), bases: () => this.look(middle - 50, middle + 50),
      select: () => this.mode(!this.selecting), png: () => this.save(this.canvas.toDataURL("image/png"), "png"), svg: () => this.save(this.svg(), "svg"),
    };
    acts[name]();
  }
  save(address, suffix) {
    const link = document.createElement("a");
    link.href = address;
    link.download = `${this.spoken().replace(/,/g, "").replace(/[^A-Za-z0-9._-]/g, "_")}.${suffix}`;
    link.click();
  }
  // The picture drawn once more, by the same hand, on a pen that writes SVG.
  svg() {
    const width = this.width(), { height } = layout(this.head, width), p = this.painter;
    const pen = new SvgPen(width, height, this.canvas.getContext("2d")), hits = p.hits;
    p.begin(width, height, pen);
    this.marks();
    p.hits = hits;
    this.paint();
    return URL.createObjectURL(new Blob([pen.text()], { type: "image/svg+xml" }));
  }
  mode(selecting) {
    this.selecting = selecting;
    this.root.querySelector('[data-do="select"]').setAttribute("aria-pressed", String(selecting));
    this.canvas.classList.toggle("brushing", selecting);
  }
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = (this.view.start + this.view.end) / 2, step = event.shiftKey ? 1 : 0.25;
    const keys = {
      ArrowLeft: () => this.pan(-step), ArrowRight: () => this.pan(step), ArrowUp: () => this.zoom(1 / 2, middle), ArrowDown: () => this.zoom(2, middle),
      "+": () => this.zoom(1 / 2, middle), "=": () => this.zoom(1 / 2, middle), "-": () => this.zoom(2, middle),
      Home: () => this.act("whole"), End: () => this.act("bases"), b: () => this.ask([this.view.start, this.view.end]), Escape: () => (this.brush ? this.ask(null) : this.canvas.blur()),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }
  wheel(event) {
    // Without a key, and before somebody has clicked into the picture, the wheel is the page's.
    const held = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
    if (!held && this.canvas.getRootNode().activeElement !== this.canvas) return;
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.pan((event.deltaX || event.deltaY) / this.width());
      return;
    }
    const pixels = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    this.zoom(Math.exp(Math.max(-200, Math.min(200, pixels)) * 0.004), this.position(event));
  }
  down(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.hide();
    const at = this.position(event);
    this.drag = { x: event.clientX, from: this.view.start, span: this.view.end - this.view.start, at, brush: event.shiftKey || this.selecting };
    if (this.drag.brush) this.brush = [at, at]; else this.canvas.classList.add("dragging");
  }
  pointer(event) {
    if (!this.drag) return this.hover(event);
    if (this.drag.brush) {
      const at = Math.min(Math.max(0, this.position(event)), this.head.length);
      this.brush = [Math.min(this.drag.at, at), Math.max(this.drag.at, at)];
      this.paint();
      return;
    }
    const start = this.drag.from - ((event.clientX - this.drag.x) / (this.width() - this.left())) * this.drag.span;
    this.look(start, start + this.drag.span);
  }
  up() {
    const drag = this.drag;
    this.drag = null;
    this.canvas.classList.remove("dragging");
    if (drag && drag.brush) this.ask(this.brush[1] - this.brush[0] >= 1 ? this.brush : null);
  }
  ask(brush) {
    this.brush = brush && [Math.max(0, Math.floor(brush[0])), Math.min(this.head.length, Math.ceil(brush[1]))];
    this.paint();
    this.send("brushed", { chrom: this.view.chrom, span: this.brush, view: this.address() });
  }

  // Whether a tile about as fine as the pixels covers the view, for every feature and strand shown.
  sharp() {
    const { chrom, start, end } = this.view, perPixel = (end - start) / (this.width() - this.left());
    return this.head.features.every((feature) => [...this.head.strands].every((strand) => this.tiles.some((tile) =>
      tile.chrom === chrom && tile.index.has(feature.id) && tile.strands.includes(strand) &&
      tile.start <= Math.floor(start) && tile.end >= Math.ceil(end) && tile.size <= Math.max(1, perPixel * 1.05))));
  }
  wantsLetters() {
    const { start, end } = this.view, scale = (this.width() - this.left()) / (end - start), letters = this.head.letters;
    if (scale < 2) return false;
    return !letters || letters.start > Math.floor(start) || letters.start + letters.text.length < Math.ceil(end);
  }
  drawn() { return this.sharp() && this.annotated() && !this.wantsLetters(); }
  // Whether what lies beside the strips (genes, variants) reaches over the view.
  annotated() { return this.head.chrom === this.view.chrom && this.head.span[0] <= Math.floor(this.view.start) && this.head.span[1] >= Math.ceil(this.view.end); }
  settle() {
    const whole = this.address(), drawn = this.drawn();
    this.root.dataset.pending = this.sent !== whole || !drawn ? "1" : "0";
    const width = this.width() - this.left();
    if (this.sent === whole && (drawn || this.sentWidth === width)) return;
    clearTimeout(this.timer);
    // One question at a time: while an answer is on its way, the newest view waits for it.
    const wait = this.asked ? Math.max(0, this.asked + ANSWER_WITHIN - performance.now()) : drawn ? TELL_AFTER : ASK_AFTER;
    this.timer = setTimeout(() => {
      this.asked = performance.now();
      this.waited = this.waited || !this.drawn();
      this.sent = this.address();
      this.sentWidth = width;
      const coarse = this.tiles.filter((t) => t.whole && t.chrom === this.view.chrom).map((t) => t.key);
      this.send("moved", { at: this.sent, width, coarse, sharp: this.sharp(), token: this.token });
    }, wait);
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }
  marks() {
    const head = this.head, { rows, left } = layout(head, this.width()), p = this.painter, view = this.view;
    for (const row of rows) {
      if (row.kind === "lane") p.lane(row, view, left);
      if (row.kind === "letters") p.letters(row, head, view, left);
      if (row.kind === "codons") p.codons(row, head, view, left);
      if (row.kind === "feature") p.feature(row, head, this.tiles, view, left);
    }
    p.ruler(view, left);
    if (this.brush) p.band(this.brush[0], this.brush[1], view, left);
  }
  draw() {
    const head = this.head, width = this.width(), { rows, height, left } = layout(head, width), p = this.painter;
    const view = this.view, span = view.end - view.start;
    p.begin(width, height);
    this.marks();
    this.rows = rows;
    if (this.pointed) this.hover(this.pointed);
    this.where.textContent = `${this.spoken()} · ${grouped(span)} bases`;
    Object.assign(this.root.dataset, {
      ready: "1", chrom: view.chrom, start: String(Math.round(view.start)), end: String(Math.round(view.end)),
      features: head.features.map((f) => f.id).join(","), lanes: head.lanes.map((l) => l.name).join(" | "), marks: String(p.marks), width: String(width),
      paints: String(++this.paints), sharp: this.sharp() && this.annotated() ? "1" : "0", theme: p.dark ? "dark" : "light",
      brush: this.brush ? `${Math.round(this.brush[0])}-${Math.round(this.brush[1])}` : "",
      letters: head.letters && (width - left) / span >= 7 ? "1" : "0",
    });
    if (this.changed && this.drawn()) {
      this.root.dataset.repaintWaited = this.waited ? "1" : "0";
      this.root.dataset.repaintMs = (performance.now() - this.changed).toFixed(1);
      this.changed = 0;
    }
  }

  hover(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const left = this.left(), lines = [];
    if (x < left || x > this.width() || !this.rows) return this.hide();
    this.pointed = { clientX: event.clientX, clientY: event.clientY };
    const position = Math.floor(this.position(event)), row = this.rows.find((r) => y >= r.y && y < r.y + r.height);
    if (row && row.kind === "feature") lines.push(this.reading(row, position, y));
    lines.push(`${this.view.chrom}:${grouped(position + 1)}${this.letter(position)}`);
    if (row && row.kind === "feature") lines.push(`feature ${row.feature.id}: ${row.feature.label}`, ...row.feature.facts);
    const hit = this.painter.hits.findLast((h) => x >= h.x0 && x < h.x1 && y >= h.y0 && y < h.y1);
    if (hit) {
      lines.push(hit.count > 1 ? `${hit.track}: ${hit.count} intervals drawn as one` : `${hit.track}: ${hit.name || "no name"}`);
      lines.push(`${grouped(hit.start + 1)}–${grouped(hit.end)}, ${grouped(hit.end - hit.start)} bases, strand ${hit.strand}`);
    }
    const codon = row && row.kind === "codons" && this.head.codons.find((c) => c[1] === row.strand && position >= c[0] && position < c[0] + 3);
    if (codon) lines.push(`codon ${grouped(codon[0] + 1)}–${grouped(codon[0] + 3)} (${codon[1]}): ${codon[2]}, ${codon[4]}`);
    this.tip.textContent = lines.join("\n");
    this.tip.style.display = "block";
    const room = this.width() - x;
    this.tip.style.left = room < 280 ? "" : `${x + 14}px`;
    this.tip.style.right = room < 280 ? `${room + 10}px` : "";
    this.tip.style.top = `${y + 14}px`;
    this.root.dataset.hover = lines.join(" | ");
  }
  hide() { this.pointed = null; this.tip.style.display = "none"; this.root.dataset.hover = ""; }
  letter(position) {
    const letters = this.head.letters;
    const found = letters && this.head.chrom === this.view.chrom ? letters.text[position - letters.start] : "";
    return found ? ` · ${found}` : "";
  }
  reading(row, position, y) {
    const feature = row.feature;
    const strands = [...this.head.strands], strand = strands[Math.min(strands.length - 1, Math.floor((y - row.y) / row.half))];
    const tile = this.tiles.find((t) => t.chrom === this.view.chrom && t.index.has(feature.id) && t.strands.includes(strand) && t.start <= position && t.end > position);
    if (!tile) return "…";
    const bin = firstBin(tile, position), side = tile.strands.indexOf(strand);
    const code = tile.codes[(tile.index.get(feature.id) * tile.strands.length + side) * tile.n + bin];
    const from = tile.edges[bin], to = tile.edges[bin + 1];
    const place = to - from === 1 ? "" : `, largest of ${grouped(to - from)} bases from ${grouped(from + 1)}`;
    const share = (code - 1.5) / 254, raw = share * feature.max;
    const about = raw < 1000 ? String(Number(raw.toPrecision(3))) : grouped(Number(raw.toPrecision(3)));
    const said = code === 0 ? "no value (too little context, or a base other than ACGT)" : code === 1 ? "0 %"
      : code === 255 ? `100 % or more (activation ${about} or more)` : `${Math.round(100 * share)} % (activation about ${about})`;
    return `${said}, ${strand === "+" ? "plus" : "minus"} strand read${place}`;
  }
}

const browsers = new WeakMap();

export default function (component) {
  const place = component.parentElement.querySelector(".browser");
  if (!browsers.has(place)) browsers.set(place, new Browser(component));
  browsers.get(place).take(component);
  return () => {
    // Called when the component leaves the page; a place that is still there is kept.
    if (place.isConnected) return;
    browsers.get(place)?.end();
    browsers.delete(place);
  };
}
