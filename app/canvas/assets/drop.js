// Files dropped anywhere on the page go to the page's own box for them, which reads them for this session.
class DropTarget {
  constructor(browser) {
    const on = (name, action) => document.addEventListener(name, action, { signal: browser.abort.signal });
    const files = (event) => [...(event.dataTransfer?.types || [])].includes("Files") && browser.head?.pane === "";
    const own = (event) => event.composedPath().some((node) => node instanceof Element && node.matches("[data-testid=stFileUploader]"));
    const over = (shown) => browser.root.classList.toggle("dropping", shown);
    on("dragover", (event) => { if (files(event) && !own(event)) { event.preventDefault(); over(true); } });
    on("dragleave", (event) => { if (!event.relatedTarget) over(false); });
    on("drop", (event) => {
      over(false);
      if (!files(event) || own(event)) return;
      event.preventDefault();
      this.hand(event.dataTransfer.files, 50);
    });
  }
  // The box may not be there yet: it stands below the canvas, which comes first.
  hand(files, tries) {
    const input = DropTarget.input();
    if (!input) { if (tries) setTimeout(() => this.hand(files, tries - 1), 100); return; }
    input.files = files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  static input() { return document.querySelector(".st-key-own_files input[type=file]"); }
}
