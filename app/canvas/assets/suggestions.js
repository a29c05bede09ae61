// TYPING: ms of quiet before what was typed is looked up.
const TYPING = 120;
let lists = 0;

// A box that offers what may be meant while it is typed in. `kind`: of the request that looks it up; `none`: what is
// said where nothing is found.
class Suggestions {
  constructor(browser, input, kind, chosen, entered, none = "") {
    Object.assign(this, { browser, input, kind, chosen, entered, none, offers: [], at: -1 });
    this.list = el("ul", { class: "offers", role: "listbox", id: `offers${++lists}`, hidden: true });
    for (const [name, value] of Object.entries({ role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list", "aria-controls": this.list.id, "aria-expanded": "false" })) input.setAttribute(name, value);
    input.addEventListener("input", () => this.typed());
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.hide());
    this.root = el("div", { class: "suggested" }, input, this.list);
  }
  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), TYPING);
  }
  look() {
    const text = this.input.value;
    this.browser.request({ kind: this.kind, text }, (answer) => { if (this.input.value === text) this.show(answer.offers || []); });
  }
  show(offers) {
    this.offers = offers;
    this.at = -1;
    this.list.replaceChildren(...offers.map((offer, i) => el("li", {
      role: "option", id: `${this.list.id}-${i}`, "aria-selected": "false",
      // Before the box loses the focus.
      onpointerdown: (event) => { event.preventDefault(); this.choose(i); },
    }, el("span", {}, offer.text), el("small", {}, offer.more || ""))));
    if (!offers.length && this.none) this.list.replaceChildren(el("li", { class: "none" }, this.none));
    const open = this.list.children.length > 0 && this.input.getRootNode().activeElement === this.input;
    this.list.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
  }
  hide() {
    clearTimeout(this.timer);
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
  point(i) {
    const items = [...this.list.querySelectorAll("[role=option]")];
    if (!items.length) return;
    this.at = (i + items.length) % items.length;
    items.forEach((item, j) => item.setAttribute("aria-selected", String(j === this.at)));
    items[this.at].scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", items[this.at].id);
  }
  choose(i) {
    const offer = this.offers[i];
    this.hide();
    this.chosen(offer);
  }
  key(event) {
    const open = !this.list.hidden;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.point(event.key === "ArrowDown" ? this.at + 1 : this.at < 0 ? this.offers.length - 1 : this.at - 1);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const at = open ? this.at : -1;
      if (at >= 0) this.choose(at); else { this.hide(); this.entered(this.input.value); }
    } else if (event.key === "Escape" && open) {
      event.stopPropagation();
      this.hide();
    }
  }
}
