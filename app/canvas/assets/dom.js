// An element with attributes, listeners (on...) and children; text is only ever text.
function el(tag, more = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(more)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    // As a property: a page of strict rules takes no style as an attribute.
    else if (name === "style") made.style.cssText = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Fill a panel anew. What is being typed stays where its box still says what it said when the typing began; so do the
// focus and the cursor. Boxes are known by their `data-name`.
function renew(panel, parts) {
  const boxes = () => [...panel.querySelectorAll("[data-name]")], active = panel.getRootNode().activeElement;
  const typed = boxes().filter((box) => box.matches("textarea, input[type=text], input[type=number]") && box.value !== box.defaultValue);
  const named = panel.contains(active) ? active.dataset.name : undefined, cursor = [active?.selectionStart, active?.selectionEnd];
  panel.replaceChildren(...parts.filter(Boolean));
  for (const box of boxes()) {
    const before = typed.find((other) => other.dataset.name === box.dataset.name && other.defaultValue === box.defaultValue);
    if (before) box.value = before.value;
    if (box.dataset.name !== named) continue;
    box.focus();
    if (box.matches("textarea, input[type=text]")) box.setSelectionRange(...cursor);
  }
}

// Hand a file to the person at the browser.
function handOver(address, name) {
  const link = el("a", { href: address, download: name });
  link.click();
}

// A button that opens a panel below it; it closes with Escape, and when something else is clicked or focused.
class Popover {
  constructor(label, title, fill) {
    this.fill = fill;
    this.button = el("button", { type: "button", title, "aria-label": title, "aria-expanded": "false", onclick: () => this.toggle() }, label);
    this.panel = el("div", { class: "panel", role: "group", "aria-label": title, hidden: true });
    this.root = el("div", { class: "popover", onkeydown: (event) => { if (event.key === "Escape") this.close(true); }, onfocusout: (event) => this.left(event) }, this.button, this.panel);
  }
  get open() { return !this.panel.hidden; }
  toggle() { if (this.open) this.close(); else this.show(); }
  show() {
    this.panel.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.panel.tabIndex = -1;
    this.refill();
    // Kept within the component, whose right edge the page cuts.
    const host = this.root.closest(".browser").getBoundingClientRect(), box = this.root.getBoundingClientRect();
    this.panel.style.left = `${Math.min(0, host.right - box.left - this.panel.offsetWidth - 2)}px`;
    (this.panel.querySelector("input[type=text]") || this.panel.querySelector("button, input, a") || this.panel).focus();
  }
  refill() { if (this.open) this.fill(this.panel, this); }
  close(back = false) {
    if (!this.open) return;
    this.panel.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    if (back) this.button.focus();
  }
  // What had the focus may just have been drawn anew: then the focus went nowhere.
  left(event) { if (event.relatedTarget && !this.root.contains(event.relatedTarget)) this.close(); }
}
