// The panel of the mode Paint: tools, concepts, how strokes are filled in, evidence, history, files.
class PaintPanel {
  constructor(mode) { this.mode = mode; this.open = { concept: true, evidence: true, history: true }; this.form = {}; }
  get browser() { return this.mode.browser; }
  draw() {
    const side = this.mode.side, kept = side.parentElement?.scrollTop || 0, alone = this.browser.head.alone;
    renew(side, [el("h3", {}, "Paint"), ...(alone ? [this.told()] : [this.tools(), this.concepts(), this.exactly(), this.filling(), this.told(), this.evidence(), this.moved(), this.history(), this.files()])]);
    if (side.parentElement) side.parentElement.scrollTop = kept;
  }
  section(name, title, ...children) {
    const box = el("details", { class: "part", open: Boolean(this.open[name]), ontoggle: (event) => { this.open[name] = event.target.open; } }, el("summary", {}, title), ...children);
    return box;
  }
  button(text, act, more = {}) { return el("button", { type: "button", onclick: act, ...more }, text); }
  choice(label, name, options, value, act) {
    return el("label", {}, label, el("select", { "aria-label": label, "data-name": name, onchange: (event) => act(event.target.value) }, ...options.map(([key, text]) => el("option", { value: key, selected: String(key) === String(value) }, text))));
  }
  tools() {
    const mode = this.mode;
    return el("div", {},
      el("div", { class: "line tools", role: "group", "aria-label": "Tool" }, ...Object.entries(TOOLS).map(([name, word], i) => this.button(word, () => mode.pick(name), { "aria-pressed": String(mode.tool === name), title: `${word} (key ${i + 1})`, "data-name": `tool ${name}` }))),
      el("div", { class: "line" },
        this.button("Undo", () => mode.back(), { disabled: !mode.node, title: "To the node before (key [)", "aria-label": "Undo the change", "data-name": "undo" }),
        this.button("Redo", () => mode.forth(), { disabled: !mode.tree.some((row) => row[1] === (mode.node?.number || 0)), title: "To the newest node after (key ])", "aria-label": "Redo the change", "data-name": "redo" }),
        this.choice("Height", "reach", REACHES.map((n) => [n, `${n} x full scale`]), mode.reach, (value) => { mode.reach = Number(value); mode.draw(); })),
      el("p", { class: "note" }, "Drag on a row: along the bases for the stretch, up for the strength; the lower half is the minus strand. Full scale is what 99.9 % of a concept's active bases do not reach."));
  }
  concepts() {
    const mode = this.mode, opened = mode.opened, rows = mode.concepts.map(([word, name, said]) => el("li", {}, this.button(`${name} · ${said}`, () => mode.choose(word), { class: "plain", "aria-pressed": String(word === mode.chosen), title: said, "data-name": `concept ${word}` })));
    const add = el("input", { type: "text", "aria-label": "Concept", placeholder: "a feature, a sum, a factor, a kept concept", "data-name": "add", onkeydown: (event) => { if (event.key === "Enter" && event.target.value.trim()) { mode.add(event.target.value.trim()); event.target.value = ""; } } });
    return this.section("concept", `Concept: ${opened ? opened.name : mode.chosen || "none"}`, el("ul", { class: "palette" }, ...rows), el("div", { class: "line" }, add), this.between(), opened ? this.features(opened) : null);
  }
  // A weighted sum of two concepts, as the command line writes it.
  between() {
    const mode = this.mode, options = mode.concepts.filter((each) => !/^list:|\s/.test(each[0])).map(([word, name]) => [word, name]);
    if (options.length < 2) return null;
    const form = this.form, words = () => [form.a || options[0][0], form.b || options[1][0]], share = form.share ?? 50;
    const slider = el("input", { type: "range", min: "0", max: "100", step: "5", value: String(share), "aria-label": "Share of the second concept", "data-name": "share", oninput: (event) => { form.share = Number(event.target.value); said.textContent = `${100 - form.share} : ${form.share}`; } });
    const said = el("output", {}, `${100 - share} : ${share}`);
    const mix = () => { const [a, b] = words(), of = (form.share ?? 50) / 100; mode.add(of === 0 ? a : of === 1 ? b : `${Number((1 - of).toFixed(2))}*${a} + ${of}*${b}`); };
    return el("details", { class: "part", open: Boolean(this.open.between), ontoggle: (event) => { this.open.between = event.target.open; } }, el("summary", {}, "Between two concepts"),
      this.choice("From", "from", options, words()[0], (value) => { form.a = value; }), this.choice("To", "to", options, words()[1], (value) => { form.b = value; }), el("div", { class: "line" }, slider, said), this.button("Take what lies between", mix, { "data-name": "mix" }));
  }
  features(opened) {
    const mode = this.mode, painted = (mode.node?.palette || []).some((each) => each[0] === opened.name);
    const turn = (feature) => (event) => mode.act("turn", { concept: opened.name, feature, factor: Number(event.target.value) });
    return el("div", {}, el("p", { class: "note" }, `${opened.how}. The genome shows ${opened.most.toFixed(2)} x full scale at most; strokes beyond are hatched.`),
      opened.features.length > 1 ? el("ul", { class: "parts" }, ...opened.features.map(([feature, label, weight]) => el("li", {}, `${feature} · ${label} (${weight.toPrecision(2)})`,
        painted ? el("input", { type: "range", min: "0", max: "2", step: "0.25", value: "1", "aria-label": `Feature ${feature} of ${opened.name}, times`, onchange: turn(feature) }) : null))) : null,
      opened.features.length > 1 && !painted ? el("p", { class: "note" }, "Once painted, its features can be turned up and down.") : null);
  }
  exactly() {
    const mode = this.mode, form = this.form, field = (name, label, value, more = {}) => el("label", {}, label, el("input", { type: "text", inputmode: "decimal", size: "8", "aria-label": label, "data-name": name, value: form[name] ?? value, oninput: (event) => { form[name] = event.target.value; }, ...more }));
    const number = (name, usual) => Number(String(form[name] ?? usual).replace(/,/g, "")), view = this.browser.view, middle = Math.round((view.start + view.end) / 2);
    const paint = () => mode.stroke(mode.chosen, number("first", middle - 29) - 1, number("last", middle + 30), form.strand || "+", number("strength", 1));
    return this.section("exactly", "Paint by numbers", el("div", { class: "line" }, field("first", "From base", middle - 29), field("last", "to", middle + 30)), el("div", { class: "line" }, this.choice("Strand", "strand", [["+", "plus"], ["-", "minus"]], form.strand || "+", (value) => { form.strand = value; }), field("strength", "Strength", 1)),
      el("div", { class: "line" }, this.button("Paint", paint, { disabled: !mode.chosen, "data-name": "paint" }), this.button("New sheet", () => mode.act("sheet", {}), { disabled: !mode.node, title: "Strokes above hide those below on the same strand" })), this.sheets());
  }
  sheets() {
    const sheets = this.mode.node?.sheets || [];
    return sheets.length < 2 ? null : el("ul", { class: "parts" }, ...sheets.map((sheet, i) => el("li", {}, `${sheet.name}: ${sheet.strokes.length} strokes`, i < sheets.length - 1 ? this.button("To the top", () => this.mode.act("raise", { sheet: i })) : " (uppermost)")));
  }
  filling() {
    const mode = this.mode, asked = mode.node?.asked, set = (changes) => mode.change("paint_settings", { changes });
    if (!asked) return null;
    return this.section("filling", `Filled in by ${asked.fill}, ${asked.copies} samples`,
      this.choice("Fill in by", "fill", mode.fills.map((fill) => [fill, fill]), asked.fill, (fill) => set({ fill })),
      this.choice("Samples", "copies", [1, 2, 4, 8].map((n) => [n, String(n)]), asked.copies, (copies) => set({ copies: Number(copies) })),
      this.choice("Judge", "readout", mode.readouts.map((name) => [name, name]), asked.readouts[0], (name) => set({ readouts: [name] })),
      this.choice("Expected", "expect", [["more", "more of it"], ["less", "less of it"]], asked.expect, (expect) => set({ expect })));
  }
  told() {
    const mode = this.mode, node = mode.node, found = mode.found;
    if (!node) return el("p", {}, "Nothing is painted here yet.");
    const beyond = mode.strokes().filter((stroke) => Math.max(...stroke.values.map(Math.abs)) > (mode.most[stroke.concept] ?? Infinity));
    const parts = [el("p", { class: "node" }, el("b", {}, `Node ${node.number}`), ` · ${node.title}`)];
    for (const stroke of beyond) parts.push(el("p", { class: "warned", role: "alert" }, `${stroke.concept} is painted at ${Math.max(...stroke.values.map(Math.abs)).toFixed(2)} x full scale; the genome never shows more than ${mode.most[stroke.concept].toFixed(2)}.`));
    const picture = found?.picture;
    if (picture?.sample) {
      const [before, after] = picture.sample.bits;
      parts.push(el("p", { class: "changed" }, `${picture.sample.changed} letters changed in sample ${mode.sample + 1}; ${before.toFixed(2)} bits a base before, ${after.toFixed(2)} after, about the stroke. `, el("b", {}, `${NOT_VALIDATED}.`)));
    } else if (picture) parts.push(el("p", {}, el("b", {}, `${NOT_VALIDATED}.`)));
    if (picture && !this.mode.browser.head.alone) {
      parts.push(el("div", { class: "line" },
        this.choice("Shown", "arm", Object.keys(picture.arms).map((arm) => [arm, arm]), mode.arm, (arm) => { mode.arm = arm; mode.draw(); }),
        this.choice("Sample", "sample", picture.arms.painted.map((_, i) => [i, String(i + 1)]), mode.sample, (sample) => mode.read(Number(sample)))));
    }
    return el("div", {}, ...parts);
  }
  evidence() {
    const found = this.mode.found;
    if (!found) return null;
    return this.section("evidence", "Evidence", ...found.picture.evidence.map((each) => evidence(each)), ...(found.left_out || []).map((line) => el("p", { class: "note" }, line)));
  }
  moved() {
    const moved = this.mode.found?.picture.sample?.moved;
    if (!moved) return null;
    const b = this.browser, drawn = new Set(b.head.features.map((f) => f.id));
    const draw = (id) => () => (drawn.has(id) ? b.request({ kind: "detail", of: "feature", feature: id }) : b.setFeatures([...b.head.features.map((f) => f.id), id].slice(-12)));
    return this.section("moved", `Other features that moved: ${moved.length || "none"}`, el("ul", { class: "parts" }, ...moved.map((row) => el("li", {}, this.button(`${row.id} · ${row.label}`, draw(row.id), { class: "plain" }), ` ${row.change} ${Math.round(100 * row.share)} % of full scale at ${grouped(row.position + 1)} ${row.strand}`))));
  }
  history() {
    const mode = this.mode, children = new Map();
    for (const row of mode.tree) children.set(row[1], [...(children.get(row[1]) || []), row]);
    const list = (parent) => el("ul", { class: "tree" }, ...(children.get(parent) || []).map((row) => el("li", {}, this.button(`${row[0]} · ${row[2]}`, () => mode.go(row[0]), { class: "plain", "aria-current": row[0] === mode.node?.number ? "true" : null, "data-name": `node ${row[0]}` }), children.has(row[0]) ? list(row[0]) : null)));
    const node = mode.node, parts = [mode.tree.length ? list(0) : el("p", { class: "note" }, "No node yet.")];
    if (node) {
      const name = el("input", { type: "text", maxlength: "80", "aria-label": "Name of the node", placeholder: "name", value: node.name, "data-name": `name ${node.number}` }), words = el("input", { type: "text", maxlength: "2000", "aria-label": "Note of the node", placeholder: "note", value: node.note, "data-name": `note ${node.number}` });
      const others = mode.tree.filter((row) => row[0] !== node.number).map((row) => [row[0], `${row[0]} · ${row[2]}`]);
      parts.push(el("div", { class: "line" }, name, words, this.button("Keep", () => mode.change("paint_note", { name: name.value, note: words.value }), { "data-name": "keep" })));
      parts.push(this.choice("Compare with", "other", [["", "no other node"], ...others], mode.other?.number || "", (other) => this.browser.modes.tell(other ? `${node.number},${other}` : String(node.number))));
      const compared = mode.found?.other;
      if (compared) parts.push(el("p", { class: "compared" }, `${compared.differing.length} changes from the first sample of node ${compared.node} to that of node ${node.number}: ${compared.differing.slice(0, 8).join(", ")}${compared.differing.length > 8 ? ", …" : ""}`));
      parts.push(this.button("Cut off this branch", () => mode.change("paint_cut", {}), { "data-name": "cut" }));
    }
    return this.section("history", `History: ${mode.tree.length} nodes`, ...parts);
  }
  files() {
    const mode = this.mode, node = mode.node, at = mode.standing;
    if (!node) return null;
    const save = (format) => () => mode.ask("paint_save", { node: node.number, format }, () => {});
    const name = el("input", { type: "text", "aria-label": "Name of the experiment", value: node.experiment || `painting_${node.number}`, "data-name": `experiment ${node.number}` });
    const stands = at && at.standing ? el("p", { class: "standing", role: "status" }, `Experiment ${node.experiment}: ${at.standing}. ${at.said || ""} `, el("a", { href: at.page }, "its page")) : null;
    return el("div", {}, this.section("files", "Files", el("div", { class: "line wrap" }, ...node.files.map((form) => this.button(form, save(form), { "data-name": `save ${form}` })))),
      this.section("experiment", "The experiment, with all arms", el("div", { class: "line" }, name, this.button("Run", () => mode.run(name.value), { "data-name": "run" })), stands,
        node.experiment ? el("div", { class: "line" }, this.button("Where it stands", () => mode.watch()), this.button("Its result on the canvas", () => this.browser.modes.tell(`${node.number}:experiment`), { "data-name": "result" })) : null,
        el("p", { class: "note" }, "It goes on when the browser is closed. The same by command:"), codeBox(node.commands.join("\n"))));
  }
}
