// What stands beside whatever was done to the model, as `app.canvas.evidence` says it: arms, readouts, a word, and
// the nearest training match. All modes show it by this.
function evidence(found) {
  const number = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(3))));
  return el("section", { class: "evidence", "aria-label": "Evidence" },
    el("p", { class: "verdict", "data-verdict": found.verdict }, el("b", {}, found.verdict), ` — ${found.why}`),
    el("table", {},
      el("thead", {}, el("tr", {}, ...["arm", ...found.columns].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, ...found.rows.map(([arm, ...values]) => el("tr", {}, el("th", { scope: "row" }, arm), ...values.map((value) => el("td", {}, number(value))))))),
    ...found.lines.map((line) => el("p", { class: "note" }, line)),
    el("p", { class: "note" }, `Nearest training match: ${found.match}.`),
    el("p", { class: "note" }, `${found.note}.`));
}
