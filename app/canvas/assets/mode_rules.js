// A rule as a sentence: chosen in a form or typed, where it holds, and what the model would say under it.
const FIRST_RULE = { sign: ">", percent: 20, run: 1, distance: 30, side: "", track: "", strand: "", action: "record", strength: 0.5, bases: 30 };

MODES.rules = class {
  static title = "Rules";
  static key = "u";
  constructor(browser, side) {
    Object.assign(this, { browser, side, chosen: null, known: null, found: null, dry: null, strand: "+" });
    if (!browser.head.alone) this.form({ ask: browser.modes.ask });
  }
  get sentence() { return this.browser.modes.ask; }
  take(head) {
    if (head.alone) this.found = head.shown?.places ? head.shown : null;
    // A rule that could not be counted is not tried again where nothing has changed.
    const asked = this.sentence, other = this.counted?.sentence !== asked, moved = other || (this.counted.place !== this.browser.address() && !this.within());
    if (other && !head.alone) this.found = null;
    if (!head.alone && asked !== this.told) { this.told = asked; this.dry = null; this.form({ ask: asked }); }
    if (!head.alone && asked && moved && !this.browser.modes.run) this.count();
    if (!asked) this.found = null;
    this.draw();
  }
  // Whether the places that are held are those of the view.
  within() {
    const view = this.browser.view, found = this.found;
    return found && found.chrom === view.chrom && found.span[0] <= Math.max(0, Math.floor(view.start)) && found.span[1] >= Math.min(this.browser.head.length, Math.ceil(view.end));
  }
  // What the form shows of a sentence, or the sentence of what was chosen.
  form(asked) {
    this.browser.request({ kind: "rules_form", ...asked }, (answer) => {
      this.known = answer;
      if (answer.choices) this.chosen = { ...FIRST_RULE, ...answer.choices };
      else this.chosen = answer.sentence ? null : { ...FIRST_RULE, concept: answer.concepts[0]?.[0] || "", feature: Number(answer.features[0]?.[0] || 0) };
      if (asked.choices) { this.told = answer.sentence; this.dry = null; this.browser.modes.tell(answer.sentence); }
      this.draw();
    });
  }
  choose(name, value) {
    this.chosen = { ...this.chosen, [name]: value };
    this.form({ choices: this.chosen });
  }
  count() {
    const sentence = this.sentence;
    this.counted = { sentence, place: this.browser.address() };
    this.browser.modes.work("rules_count", { ask: sentence }, (answer) => { if (this.sentence === sentence) this.found = answer; this.draw(); });
  }
  run(kind) {
    const sentence = this.sentence, view = this.browser.view, span = this.browser.brush || [view.start, view.end];
    if (this.browser.modes.run) this.counted.place = ""; // of a count that this one takes the place of
    this.browser.modes.work(kind, { ask: sentence, strand: this.strand, ...asked(span) }, (answer) => { if (this.sentence === sentence) this.dry = answer; this.draw(); });
  }
  save() {
    this.browser.modes.work("rules_save", { ask: this.sentence }, (answer) => handOver(`data:application/json;charset=utf-8,${encodeURIComponent(answer.text)}`, answer.name));
  }

  // The predictions of the dry run as a table, positions from 0: log2 of the probability of each letter, unedited and under
  // the rule.
  table() {
    const { before, after, chrom, strand, note } = this.dry, columns = ["", "_under_rule"].flatMap((arm) => [..."ACGT"].map((letter) => `log2_p_${letter}${arm}`));
    const rows = [...before.letters].map((letter, i) => [chrom, before.start + i, strand, letter, ...before.logs[i], ...after.logs[i]].join("\t"));
    handOver(`data:text/tab-separated-values;charset=utf-8,${encodeURIComponent([`# ${note}; ${this.sentence}`, ["chrom", "position", "strand", "base", ...columns].join("\t"), ...rows, ""].join("\n"))}`, "dry_run.tsv");
  }

  // -- the panel --
  draw() {
    this.browser.modes.redraw();
    const alone = this.browser.head.alone;
    const parts = [el("h3", {}, "Rules")];
    if (alone) parts.push(el("p", {}, this.sentence));
    else parts.push(...this.fields());
    if (this.found) parts.push(this.counts());
    if (!alone && this.found) parts.push(...this.dryRun());
    if (!alone && this.found) parts.push(el("p", { class: "note" }, "The same places of all contigs by command, with the file of the rule:"), codeBox(this.found.command), el("button", { type: "button", onclick: () => this.save() }, "Save rules.json"));
    renew(this.side, parts);
  }
  fields() {
    const { known, chosen } = this;
    if (!known) return [];
    const typed = el("textarea", { rows: "3", "aria-label": "Rule", "data-name": "sentence", title: known.form, onkeydown: (event) => { event.stopPropagation(); if (event.key === "Enter") { event.preventDefault(); this.browser.modes.tell(event.target.value.trim()); } } }, this.sentence);
    const note = el("p", { class: "note" }, "The rule in its own words; typed, it is taken with Enter.");
    if (!chosen) return [typed, note, el("p", { class: "note" }, "It says more than the form can."), el("button", { type: "button", onclick: () => this.browser.modes.tell("") }, "A new rule")];
    const pick = (name, words, options) => el("select", { "aria-label": words, "data-name": name, onchange: (event) => this.choose(name, name === "feature" ? Number(event.target.value) : event.target.value) },
      ...options.map(([value, text]) => el("option", { value, selected: String(chosen[name]) === String(value) }, text)));
    const number = (name, words, least, step = "1") => el("input", { type: "number", min: String(least), step, value: String(chosen[name]), "aria-label": words, "data-name": name, onkeydown: (event) => event.stopPropagation(), onchange: (event) => this.choose(name, Number(event.target.value)) });
    const own = (list, value) => (value === "" || value === undefined || list.some(([each]) => each === String(value)) ? list : [...list, [String(value), String(value)]]);
    const tracks = own(known.tracks.map((name) => [name, name]), chosen.track), edited = chosen.action !== "record";
    const line = (...children) => el("div", { class: "line wrap" }, ...children);
    return [
      line("where", pick("concept", "Feature or concept", own(known.concepts, chosen.concept)), pick("sign", "Above or below", [[">", ">"], ["<", "<"]]), number("percent", "Percent of full scale", -10000, "any"), "%"),
      line("for", number("run", "Bases in a row", 1), chosen.run > 1 ? "bases" : "base"),
      line("near", pick("track", "Track", [["", "anything"], ...tracks]), ...(chosen.track ? ["within", number("distance", "Bases from it", 0), "bases of", pick("side", "Part of its intervals", [["", "its intervals"], ["start", "their start"], ["end", "their end"]])] : [])),
      line("on", pick("strand", "Strand", [["", "either strand"], ["+", "plus"], ["-", "minus"]])),
      line(pick("action", "Action", [["record", "record"], ...known.edits]), ...(edited ? [pick("feature", "Feature that is edited", own(known.features, chosen.feature)), ...(chosen.action === "ablate" ? [] : [{ clamp: "to", steer: "by", scale: "times" }[chosen.action], number("strength", "Strength", -100, "any")]), "for", number("bases", "Bases that it acts on", 0), chosen.bases ? "bases" : "bases (0: to the end)"] : [])),
      this.sentence ? null : el("button", { type: "button", onclick: () => this.form({ choices: chosen }) }, "Set the rule"),
      typed, note,
    ].filter(Boolean);
  }
  counts() {
    const view = this.browser.view, found = this.found, inside = found.places.filter(([at]) => at >= view.start && at < view.end).length;
    return el("p", { class: "counts", "data-view": String(inside), "data-contig": String(found.contig) }, el("b", {}, `${grouped(inside)} in view, ${grouped(found.contig)} on ${found.chrom}`), found.near > found.places.length ? "; too many to draw all" : "");
  }
  dryRun() {
    const { dry, known } = this, rule = this.chosen;
    if (rule && rule.action === "record") return [el("p", { class: "note" }, "Choose set, add, scale or ablate to see what the model would say under the rule.")];
    const parts = [el("div", { class: "line" }, el("button", { type: "button", onclick: () => this.run("rules_dry") }, this.browser.brush ? "Dry run on the selection" : "Dry run on the view"),
      rule?.strand ? null : el("select", { "aria-label": "Strand of the dry run", onchange: (event) => { this.strand = event.target.value; } }, ...[["+", "plus strand"], ["-", "minus strand"]].map(([value, word]) => el("option", { value, selected: this.strand === value }, word))))];
    if (!dry || !known) return parts;
    parts.push(el("dl", { class: "dry" }, ...[["unedited", `${dry.bits[0].toFixed(3)} bits a base`], ["under the rule", `${dry.bits[1].toFixed(3)} bits a base`], ["predictions moved", `${dry.moved.toFixed(3)} bits a base`], ["fired", `${dry.inside} here, ${dry.fired - dry.inside} before`]].flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      el("div", { class: "line" }, el("p", { class: "note" }, `${dry.note}.`), el("button", { type: "button", onclick: () => this.table() }, "TSV")),
      dry.evidence ? evidence(dry.evidence) : el("p", { class: "note" }, "Evidence: not tested. ", el("button", { type: "button", onclick: () => this.run("rules_test") }, "Test against controls")));
    return parts;
  }

  // -- the picture --
  rows() {
    if (!this.found) return [];
    const rows = [{ kind: "fired", id: "lane/mode.fired", height: 26, found: this.found }];
    if (this.dry) rows.push({ kind: "predicted", id: "lane/mode.prediction", height: 40, lane: this.dry.before, words: "prediction" }, { kind: "predicted", id: "lane/mode.under", height: 40, lane: this.dry.after, words: "under the rule" });
    return rows;
  }
  hover({ position, row }) {
    if (row?.kind !== "fired" || !this.found) return [];
    return this.found.places.filter(([at]) => at === position).map(([, strand, level]) => `the rule fires, ${strand === "+" ? "plus" : "minus"} strand read, at ${Math.round(100 * level)} %`);
  }
};

Object.assign(Painter.prototype, {
  // Where a rule fires: plus strand read above the line, minus below.
  fired(row, head, view, left) {
    const { found } = row, scale = (this.width - left) / (view.end - view.start), half = row.height / 2;
    this.words("rule holds", left - 8, row.y + half, { align: "right", most: left - 12 });
    this.box(left, row.y, this.width - left, row.height, this.ink, 0.035);
    this.box(left, row.y + half - 0.5, this.width - left, 1, this.ink, 0.3);
    if (found.chrom !== view.chrom) return;
    this.within(row, left, () => {
      for (const [at, strand] of found.places) {
        const x = left + (at - view.start) * scale;
        if (x + scale < left || x > this.width) continue;
        this.box(x, strand === "+" ? row.y + 1 : row.y + half, Math.max(1.5, scale), half - 1, this.palette[strand], 0.95);
      }
    });
  },
});
