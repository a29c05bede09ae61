// What the painter asks of a canvas, written as SVG: the picture on the screen as a file, mark by mark.
class SvgPen {
  constructor(width, height, measure) {
    this.parts = [];
    this.size = [width, height];
    this.measure = measure;
    this.clips = 0;
    this.groups = [0];
    Object.assign(this, { fillStyle: "#000", globalAlpha: 1, font: "11px sans-serif", textAlign: "left" });
  }
  paint() { return `fill="${escaped(this.fillStyle)}"${this.globalAlpha < 1 ? ` fill-opacity="${rounded(this.globalAlpha)}"` : ""}`; }
  fillRect(x, y, w, h) { this.parts.push(`<rect x="${rounded(x)}" y="${rounded(y)}" width="${rounded(w)}" height="${rounded(h)}" ${this.paint()}/>`); }
  measureText(text) { this.measure.font = this.font; return this.measure.measureText(text); }
  fillText(text, x, y) {
    const anchor = { left: "start", center: "middle", right: "end" }[this.textAlign];
    const [, weight, size, family] = this.font.match(/^(\d+ )?([\d.]+)px (.*)$/);
    this.parts.push(`<text x="${rounded(x)}" y="${rounded(y)}" dy="0.35em" text-anchor="${anchor}" font-size="${size}"` +
      `${weight ? ` font-weight="${weight.trim()}"` : ""} font-family="${escaped(family)}" ${this.paint()}>${escaped(text)}</text>`);
  }
  beginPath() { this.path = ""; }
  moveTo(x, y) { this.path += `M${rounded(x)} ${rounded(y)}`; }
  lineTo(x, y) { this.path += `L${rounded(x)} ${rounded(y)}`; }
  rect(x, y, w, h) { this.path += `M${rounded(x)} ${rounded(y)}h${rounded(w)}v${rounded(h)}h${rounded(-w)}Z`; }
  fill() { this.parts.push(`<path d="${this.path}Z" ${this.paint()}/>`); }
  quadraticCurveTo(a, b, x, y) { this.path += `Q${rounded(a)} ${rounded(b)} ${rounded(x)} ${rounded(y)}`; }
  stroke() { this.parts.push(`<path d="${this.path}" fill="none" stroke="${escaped(this.strokeStyle)}" stroke-width="${rounded(this.lineWidth)}" stroke-opacity="${rounded(this.globalAlpha)}"/>`); }
  save() { this.groups.push(0); }
  clip() {
    const name = `clip${++this.clips}`;
    this.parts.push(`<clipPath id="${name}"><path d="${this.path}"/></clipPath><g clip-path="url(#${name})">`);
    this.groups[this.groups.length - 1]++;
  }
  restore() { this.parts.push("</g>".repeat(this.groups.pop())); }
  text() {
    const [w, h] = this.size;
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">\n${this.parts.join("\n")}\n</svg>\n`;
  }
}

function rounded(number) { return String(Math.round(number * 100) / 100); }
function escaped(text) { return String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]); }
