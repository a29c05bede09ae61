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
    this.queue = [];
    this.outstanding = null;
    // Queries of views, the present one last, and those that were undone.
    this.past = [];
    this.undone = [];
    this.abort = new AbortController();
    this.modes = new Modes(this);
    this.toolbar = new Toolbar(this);
    this.overview = new Overview(this);
    this.gutter = new Gutter(this);
    this.sheet = new Sheet(this);
    this.menu = new Menu(this);
    this.drop = new DropTarget(this);
    this.root.prepend(this.toolbar.root, this.said, this.overview.root);
    this.root.querySelector(".middle").append(this.sheet.root, this.modes.side);
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
    on(this.canvas, "pointercancel", () => { this.drag = this.zooming = this.gutter.drag = this.grasp = null; this.paint(); this.settle(); });
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
    clearTimeout(this.pumping);
    clearInterval(this.modes.ticking);
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
    this.modes.take(head);
    this.paint();
    this.settle();
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
      select: () => this.selectBy(!this.selecting), png: () => this.save(this.png(), "png"), svg: () => this.save(this.svg(), "svg"),
      undo: () => this.undo(true), redo: () => this.undo(false),
    };
    acts[name]();
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
      if (this.busy()) return this.settle();
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
    this.modes.current?.over?.(p, { rows, fixed, height, left, total }, view);
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
