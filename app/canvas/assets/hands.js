// Wheel, pointer and keys.
Object.assign(Browser.prototype, {
  selectBy(selecting) {
    this.selecting = selecting;
    this.toolbar.button("select").setAttribute("aria-pressed", String(selecting));
    this.canvas.classList.toggle("brushing", selecting);
  },
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = (this.view.start + this.view.end) / 2, step = event.shiftKey ? 1 : 0.25;
    const keys = {
      ArrowLeft: () => this.pan(-step), ArrowRight: () => this.pan(step), ArrowUp: () => this.zoom(1 / 2, middle), ArrowDown: () => this.zoom(2, middle),
      "+": () => this.zoom(1 / 2, middle), "=": () => this.zoom(1 / 2, middle), "-": () => this.zoom(2, middle),
      Home: () => this.act("whole"), End: () => this.act("bases"), b: () => this.select([this.view.start, this.view.end]), Escape: () => (this.brush ? this.select(null) : this.canvas.blur()),
      z: () => this.undo(true), Z: () => this.undo(false), ...(this.head.alone ? {} : this.modes.keys()),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  },
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
  },
  down(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.hide();
    const box = this.canvas.getBoundingClientRect(), y = event.clientY - box.top, at = this.position(event);
    this.pressed = { x: event.clientX, y: event.clientY };
    if (!this.inData(event)) { this.gutter.down(event.clientX - box.left, y); return; }
    if (y < RULER) { this.zooming = [at, at]; return; }
    if (!event.shiftKey && !this.selecting && this.modes.current?.down?.(this.under(event), event)) { this.grasp = this.modes.current; return; }
    this.drag = { x: event.clientX, from: this.view.start, span: this.view.end - this.view.start, at, brush: event.shiftKey || this.selecting };
    if (this.drag.brush) this.brush = [at, at]; else this.canvas.classList.add("dragging");
  },
  pointer(event) {
    const box = this.canvas.getBoundingClientRect(), [low, high] = bounds(this.head), within = (at) => Math.min(Math.max(low, at), high);
    if (this.gutter.drag) { this.gutter.move(event.clientY - box.top); return; }
    if (this.grasp) { this.grasp.move?.(this.under(event), event); return; }
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
  },
  // Whether the pointer is where it was pressed, but for a hand's trembling.
  still(event) { return Math.hypot(event.clientX - this.pressed.x, event.clientY - this.pressed.y) < 4 && this.view.start === (this.drag?.from ?? this.view.start); },
  up(event) {
    if (this.gutter.drag) { this.gutter.up(); this.paint(); return; }
    if (this.zooming) {
      const [a, b] = this.zooming;
      this.zooming = null;
      if (this.still(event)) this.paint(); else this.look(Math.min(a, b), Math.max(a, b));
      return;
    }
    if (this.grasp) {
      const mode = this.grasp;
      this.grasp = null;
      mode.up?.(this.under(event), event);
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
      this.click = setTimeout(() => this.modes.current?.click?.(at, event) || this.detail(at), CLICKED);
    }
  },
  // What lies under the pointer: row, box of a lane, position (null beside the data), and the strand of what it is on: of
  // the half of a feature's row, of a box, of letters and codons; "" for none.
  under(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const row = (this.rows || []).find((r) => r.seen && y >= r.y && y < r.y + r.height);
    const hit = this.painter.hits.findLast((h) => x >= h.x0 && x < h.x1 && y >= h.y0 && y < h.y1);
    const halves = [...this.head.strands], half = row?.kind === "feature" ? halves[Math.min(halves.length - 1, Math.floor((y - row.y) / row.half))] : "";
    const strand = half || ("+-".includes(hit?.strand || "?") ? hit.strand : row?.strand || "");
    return { row, hit, strand, position: x >= this.left() && x <= this.width() ? Math.floor(this.position(event)) : null };
  },
  detail({ row, hit, position }) {
    if (hit && hit.count === 1) this.request({ kind: "detail", of: "interval", track: hit.track, ...asked([hit.start, hit.end]), strand: hit.strand, name: hit.name });
    else if (hit) this.look(hit.start, hit.end);
    else if (row?.kind === "feature") this.clicked(row);
    else if (position !== null) this.request({ kind: "detail", of: "base", position });
  },
  // The name of a row.
  clicked(row) { if (row.kind === "feature") this.request({ kind: "detail", of: "feature", feature: row.feature.id }); },
  context(event) {
    event.preventDefault();
    clearTimeout(this.click);
    this.hide();
    this.menu.open(event.clientX, event.clientY, this.under(event));
  },
  select(brush) {
    const [low, high] = bounds(this.head);
    this.brush = brush && [Math.max(low, Math.floor(brush[0])), Math.min(high, Math.ceil(brush[1]))];
    this.paint();
    if (!this.head.alone) this.send("brushed", { chrom: this.view.chrom, span: this.brush, view: this.address() });
  },
});
