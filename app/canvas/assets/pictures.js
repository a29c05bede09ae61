// The picture as a file.
Object.assign(Browser.prototype, {
  save(address, suffix) { handOver(address, `${this.spoken().replace(/,/g, "").replace(/[^A-Za-z0-9._-]/g, "_")}.${suffix}`); },
  // The picture drawn once more, by the same hand, on another pen: with rows that are scrolled out of the screen.
  picture(pen) {
    const width = this.width(), seen = this.shape(), whole = seen.total > seen.height ? layout(this.head, width, this.scale(), seen.total) : seen;
    for (const row of whole.rows) row.seen = true;
    const p = this.painter, hits = p.hits;
    p.begin(width, whole.height + this.footer(), pen);
    this.marks(whole);
    if (this.footer()) p.words(NOT_VALIDATED, width - 4, whole.height + this.footer() / 2, { align: "right", size: 10 });
    p.hits = hits;
    this.paint();
  },
  // Pixels below a picture that holds what a model says, for the word that it leaves with.
  footer() { return this.head.moded?.length ? 16 : 0; },
  svg() {
    const { total, height } = this.shape(), pen = new SvgPen(this.width(), Math.max(total, height) + this.footer(), this.canvas.getContext("2d"));
    this.picture(pen);
    return URL.createObjectURL(new Blob([pen.text()], { type: "image/svg+xml" }));
  },
  png() {
    const { total, height } = this.shape(), ratio = window.devicePixelRatio || 1, sheet = document.createElement("canvas");
    sheet.width = Math.round(this.width() * ratio);
    sheet.height = Math.round((Math.max(total, height) + this.footer()) * ratio);
    const pen = sheet.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.picture(pen);
    return sheet.toDataURL("image/png");
  },
});
