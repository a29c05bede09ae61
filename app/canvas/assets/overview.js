// The contig from end to end above the rows: the view marked on it, to be dragged, and the bookmarks.
class Overview {
  constructor(browser) {
    this.browser = browser;
    this.window = el("div", { class: "window" });
    this.bar = el("div", {
      class: "contig", role: "slider", tabindex: "0", "aria-label": "Place on the contig", "aria-valuemin": "0",
      onpointerdown: (event) => this.down(event), onpointermove: (event) => this.move(event),
      onpointerup: () => this.up(), onpointercancel: () => this.up(), onkeydown: (event) => this.key(event),
    }, this.window);
    this.name = el("span", { class: "name" });
    this.root = el("div", { class: "overview" }, this.name, this.bar);
  }
  get held() { return this.grip !== null && this.grip !== undefined; }
  place(event) {
    const box = this.bar.getBoundingClientRect();
    const [low, high] = bounds(this.browser.head);
    return low + ((event.clientX - box.left) / box.width) * (high - low);
  }
  down(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.bar.focus();
    this.bar.setPointerCapture(event.pointerId);
    const { start, end } = this.browser.view, at = this.place(event);
    const inside = event.target === this.window;
    this.grip = inside ? at - start : (end - start) / 2;
    if (!inside) this.move(event);
  }
  move(event) {
    if (!this.held) return;
    const { start, end } = this.browser.view, from = this.place(event) - this.grip;
    this.browser.look(from, from + end - start);
  }
  up() {
    this.grip = null;
    this.browser.settle();
  }
  key(event) {
    const steps = { ArrowLeft: -0.5, ArrowRight: 0.5, PageUp: -5, PageDown: 5 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.browser.pan(steps[event.key]);
  }
  draw() {
    const { head, view } = this.browser, [low, high] = bounds(head), percent = (p) => `${(100 * (p - low)) / (high - low)}%`;
    this.root.style.setProperty("--left", `${this.browser.left()}px`);
    this.name.textContent = head.study || "";
    this.window.style.left = percent(view.start);
    this.window.style.width = percent(low + view.end - view.start);
    this.bar.setAttribute("aria-valuemax", String(head.length));
    this.bar.setAttribute("aria-valuenow", String(Math.round((view.start + view.end) / 2)));
    this.bar.setAttribute("aria-valuetext", this.browser.spoken());
    const marks = head.chrom === view.chrom ? head.marks || [] : [], key = JSON.stringify(marks) + head.length;
    if (this.marked === key) return;
    this.marked = key;
    const drawn = marks.map(([start, end, note]) => el("div", {
      class: "mark", title: `${note || "bookmark"} · ${grouped(start + 1)}-${grouped(end)}`, style: `left: ${percent((start + end) / 2)}`,
      onpointerdown: (event) => { event.stopPropagation(); this.browser.look(start, end); },
    }));
    this.bar.replaceChildren(this.window, ...drawn);
  }
}
