// Colours that are told apart with any colour vision (Okabe and Ito), for light and for dark.
const COLOURS = {
  light: { "+": "#0072b2", "-": "#d55e00", ".": "#6b7280", A: "#009e73", C: "#0072b2", G: "#b07d00", T: "#d55e00", N: "#888", V: "#a0307c" },
  dark: { "+": "#56b4e9", "-": "#ee7733", ".": "#9aa4b2", A: "#2fc79b", C: "#56b4e9", G: "#f0c540", T: "#ee7733", N: "#999", V: "#e78ac3" },
};

function luminance(colour) {
  const found = colour.match(/[\d.]+/g);
  if (colour.startsWith("#")) {
    const n = parseInt(colour.slice(1).padEnd(6, "0"), 16);
    return (0.3 * (n >> 16) + 0.6 * ((n >> 8) & 255) + 0.1 * (n & 255)) / 255;
  }
  return found ? (0.3 * found[0] + 0.6 * found[1] + 0.1 * found[2]) / 255 : 1;
}

class Painter {
  constructor(canvas, host) { this.canvas = canvas; this.host = host; this.marks = 0; this.hits = []; }

  // Begin a picture on the canvas, or on a pen that is given.
  begin(width, height, pen = null) {
    const ratio = window.devicePixelRatio || 1;
    if (!pen && (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio))) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.height = `${height}px`;
    }
    const style = getComputedStyle(this.host);
    this.ground = style.getPropertyValue("--st-background-color").trim() || "#ffffff";
    this.ink = style.getPropertyValue("--st-text-color").trim() || style.color;
    this.font = style.getPropertyValue("--st-font").trim() || "sans-serif";
    this.dark = luminance(this.ground) < 0.5;
    this.palette = this.dark ? COLOURS.dark : COLOURS.light;
    this.pen = pen || this.canvas.getContext("2d");
    if (!pen) this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.fillStyle = this.ground;
    this.pen.fillRect(0, 0, width, height);
    this.width = width;
    this.height = height;
    this.marks = 0;
    this.hits = [];
  }

  words(text, x, y, { size = 11, align = "left", alpha = 1, colour = this.ink, bold = false, most = 1e9 } = {}) {
    const pen = this.pen;
    pen.font = `${bold ? "600 " : ""}${size}px ${this.font}`;
    pen.textAlign = align;
    pen.textBaseline = "middle";
    pen.fillStyle = colour;
    pen.globalAlpha = alpha;
    if (pen.measureText(text).width > most) {
      let low = 0, high = text.length;
      while (low < high) {
        const mid = (low + high + 1) >> 1;
        if (pen.measureText(`${text.slice(0, mid)}…`).width <= most) low = mid; else high = mid - 1;
      }
      text = low ? `${text.slice(0, low)}…` : "";
    }
    pen.fillText(text, x, y);
    pen.globalAlpha = 1;
    this.marks++;
  }

  box(x, y, w, h, colour, alpha = 1) {
    this.pen.globalAlpha = alpha;
    this.pen.fillStyle = colour;
    this.pen.fillRect(x, y, w, h);
    this.pen.globalAlpha = 1;
    this.marks++;
  }

  // Places that a reader marked, as flags on the ruler.
  flags(marks, view, left) {
    const scale = (this.width - left) / (view.end - view.start);
    for (const [start, end] of marks) {
      const from = Math.max(left, left + (start - view.start) * scale), to = Math.min(this.width, left + (end - view.start) * scale);
      if (to >= from) this.box(from, RULER - 4, Math.max(2, to - from), 3, this.palette.G, 0.9);
    }
  }

  ruler(view, left) {
    const span = view.end - view.start, width = this.width - left;
    const rough = span / Math.max(2, width / 130), power = 10 ** Math.floor(Math.log10(rough));
    const step = Math.max(1, [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough));
    this.box(left, RULER - 5, width, 1, this.ink, 0.4);
    // The first base is number 1, and a number stands over the middle of its base.
    for (let p = Math.max(1, Math.ceil((view.start + 1) / step) * step); p <= view.end; p += step) {
      const x = left + ((p - 0.5 - view.start) / span) * width;
      this.box(x, RULER - 8, 1, 6, this.ink, 0.5);
      const text = grouped(p), half = text.length * 3.2;
      if (x - half > left - 4 && x + half < this.width) this.words(text, x, 8, { align: "center", alpha: 0.85 });
    }
    this.words(view.chrom, left - 8, 9, { align: "right", alpha: 0.85, bold: true, most: left - 12 });
  }

  feature(row, head, tiles, view, left) {
    const width = Math.round(this.width - left), { feature, half } = row;
    const middle = row.y + row.height / 2;
    const low = row.height < 24;
    this.words(feature.title || nameOf(feature), left - 8, low ? middle : middle - 6, { align: "right", bold: true, most: left - 14 });
    if (!low) this.words(feature.label, left - 8, middle + 7, { align: "right", alpha: 0.85, size: 10, most: left - 14 });
    this.box(left, row.y - 1, width, row.height + 2, this.ink, 0.035);
    [...head.strands].forEach((strand, side) => {
      const codes = columns(tiles, feature.id, strand, view, width);
      const up = strand === "+" || head.strands.length === 1;
      const y = row.y + side * half;
      for (let x = 0; x < width; ) {
        const code = codes[x];
        let stop = x + 1;
        while (stop < width && codes[stop] === code) stop++;
        if (code === 0) this.box(left + x, y, stop - x, half, this.ink, 0.13);
        const share = (code - 1) / 254;
        if (code > 1 && share >= head.threshold) {
          const colour = row.colour || this.palette[feature.sides ? { "+": "A", "-": "V" }[strand] : strand];
          if (head.draw === "heat") this.box(left + x, y, stop - x, half - 1, colour, 0.1 + 0.9 * share);
          else {
            const h = Math.max(1, share * (half - 1));
            this.box(left + x, up ? y + half - h : y, stop - x, h, colour);
          }
        }
        x = stop;
      }
      if (head.threshold > 0 && head.draw !== "heat") {
        const h = head.threshold * (half - 1);
        this.box(left, up ? y + half - h : y + h, width, 0.7, this.ink, 0.5);
      }
    });
    if (head.strands.length === 2) this.box(left, row.y + half - 0.5, width, 1, this.ink, 0.3);
  }

  band(from, to, view, left) {
    const scale = (this.width - left) / (view.end - view.start);
    const a = Math.max(left, left + (from - view.start) * scale), b = Math.min(this.width, left + (to - view.start) * scale);
    if (b <= a) return;
    this.box(a, RULER - 4, b - a, this.height - RULER, this.ink, 0.09);
    this.box(a, RULER - 4, 1, this.height - RULER, this.ink, 0.6);
    this.box(b - 1, RULER - 4, 1, this.height - RULER, this.ink, 0.6);
  }
}
