// ASK_AFTER: ms of quiet before a view that is not drawn yet is asked for; TELL_AFTER: before a drawn one is told.
// ANSWER_WITHIN: ms after which an answer counts as lost.
const NARROWEST = 30, ASK_AFTER = 25, TELL_AFTER = 160, ANSWER_WITHIN = 4000, KEPT_TILES = 28;
// CLICKED: ms after which a click is not the first of two. MOST_UNDONE: views that can be gone back to.
const CLICKED = 220, MOST_UNDONE = 100;

class Browser {
  constructor(component) {
    this.root = component.parentElement.querySelector(".browser");
    this.canvas = this.root.querySelector("canvas");
    this.stage = this.root.querySelector(".stage");
    this.scroller = this.root.querySelector(".scroller");
    this.tall = this.root.querySelector(".tall");
    this.tip = this.root.querySelector(".tip");
    this.said = this.root.querySelector(".said");
    this.painter = new Painter(this.canvas, this.root);
    this.tiles = [];
    this.token = null;
    this.view = null;
    this.brush = null;
    this.drag = null;
    this.zooming = null;
    this.selecting = false;
    this.paints = 0;
    this.changed = 0;
    this.waited = false;
    this.asked = 0;
    this.requests = 0;
    this.waiting = new Map();
    // Queries of views, the present one last, and those that were undone.
    this.past = [];
    this.undone = [];
    this.abort = new AbortController();
    this.toolbar = new Toolbar(this);
    this.overview = new Overview(this);
    this.gutter = new Gutter(this);
    this.sheet = new Sheet(this);
    this.menu = new Menu(this);
    this.drop = new DropTarget(this);
    this.root.prepend(this.toolbar.root, this.said, this.overview.root);
    this.root.querySelector(".middle").append(this.sheet.root);
    this.root.append(this.menu.root);
    this.where = this.toolbar.where;
    this.listen();
  }

  listen() {
    const on = (target, name, action, more = {}) => target.addEventListener(name, action, { signal: this.abort.signal, ...more });
    on(this.canvas, "wheel", (event) => this.wheel(event), { passive: false });
    on(this.canvas, "pointerdown", (event) => this.down(event));
    on(this.canvas, "pointermove", (event) => this.pointer(event));
    on(this.canvas, "pointerup", (event) => this.up(event));
    on(this.canvas, "pointercancel", () => { this.drag = this.zooming = this.gutter.drag = null; this.paint(); this.settle(); });
    on(this.canvas, "pointerleave", () => this.hide());
    // The page moves under a pointer that stands still.
    on(document, "scroll", () => this.hide(), { capture: true, passive: true });
    on(this.scroller, "scroll", () => { this.hide(); this.paint(); }, { passive: true });
    on(this.canvas, "dblclick", (event) => { clearTimeout(this.click); if (this.inData(event)) this.zoom(0.5, this.position(event)); });
    on(this.canvas, "contextmenu", (event) => this.context(event));
    on(this.canvas, "keydown", (event) => this.key(event));
    this.observer = new ResizeObserver(() => { if (this.head) { this.paint(); this.settle(); } });
    this.observer.observe(this.scroller);
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
    // What can be chosen from, where no server offers more.
    this.held = { features: head.features, lanes: head.lanes };
    if (head.alone) head.tracks = head.lanes.filter((lane) => lane.kind === "interval").map((lane) => lane.name);
    this.asked = 0;
    // The newest first among equals: a tile with a feature just added wins over one without.
    this.tiles = [...head.tiles, ...this.tiles.filter((old) => !head.tiles.some((t) => t.key === old.key))];
    const coarse = this.tiles.filter((t) => t.whole).slice(0, 2);
    this.tiles = [...coarse, ...this.tiles.filter((t) => !t.whole).slice(0, KEPT_TILES)];
    this.tiles.sort((a, b) => a.size - b.size);
    const jumped = this.token !== head.token || !this.view || this.view.chrom !== head.chrom;
    if (jumped) {
      this.token = head.token;
      this.view = { chrom: head.chrom, start: head.view[0], end: head.view[1] };
      this.sent = this.address();
      this.sentWidth = null;
      this.rested = true;
      clearTimeout(this.timer);
    }
    this.brush = this.drag && this.drag.brush ? this.brush : head.brush;
    this.canvas.setAttribute("aria-label", head.words);
    // What a hand passed over on its way is no view to go back to.
    const rests = this.rests() && this.address() === `${head.chrom}:${head.view[0]}-${head.view[1]}`;
    if (head.query && rests && head.query !== this.past[this.past.length - 1]) {
      this.past = [...this.past, head.query].slice(-MOST_UNDONE);
      if (!this.undoing) this.undone = [];
    }
    this.undoing = false;
    this.answer(head);
    this.root.classList.toggle("paged", head.pane !== undefined);
    this.toolbar.take(head, jumped);
    this.paint();
    this.settle();
  }

  // Ask the server for something; the answer comes with a later message.
  request(more, answered = null) {
    const number = ++this.requests;
    if (answered) this.waiting.set(number, answered);
    if (this.head.alone) answerAlone(this, { ...more, number });
    else this.send("asked", { ...more, number });
  }
  answer(head) {
    const found = head.answer, fresh = found && found.number !== this.answered;
    if (fresh) {
      this.answered = found.number;
      this.problem = found.error || "";
      const answered = this.waiting.get(found.number);
      this.waiting.delete(found.number);
      if (!found.error) {
        if (answered) answered(found);
        if (found.sheet) this.sheet.show(found.sheet);
        if (found.file) handOver(`data:${found.file.mime};base64,${found.file.data}`, found.file.name);
      }
    }
    const words = head.error || this.problem || "";
    if (this.said.textContent !== words) this.said.textContent = words;
  }
  change(changes) { this.request({ kind: "set", changes }); }
  setFeatures(ids) {
    const known = new Map(this.head.features.map((feature) => [feature.id, feature]));
    // At once where all are known already; the server's word follows.
    if (ids.every((id) => known.has(id))) { this.head.features = ids.map((id) => known.get(id)); this.paint(); }
    this.change({ features: ids.join(",") || "none" });
  }
  setTracks(names) {
    this.head.shown = names;
    this.change({ tracks: names.map(encodeURIComponent).join(",") || "none" });
  }
  setLanes(names) {
    this.head.sequence = Object.keys(LANE_WORDS).filter((name) => names.includes(name));
    this.change({ lanes: this.head.sequence.join(",") || "none" });
  }
  // Tracks of the study that are drawn, or that were chosen just now.
  shownTracks() { return this.head.shown || this.head.lanes.filter((lane) => ["interval", "signal"].includes(lane.kind) && !lane.own && !lane.sequence).map((lane) => lane.name); }
  // A row's height and colour, drawn at once; `tellRows` has the address keep them.
  style(id, height, colour = null) {
    const [h, c] = this.head.rows[id] || [0, ""];
    this.head.rows = { ...this.head.rows, [id]: [height ?? h, colour ?? c] };
  }
  tellRows() { this.change({ rows: rowsText(this.head.rows) }); }
  restyle(id, height, colour = null) { this.style(id, height, colour); this.paint(); this.tellRows(); }
  bookmark(span, note = "") { this.request({ kind: "mark", ...asked(span), note }); }
  copySequence(span, strand) {
    this.request({ kind: "sequence", ...asked(span), strand }, (answer) => navigator.clipboard?.writeText(answer.sheet.code).catch(() => {}));
  }
  undo(back) {
    if (back ? this.past.length < 2 : !this.undone.length) return;
    if (back) this.undone.push(this.past.pop()); else this.past.push(this.undone.pop());
    this.undoing = true;
    this.request({ kind: "show", query: this.past[this.past.length - 1] });
    this.toolbar.moves();
  }

  width() { return Math.max(200, Math.round(this.stage.clientWidth || this.canvas.clientWidth || 800)); }
  left() { return gutter(this.width()); }
  scale() { return (this.width() - this.left()) / (this.view.end - this.view.start); }
  shape() { return layout(this.head, this.width(), this.scale(), Math.max(200, this.scroller.clientHeight), this.scroller.scrollTop); }
  inData(event) {
    const box = this.canvas.getBoundingClientRect();
    return event.clientX - box.left >= this.left();
  }
  position(event) {
    const inside = event.clientX - this.canvas.getBoundingClientRect().left - this.left();
    return this.view.start + (inside / (this.width() - this.left())) * (this.view.end - this.view.start);
  }
  // As people count: the first base is number 1, the last one included.
  spoken() { return `${this.view.chrom}:${grouped(this.view.start + 1)}-${grouped(this.view.end)}`; }
  address() { return `${this.view.chrom}:${Math.round(this.view.start)}-${Math.round(this.view.end)}`; }

  look(start, end) {
    const [low, high] = bounds(this.head), length = high - low, span = Math.min(length, Math.max(Math.min(NARROWEST, length), end - start));
    const middle = (start + end) / 2;
    const from = Math.min(Math.max(low, Math.abs(end - start - span) < 1e-9 ? start : middle - span / 2), high - span);
    this.view = { chrom: this.view.chrom, start: from, end: from + span };
    this.changed = performance.now();
    this.waited = false;
    this.root.dataset.repaintMs = "";
    this.paint();
    this.settle();
  }
  zoom(factor, at) {
    const { start, end } = this.view, [low, high] = bounds(this.head), length = high - low;
    const span = Math.min(length, Math.max(Math.min(NARROWEST, length), (end - start) * factor));
    const share = (at - start) / (end - start);
    this.look(at - share * span, at - share * span + span);
  }
  pan(share) { const step = (this.view.end - this.view.start) * share; this.look(this.view.start + step, this.view.end + step); }

  act(name) {
    const middle = (this.view.start + this.view.end) / 2;
    const acts = {
      left: () => this.pan(-0.5), right: () => this.pan(0.5), in: () => this.zoom(1 / 2, middle), out: () => this.zoom(2, middle),
      whole: () => this.look(...bounds(this.head)), bases: () => this.look(middle - 50, middle + 50),
      select: () => this.mode(!this.selecting), png: () => this.save(this.png(), "png"), svg: () => this.save(this.svg(), "svg"),
      undo: () => this.undo(true), redo: () => this.undo(false),
    };
    acts[name]();
  }
  save(address, suffix) { handOver(address, `${this.spoken().replace(/,/g, "").replace(/[^A-Za-z0-9._-]/g, "_")}.${suffix}`); }
  // The picture drawn once more, by the same hand, on another pen: with rows that are scrolled out of the screen.
  picture(pen) {
    const width = this.width(), seen = this.shape(), whole = seen.total > seen.height ? layout(this.head, width, this.scale(), seen.total) : seen;
    for (const row of whole.rows) row.seen = true;
    const p = this.painter, hits = p.hits;
    p.begin(width, whole.height, pen);
    this.marks(whole);
    p.hits = hits;
    this.paint();
  }
  svg() {
    const { total, height } = this.shape(), pen = new SvgPen(this.width(), Math.max(total, height), this.canvas.getContext("2d"));
    this.picture(pen);
    return URL.createObjectURL(new Blob([pen.text()], { type: "image/svg+xml" }));
  }
  png() {
    const { total, height } = this.shape(), ratio = window.devicePixelRatio || 1, sheet = document.createElement("canvas");
    sheet.width = Math.round(this.width() * ratio);
    sheet.height = Math.round(Math.max(total, height) * ratio);
    const pen = sheet.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.picture(pen);
    return sheet.toDataURL("image/png");
  }
  mode(selecting) {
    this.selecting = selecting;
    this.toolbar.button("select").setAttribute("aria-pressed", String(selecting));
    this.canvas.classList.toggle("brushing", selecting);
  }
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = (this.view.start + this.view.end) / 2, step = event.shiftKey ? 1 : 0.25;
    const keys = {
      ArrowLeft: () => this.pan(-step), ArrowRight: () => this.pan(step), ArrowUp: () => this.zoom(1 / 2, middle), ArrowDown: () => this.zoom(2, middle),
      "+": () => this.zoom(1 / 2, middle), "=": () => this.zoom(1 / 2, middle), "-": () => this.zoom(2, middle),
      Home: () => this.act("whole"), End: () => this.act("bases"), b: () => this.select([this.view.start, this.view.end]), Escape: () => (this.brush ? this.select(null) : this.canvas.blur()),
      z: () => this.undo(true), Z: () => this.undo(false),
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
    const box = this.canvas.getBoundingClientRect(), y = event.clientY - box.top, at = this.position(event);
    this.pressed = { x: event.clientX, y: event.clientY };
    if (!this.inData(event)) { this.gutter.down(event.clientX - box.left, y); return; }
    if (y < RULER) { this.zooming = [at, at]; return; }
    this.drag = { x: event.clientX, from: this.view.start, span: this.view.end - this.view.start, at, brush: event.shiftKey || this.selecting };
    if (this.drag.brush) this.brush = [at, at]; else this.canvas.classList.add("dragging");
  }
  pointer(event) {
    const box = this.canvas.getBoundingClientRect(), [low, high] = bounds(this.head), within = (at) => Math.min(Math.max(low, at), high);
    if (this.gutter.drag) { this.gutter.move(event.clientY - box.top); return; }
    if (this.zooming) { this.zooming[1] = within(this.position(event)); this.paint(); return; }
    if (!this.drag) return this.hover(event);
    if (this.drag.brush) {
      const at = within(this.position(event));
      this.brush = [Math.min(this.drag.at, at), Math.max(this.drag.at, at)];
      this.paint();
      return;
    }
    if (this.still(event)) return;
    const start = this.drag.from - ((event.clientX - this.drag.x) / (this.width() - this.left())) * this.drag.span;
    this.look(start, start + this.drag.span);
  }
  // Whether the pointer is where it was pressed, but for a hand's trembling.
  still(event) { return Math.hypot(event.clientX - this.pressed.x, event.clientY - this.pressed.y) < 4 && this.view.start === (this.drag?.from ?? this.view.start); }
  up(event) {
    if (this.gutter.drag) { this.gutter.up(); this.paint(); return; }
    if (this.zooming) {
      const [a, b] = this.zooming;
      this.zooming = null;
      if (this.still(event)) this.paint(); else this.look(Math.min(a, b), Math.max(a, b));
      return;
    }
    const drag = this.drag;
    this.drag = null;
    this.canvas.classList.remove("dragging");
    this.settle();
    if (drag && drag.brush) this.select(this.brush[1] - this.brush[0] >= 1 ? this.brush : null);
    else if (drag && this.still(event)) {
      const at = this.under(event);
      // The second of two clicks zooms.
      clearTimeout(this.click);
      this.click = setTimeout(() => this.detail(at), CLICKED);
    }
  }
  // What lies under the pointer: row, box of a lane, position (null beside the data).
  under(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const row = (this.rows || []).find((r) => r.seen && y >= r.y && y < r.y + r.height);
    const hit = this.painter.hits.findLast((h) => x >= h.x0 && x < h.x1 && y >= h.y0 && y < h.y1);
    return { row, hit, position: x >= this.left() && x <= this.width() ? Math.floor(this.position(event)) : null };
  }
  detail({ row, hit, position }) {
    if (hit && hit.count === 1) this.request({ kind: "detail", of: "interval", track: hit.track, ...asked([hit.start, hit.end]), strand: hit.strand, name: hit.name });
    else if (hit) this.look(hit.start, hit.end);
    else if (row?.kind === "feature") this.clicked(row);
    else if (position !== null) this.request({ kind: "detail", of: "base", position });
  }
  // The name of a row.
  clicked(row) { if (row.kind === "feature") this.request({ kind: "detail", of: "feature", feature: row.feature.id }); }
  context(event) {
    event.preventDefault();
    clearTimeout(this.click);
    this.hide();
    this.menu.open(event.clientX, event.clientY, this.under(event));
  }
  select(brush) {
    const [low, high] = bounds(this.head);
    this.brush = brush && [Math.max(low, Math.floor(brush[0])), Math.min(high, Math.ceil(brush[1]))];
    this.paint();
    if (!this.head.alone) this.send("brushed", { chrom: this.view.chrom, span: this.brush, view: this.address() });
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
    if (scale < READ) return false;
    return !letters || letters.start > Math.floor(start) || letters.start + letters.text.length < Math.ceil(end);
  }
  drawn() { return this.sharp() && this.annotated() && !this.wantsLetters(); }
  // Whether what lies beside the strips (genes, variants) reaches over the view.
  annotated() { return this.head.chrom === this.view.chrom && this.head.span[0] <= Math.floor(this.view.start) && this.head.span[1] >= Math.ceil(this.view.end); }
  // Whether no hand holds the view just now.
  rests() { return !this.drag && !this.overview.held; }
  settle() {
    const whole = this.address(), drawn = this.drawn(), told = this.sent === whole && (this.rested || !this.rests());
    this.root.dataset.pending = !this.head.alone && (!told || !drawn) ? "1" : "0";
    if (this.head.alone) return;
    const width = this.width() - this.left();
    if (told && (drawn || this.sentWidth === width)) return;
    clearTimeout(this.timer);
    // One question at a time: while an answer is on its way, the newest view waits for it.
    const wait = this.asked ? Math.max(0, this.asked + ANSWER_WITHIN - performance.now()) : drawn ? TELL_AFTER : ASK_AFTER;
    this.timer = setTimeout(() => {
      this.asked = performance.now();
      this.waited = this.waited || !this.drawn();
      this.sent = this.address();
      this.sentWidth = width;
      const coarse = this.tiles.filter((t) => t.whole && t.chrom === this.view.chrom).map((t) => t.key);
      this.rested = this.rests();
      this.send("moved", { at: this.sent, width, coarse, sharp: this.sharp(), token: this.token, rests: this.rested });
    }, wait);
  }

  paint() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }
  marks({ rows, fixed, height, left, total }) {
    const head = this.head, p = this.painter, view = this.view;
    const one = (row) => (row.kind === "lane" ? p.lane(row, view, left) : row.kind === "feature" ? p.feature(row, head, this.tiles, view, left) : p[row.kind](row, head, view, left));
    for (const row of rows) if (row.stays && row.seen) one(row);
    // Rows that are scrolled go on below those that stay.
    const cut = total > height;
    if (cut) { p.pen.save(); p.pen.beginPath(); p.pen.rect(0, fixed - 1, p.width, height - fixed + 1); p.pen.clip(); }
    for (const row of rows) if (!row.stays && row.seen) one(row);
    if (cut) p.pen.restore();
    p.ruler(view, left);
    if (head.chrom === view.chrom) p.flags(head.marks || [], view, left);
    if (this.brush) p.band(this.brush[0], this.brush[1], view, left);
    if (this.zooming) p.band(Math.min(...this.zooming), Math.max(...this.zooming), view, left);
  }
  draw() {
    const head = this.head, width = this.width(), shape = this.shape(), { rows, height, left, total } = shape, p = this.painter;
    const view = this.view, span = view.end - view.start;
    this.tall.style.height = `${total}px`;
    this.stage.style.height = `${height}px`;
    p.begin(width, height);
    this.marks(shape);
    this.gutter.paint(p, left);
    this.rows = rows;
    if (this.pointed) this.hover(this.pointed);
    this.where.textContent = `${grouped(span)} bases`;
    this.toolbar.spoken();
    this.overview.draw();
    Object.assign(this.root.dataset, {
      ready: "1", chrom: view.chrom, start: String(Math.round(view.start)), end: String(Math.round(view.end)),
      features: head.features.map((f) => f.id).join(","), lanes: head.lanes.map((l) => l.name).join(" | "), marks: String(p.marks), width: String(width),
      paints: String(++this.paints), sharp: this.sharp() && this.annotated() ? "1" : "0", theme: p.dark ? "dark" : "light",
      brush: this.brush ? `${Math.round(this.brush[0])}-${Math.round(this.brush[1])}` : "",
      // Left, top, width and height of the data on the canvas: without the names of rows and the ruler.
      area: [left, RULER, width - left, height - RULER].join(" "),
      letters: head.letters && (width - left) / span >= 7 ? "1" : "0",
      rows: rows.map((row) => `${row.id}@${Math.round(row.y)}+${Math.round(row.height)}`).join(" "),
    });
    if (this.changed && this.drawn()) {
      this.root.dataset.repaintWaited = this.waited ? "1" : "0";
      this.root.dataset.repaintMs = (performance.now() - this.changed).toFixed(1);
      this.changed = 0;
    }
  }

  hover(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const left = this.left(), lines = [], over = this.gutter.over(x, y);
    this.canvas.style.cursor = over?.resize ? "ns-resize" : over?.row ? "move" : y < RULER ? "col-resize" : "";
    if (x < left || x > this.width() || !this.rows) return this.hide();
    this.pointed = { clientX: event.clientX, clientY: event.clientY };
    const { row, hit, position } = this.under(event);
    if (row && row.kind === "feature") lines.push(this.reading(row, position, y));
    lines.push(`${this.view.chrom}:${grouped(position + 1)}${this.letter(position)}`);
    if (row && row.kind === "feature") lines.push(`${nameOf(row.feature)}: ${row.feature.label}`, ...row.feature.facts);
    if (row?.kind === "lane" && row.lane.kind === "signal") lines.push(`${row.lane.name}: ${this.signalAt(row.lane, position)}`);
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
  signalAt(lane, position) {
    const code = lane.codes[Math.floor((position - lane.start) / lane.size)];
    if (!code) return "no value";
    const value = lane.low + ((code - 1) / 254) * (lane.high - lane.low);
    return `${Number(value.toPrecision(3))}${lane.size > 1 ? `, mean of ${grouped(lane.size)} bases` : ""}`;
  }
  reading(row, position, y) {
    const feature = row.feature;
    const strands = [...this.head.strands], strand = strands[Math.min(strands.length - 1, Math.floor((y - row.y) / row.half))];
    return this.valueAt(feature, strand, position);
  }
  // What a feature's value at a base is, in words.
  valueAt(feature, strand, position) {
    const tile = this.tiles.find((t) => t.chrom === this.view.chrom && t.index.has(feature.id) && t.strands.includes(strand) && t.start <= position && t.end > position);
    if (!tile) return "…";
    const bin = firstBin(tile, position), from = tile.edges[bin], to = tile.edges[bin + 1];
    const code = tile.codes[(tile.index.get(feature.id) * tile.strands.length + tile.strands.indexOf(strand)) * tile.n + bin];
    const place = to - from === 1 ? "" : `, largest of ${grouped(to - from)} bases from ${grouped(from + 1)}`;
    const share = (code - 1.5) / 254, raw = share * feature.max;
    const about = raw < 1000 ? String(Number(raw.toPrecision(3))) : grouped(Number(raw.toPrecision(3)));
    const said = code === 0 ? "no value (too little context, or a base other than ACGT)" : code === 1 ? "0 %"
      : code === 255 ? `100 % or more (activation ${about} or more)` : `${Math.round(100 * share)} % (activation about ${about})`;
    const side = feature.sides ? feature.sides[strand] : `${strand === "+" ? "plus" : "minus"} strand read`;
    return `${said}, ${side}${place}`;
  }
}

const browsers = new WeakMap();

function mount(component) {
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
