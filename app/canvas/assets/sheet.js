// The side panel: what the server says of what was clicked. Everything in it is text.
class Sheet {
  constructor(browser) {
    this.browser = browser;
    this.root = el("aside", { class: "sheet", "aria-label": "Details", hidden: true, onkeydown: (event) => { if (event.key === "Escape") this.close(); } });
  }
  show(sheet) {
    const parts = [
      el("div", { class: "top" }, el("h3", {}, sheet.title || ""), el("button", { type: "button", class: "plain", "aria-label": "Close the details", onclick: () => this.close() }, "×")),
      ...(sheet.lines || []).map((line) => el("p", {}, line)),
    ];
    if (sheet.facts?.length) parts.push(el("dl", {}, ...sheet.facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
    if (sheet.links?.length) parts.push(el("ul", { class: "links" }, ...sheet.links.map((link) => el("li", {}, el("a", { href: link.href }, link.text)))));
    if (sheet.items?.length) parts.push(el("ul", { class: "items" }, ...sheet.items.map((item) => el("li", {}, el("button", { type: "button", onclick: () => this.browser.request(item.act) }, item.text, el("small", {}, item.more || ""))))));
    if (sheet.code) parts.push(codeBox(sheet.code));
    this.root.replaceChildren(...parts);
    this.root.hidden = false;
    this.root.scrollTop = 0;
  }
  close() {
    this.root.hidden = true;
    this.browser.canvas.focus();
  }
}

// Text to be copied.
function codeBox(text) {
  const said = el("span", { role: "status" });
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); said.textContent = "copied"; } catch { said.textContent = "select it and copy"; }
  };
  return el("div", { class: "code" }, el("pre", { tabindex: "0" }, text), el("button", { type: "button", onclick: copy }, "Copy"), said);
}
