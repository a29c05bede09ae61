// What the browser asks of the server, and how it takes the answers.
const TYPED = ["suggest", "find"];

Object.assign(Browser.prototype, {
  // Ask the server for something; the answer comes with a later message.
  request(more, answered = null) {
    const number = ++this.requests;
    if (answered) this.waiting.set(number, answered);
    if (this.head.alone) return answerAlone(this, { ...more, number });
    // Of what is typed only the last is looked up.
    if (TYPED.includes(more.kind)) this.queue = this.queue.filter((other) => other.kind !== more.kind);
    this.queue.push({ ...more, number });
    this.pump();
  },
  // One at a time: while the page is busy, a newer event of the canvas takes the place of one that waits there.
  pump() {
    clearTimeout(this.pumping);
    if (!this.queue.length) return;
    if (!this.busy()) {
      const next = this.queue.shift();
      this.outstanding = { number: next.number, at: performance.now() };
      this.send("asked", next);
    }
    if (this.queue.length) this.pumping = setTimeout(() => this.pump(), ANSWER_WITHIN);
  },
  // Whether an answer is on its way. What is asked behind a move would still name the address before it, and take it back.
  busy() { return [this.asked, this.outstanding?.at].some((at) => at && performance.now() - at < ANSWER_WITHIN); },
  answer(head) {
    const found = head.answer, fresh = found && found.number !== this.answered;
    if (fresh) {
      this.answered = found.number;
      if (this.outstanding?.number === found.number) this.outstanding = null;
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
    this.pump();
  },
  change(changes) { this.request({ kind: "set", changes }); },
  setFeatures(ids) {
    const known = new Map(this.head.features.map((feature) => [feature.id, feature]));
    // At once where all are known already; the server's word follows.
    if (ids.every((id) => known.has(id))) { this.head.features = ids.map((id) => known.get(id)); this.paint(); }
    this.change({ features: ids.join(",") || "none" });
  },
  setTracks(names) {
    this.head.shown = names;
    this.change({ tracks: names.map(encodeURIComponent).join(",") || "none" });
  },
  setLanes(names) {
    this.head.sequence = Object.keys(LANE_WORDS).filter((name) => names.includes(name));
    this.change({ lanes: this.head.sequence.join(",") || "none" });
  },
  // Tracks of the study that are drawn, or that were chosen just now.
  shownTracks() { return this.head.shown || this.head.lanes.filter((lane) => ["interval", "signal"].includes(lane.kind) && !lane.own && !lane.sequence).map((lane) => lane.name); },
  // A row's height and colour, drawn at once; `tellRows` has the address keep them.
  style(id, height, colour = null) {
    const [h, c] = this.head.rows[id] || [0, ""];
    this.head.rows = { ...this.head.rows, [id]: [height ?? h, colour ?? c] };
  },
  tellRows() { this.change({ rows: rowsText(this.head.rows) }); },
  restyle(id, height, colour = null) { this.style(id, height, colour); this.paint(); this.tellRows(); },
  bookmark(span, note = "") { this.request({ kind: "mark", ...asked(span), note }); },
  copySequence(span, strand) {
    this.request({ kind: "sequence", ...asked(span), strand }, (answer) => navigator.clipboard?.writeText(answer.sheet.code).catch(() => {}));
  },
  undo(back) {
    if (back ? this.past.length < 2 : !this.undone.length) return;
    if (back) this.undone.push(this.past.pop()); else this.past.push(this.undone.pop());
    this.undoing = true;
    this.request({ kind: "show", query: this.past[this.past.length - 1] });
    this.toolbar.moves();
  },
});
