// Colours that are told apart with any colour vision (Okabe and Ito), for light and for dark.
const COLOURS = {
  light: { "+": "#0072b2", "-": "#d55e00", ".": "#6b7280", A: "#009e73", C: "#0072b2", G: "#b07d00", T: "#d55e00", N: "#888", V: "#a0307c" },
  dark: { "+": "#56b4e9", "-": "#ee7733", ".": "#9aa4b2", A: "#2fc79b", C: "#56b4e9", G: "#f0c540", T: "#ee7733", N: "#999", V: "#e78ac3" },
};
const LANE = 17, RULER = 24, SIGNAL = 23, HEAT = 14, GAP = 7, LETTERS = 16;

function luminance(colour) {
  const found = colour.match(/[\d.]+/g);
  if (colour.startsWith("#")) {
    const n = parseInt(colour.slice(1).padEnd(6, "0"), 16);
    return (0.3 * (n >> 16) + 0.6 * ((n >> 8) & 255) + 0.1 * (n & 255)) / 255;
  }
  return found ? (0.3 * found[0] + 0.6 * found[1] + 0.1 * found[2]) / 255 : 1;
}

// Where every row lies, from top to bottom.
function layout(head, width) {
  const rows = [];
  let y = RULER;
  const put = (kind, height, more) => { rows.push({ kind, y, height, ...more }); y += height + GAP; };
  for (const lane of head.lanes) put("lane", LANE * lane.rows, { lane });
  put("letters", LETTERS, {});
  if (head.codons.length) {
    for (const strand of "+-")
      if (head.codons.some((c) => c[1] === strand)) put("codons", LETTERS, { strand });
  }
  const half = head.draw === "heat" ? HEAT : SIGNAL;
  for (const feature of head.features) put("feature", half * head.strands.length, { feature, half });
  return { rows, height: y, left: width < 560 ? 92 : 168 };
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

  lane(row, view, left) {
    const lane = row.lane, width = this.width - left, scale = width / (view.end - view.start);
    this.words(lane.name, left - 8, row.y + row.height / 2, { align: "right", most: left - 12 });
    const pen = this.pen;
    pen.save();
    pen.beginPath();
    pen.rect(left, row.y, width, row.height);
    pen.clip();
    if (lane.kind === "driver") this.drivers(row, view, left, scale);
    else for (const [start, end, strand, name, level, count] of lane.boxes) {
      if (end <= view.start || start >= view.end) continue;
      const from = left + Math.max(-20, (start - view.start) * scale);
      const variant = lane.kind === "variant", least = variant ? 3 : 1;
      const to = Math.max(from + least, left + Math.min(width + 20, (end - view.start) * scale));
      const y = row.y + level * LANE + 1, h = LANE - 3, colour = variant ? this.palette.V : this.palette[strand] || this.palette["."];
      // Intervals drawn as one have no arrow: they do not end where the box ends.
      const tip = strand === "." || count > 1 ? 0 : Math.min(6, (to - from) / 2);
      pen.globalAlpha = count > 1 ? 0.35 : variant ? 0.95 : 0.55;
      pen.fillStyle = colour;
      pen.beginPath();
      if (strand === "-") { pen.moveTo(to, y); pen.lineTo(from + tip, y); pen.lineTo(from, y + h / 2); pen.lineTo(from + tip, y + h); pen.lineTo(to, y + h); }
      else { pen.moveTo(from, y); pen.lineTo(to - tip, y); pen.lineTo(to, y + h / 2); pen.lineTo(to - tip, y + h); pen.lineTo(from, y + h); }
      pen.fill();
      pen.globalAlpha = 1;
      this.marks++;
      const seen = Math.max(from, left), room = Math.min(to, this.width) - seen;
      const text = count > 1 ? `${count}` : variant ? name.split(",")[0] : name;
      if (room > 22 && text) this.words(text, seen + room / 2, y + h / 2 + 0.5, { align: "center", most: room - 12 });
      this.hits.push({ x0: from, x1: to, y0: y, y1: y + h, track: lane.name, start, end, strand, name, count });
    }
    pen.restore();
  }

  // Variants as high as their share of a candidate's drive; the share is written where the next leaves room.
  drivers(row, view, left, scale) {
    const floor = row.y + row.height - 1, high = row.height - 4, taken = [];
    this.box(left, floor, this.width - left, 1, this.ink, 0.25);
    const boxes = row.lane.boxes.filter(([start, end]) => end > view.start && start < view.end);
    for (const [start, end, strand, name, , count, share] of boxes.sort((a, b) => b[6] - a[6])) {
      const from = left + (start - view.start) * scale, to = Math.max(from + 4, left + (end - view.start) * scale);
      const h = Math.max(2, share * high);
      this.box(from, floor - h, to - from, h, this.palette.V, 0.95);
      const text = `${Math.round(100 * share)} %`, ends = to + 4 + 7 * text.length;
      if (taken.every(([a, b]) => ends < a || to > b)) this.words(text, to + 4, floor - Math.max(5, h - 5), { size: 10 });
      taken.push([from, ends]);
      this.hits.push({ x0: from - 2, x1: to + 2, y0: row.y, y1: row.y + row.height, track: row.lane.name, start, end, strand, name, count });
    }
  }

  letters(row, head, view, left) {
    const width = this.width - left, scale = width / (view.end - view.start);
    this.words("sequence (+)", left - 8, row.y + row.height / 2, { align: "right", alpha: 0.85, most: left - 12 });
    if (!head.letters || scale < 2 || head.chrom !== view.chrom) {
      this.words(scale < 2 ? "zoom in to read the bases" : "…", left + 6, row.y + row.height / 2, { alpha: 0.55 });
      return;
    }
    const { start, text } = head.letters;
    for (let p = Math.max(start, Math.floor(view.start)); p < Math.min(view.end, start + text.length); p++) {
      const letter = text[p - start], x = left + (p - view.start) * scale, colour = this.palette[letter] || this.palette.N;
      if (x < left - 0.5) continue;
      if (scale >= 7) this.words(letter, x + scale / 2, row.y + row.height / 2, { align: "center", colour, bold: true, size: Math.min(13, scale + 3) });
      else this.box(x, row.y + 3, Math.max(1, scale - 0.4), row.height - 6, colour, 0.9);
    }
  }

  codons(row, head, view, left) {
    const width = this.width - left, scale = width / (view.end - view.start);
    this.words(`codons (${row.strand === "+" ? "+" : "−"})`, left - 8, row.y + row.height / 2, { align: "right", alpha: 0.85, most: left - 12 });
    if (scale < 2) return;
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(left, row.y, width, row.height);
    this.pen.clip();
    for (const [start, strand, acid, odd] of head.codons) {
      if (strand !== row.strand || start + 3 <= view.start || start >= view.end) continue;
      const x = left + (start - view.start) * scale;
      this.box(x + 0.5, row.y + 1, 3 * scale - 1, row.height - 2, this.palette[strand], acid === "*" ? 0.75 : odd ? 0.3 : 0.16);
      if (scale >= 3.2) this.words(acid, x + 1.5 * scale, row.y + row.height / 2 + 0.5, { align: "center", bold: acid === "M" || acid === "*" });
    }
    this.pen.restore();
  }

  feature(row, head, tiles, view, left) {
    const width = Math.round(this.width - left), { feature, half } = row;
    const middle = row.y + row.height / 2;
    this.words(`feature ${feature.id}`, left - 8, middle - 6, { align: "right", bold: true, most: left - 14 });
    this.words(feature.label, left - 8, middle + 7, { align: "right", alpha: 0.85, size: 10, most: left - 14 });
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
          const colour = this.palette[strand];
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
