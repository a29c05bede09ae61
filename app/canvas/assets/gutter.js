// Pixels around the lower edge of a row by which it is made higher or lower.
const EDGE = 4;

// The names beside the rows: dragged, a row changes its place among its like, or its height.
class Gutter {
  constructor(browser) { this.browser = browser; this.drag = null; }
  over(x, y) {
    const rows = (this.browser.rows || []).filter((row) => row.seen);
    if (x >= this.browser.left()) return null;
    const edge = rows.find((row) => Math.abs(y - (row.y + row.height)) <= EDGE && row.kind !== "codons");
    return edge ? { row: edge, resize: true } : { row: rows.find((row) => y >= row.y && y < row.y + row.height && this.like(row)), resize: false };
  }
  // Rows of the same kind that a row can be put among.
  like(row) {
    const own = new Set(this.browser.shownTracks());
    const fits = row.kind === "feature" ? (other) => other.kind === "feature" : (other) => other.kind === "lane" && own.has(other.lane.name);
    return fits(row) ? this.browser.rows.filter(fits) : null;
  }
  down(x, y) {
    const found = this.over(x, y);
    if (!found?.row) return false;
    this.drag = { ...found, from: y, y, height: found.row.height };
    return true;
  }
  move(y) {
    const drag = this.drag;
    drag.y = y;
    if (drag.resize) {
      const height = Math.round(Math.min(HIGHEST, Math.max(LOWEST, drag.height + y - drag.from)));
      this.browser.style(drag.row.id, height);
    }
    this.browser.paint();
  }
  up() {
    const drag = this.drag, b = this.browser;
    this.drag = null;
    if (Math.abs(drag.y - drag.from) < 4) return drag.resize ? undefined : b.clicked(drag.row);
    if (drag.resize) return b.tellRows();
    this.put(drag.row, this.place(this.like(drag.row).filter((row) => row.id !== drag.row.id), drag.y));
  }
  // Put a row at a place among its like.
  put(row, at) {
    const rest = this.like(row).filter((other) => other.id !== row.id);
    rest.splice(at, 0, row);
    if (row.kind === "feature") this.browser.setFeatures(rest.map((other) => other.feature.id));
    else this.browser.setTracks(rest.map((other) => other.lane.name));
  }
  // How many of the others lie above a height.
  place(rest, y) { return rest.filter((row) => row.y + row.height / 2 < y).length; }
  // Where the row would go.
  paint(painter, left) {
    if (!this.drag || this.drag.resize) return;
    const { row, y, from } = this.drag, rest = this.like(row).filter((other) => other.id !== row.id), at = this.place(rest, y);
    if (Math.abs(y - from) < 4) return;
    const line = at < rest.length ? rest[at].y - GAP / 2 : rest.length ? rest[at - 1].y + rest[at - 1].height + GAP / 2 : row.y;
    painter.box(0, row.y, left - 4, row.height, painter.ink, 0.12);
    painter.box(0, line - 1, painter.width, 2, painter.palette["+"], 0.9);
  }
}
