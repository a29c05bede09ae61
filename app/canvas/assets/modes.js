// The modes of the canvas beside Read: a class each, in `mode_NAME.js`, which puts itself into MODES by its name.
//
// `constructor(browser, side)`: the side panel is the mode's to fill. It has `static title` and `static key`, and may have
//   take(head)              a message came; `browser.modes.ask` is the mode's part of the address, "" for none
//   leave()                 another mode was chosen
//   rows()                  lanes under the others: `{kind, id, height, ...}`, drawn by `Painter.prototype[kind](row, head,
//                           view, left)`, or of kind "lane" with a `lane` as the server has them; after `modes.redraw()`
//   over(painter, shape, view)      marks over all rows
//   click(at, event), down(at, event), move(at, event), up(at, event)
//                           `at` as of `Browser.under`; true where it is the mode's: then nothing else is done with it
//   hover(at)               lines for what is said of the base under the pointer
//   menu(at, put)           items of the menu, `put(words, act)`
//   keys                    functions by key
// `modes.tell(ask)` changes the mode's part of the address (an entry of the history); `modes.work(kind, more, done)` asks
// for what the model has to compute, and `browser.request` for what is answered at once.
const MODES = {};
// As `workbench.wording` has it.
const NOT_VALIDATED = "model output, not validated";
// POLL: ms from an answer to the next look whether the model is done, which waits for it itself (`app.canvas.work`).
// LOST_AFTER: ms without an answer after which a look counts as lost, twice as long each time.
const POLL = 60, TICK = 100, LOST_AFTER = 3000;

class Modes {
  constructor(browser) {
    this.browser = browser;
    this.name = "read";
    this.ask = "";
    this.current = null;
    this.run = null;
    this.kept = {};
    this.side = el("aside", { class: "side", "aria-label": "Mode", hidden: true });
    this.status = el("p", { class: "working", role: "status" });
    this.body = el("div", { class: "body" });
    this.side.append(this.status, this.body);
    const words = [["read", "Read"], ...Object.entries(MODES).map(([name, mode]) => [name, mode.title])];
    this.choice = el("select", { "aria-label": "Mode", title: `Mode of the canvas (keys ${this.keysText()})`, onchange: (event) => { this.choose(event.target.value); browser.canvas.focus(); } },
      ...words.map(([value, word]) => el("option", { value }, word)));
  }
  keysText() { return ["r", ...Object.values(MODES).map((mode) => mode.key)].join(", "); }
  // Keys of modes, and of the one that is on.
  keys() {
    const found = { r: () => this.choose("read") };
    for (const [name, mode] of Object.entries(MODES)) found[mode.key] = () => this.choose(name);
    return { ...found, ...(this.current?.keys || {}) };
  }
  choose(name, ask = this.kept[name] || "") {
    if (name === this.name && ask === this.ask) return;
    this.put(name, ask);
    this.change();
  }
  tell(ask) {
    if (ask === this.ask) return;
    this.put(this.name, ask);
    this.change();
  }
  change() {
    // What the server says of an older state meanwhile is not taken over.
    const told = (this.told = performance.now());
    this.browser.request({ kind: "set", changes: { mode: this.name === "read" ? "" : this.name, ask: this.ask } }, () => { if (this.told === told) this.told = 0; });
  }
  put(name, ask) {
    this.kept[name] = this.ask = ask;
    if (name !== this.name) {
      this.current?.leave?.();
      this.stop();
      this.name = name;
      this.body.replaceChildren();
      this.current = MODES[name] ? new MODES[name](this.browser, this.body) : null;
      this.side.hidden = !this.current;
      this.side.setAttribute("aria-label", this.current ? MODES[name].title : "Mode");
    }
    this.choice.value = name;
    this.browser.root.dataset.mode = name;
    this.current?.take?.(this.browser.head);
    this.redraw();
  }
  take(head) {
    this.worked(head.work);
    const mode = Object.hasOwn(MODES, head.mode) ? head.mode : "read", ask = head.ask || "";
    // A page by itself has the mode that it was saved in.
    this.choice.hidden = this.choice.options.length < 2 || (Boolean(head.alone) && mode === "read" && this.name === "read");
    if (head.alone) for (const option of this.choice.options) option.hidden = !["read", mode, this.name].includes(option.value);
    if (this.told && performance.now() - this.told < ANSWER_WITHIN) this.put(this.name, this.ask);
    else this.put(mode, ask);
  }
  redraw() {
    this.browser.head.moded = this.current?.rows?.() || [];
    this.browser.paint();
  }

  // Have the server compute something; `done(answer)`. A newer one takes the place of an older one.
  work(kind, more, done) {
    const began = performance.now();
    this.run = { id: `${performance.timeOrigin}-${began}`, asked: { kind, ...more }, done, began, lost: 0, next: 0 };
    this.side.dataset.working = "1";
    clearInterval(this.ticking);
    this.ticking = setInterval(() => this.tick(), TICK);
    this.tick();
  }
  tick() {
    const run = this.run, now = performance.now();
    if (!run) return clearInterval(this.ticking);
    // One question at a time, which would end the page's answer to the one before. Asked again in full: what got lost on
    // the way is begun or told anew.
    if (now >= run.next && !this.browser.busy()) {
      run.next = now + LOST_AFTER * 2 ** run.lost++;
      this.browser.send("worked", { run: run.id, ...run.asked });
    }
    // Whole seconds: each other text has the page drawn anew.
    const words = `${run.waits ? "waiting for another reading" : "reading"}… ${Math.floor((now - run.began) / 1000)} s`;
    if (this.status.textContent !== words) this.said(words);
  }
  worked(found) {
    if (!this.run || found?.run !== this.run.id) return;
    this.run.waits = found.waits;
    this.run.lost = 0;
    this.run.next = performance.now() + POLL;
    if (!found.done) return;
    const { done, began } = this.run;
    this.stop();
    this.side.dataset.seconds = ((performance.now() - began) / 1000).toFixed(2);
    if (found.error) this.said(found.error);
    else done(found.answer);
    this.redraw();
  }
  stop() {
    this.run = null;
    clearInterval(this.ticking);
    this.said("");
    this.side.dataset.working = "0";
  }
  // A sentence above the panel, of what went wrong.
  said(words) { this.status.textContent = words; }
}
