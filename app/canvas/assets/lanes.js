// What the rows beside the features show: annotation, variants, signals, letters, codons, frames.
const COMPLEMENT = { A: "T", C: "G", G: "C", T: "A" };

Object.assign(Painter.prototype, {
  // Draw within a row's data area alone.
  within(row, left, paint) {
    const pen = this.pen;
    pen.save();
    pen.beginPath();
    pen.rect(left, row.y, this.width - left, row.height);
    pen.clip();
    paint();
    pen.restore();
  },

  lane(row, view, left) {
    const lane = row.lane, scale = (this.width - left) / (view.end - view.start);
    if (lane.kind === "signal") return this.signal(row, view, left);
    this.words(lane.name, left - 8, row.y + row.height / 2, { align: "right", most: left - 12 });
    this.within(row, left, () => (lane.kind === "driver" ? this.drivers(row, view, left, scale) : this.boxes(row, view, left, scale)));
  },

  boxes(row, view, left, scale) {
    const lane = row.lane, pen = this.pen, width = this.width - left, high = row.height / lane.rows;
    for (const [start, end, strand, name, level, count] of lane.boxes) {
      if (end <= view.start || start >= view.end) continue;
      const from = left + Math.max(-20, (start - view.start) * scale);
      const variant = lane.kind === "variant", least = variant ? 3 : 1;
      const to = Math.max(from + least, left + Math.min(width + 20, (end - view.start) * scale));
      const y = row.y + level * high + 1, h = Math.max(3, high - 3), colour = row.colour || (variant ? this.palette.V : this.palette[strand] || this.palette["."]);
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
      if (room > 22 && h >= 9 && text) this.words(text, seen + room / 2, y + h / 2 + 0.5, { align: "center", most: room - 12 });
      this.hits.push({ x0: from, x1: to, y0: y, y1: y + h, track: lane.name, start, end, strand, name, count });
    }
  },

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
  },

  // Means of bins from the line at 0, or from the lowest where all lie on one side of it.
  signal(row, view, left) {
    const lane = row.lane, scale = (this.width - left) / (view.end - view.start), middle = row.y + row.height / 2;
    this.words(lane.name, left - 8, middle - 6, { align: "right", most: left - 12 });
    this.words(`${rough(lane.low)} to ${rough(lane.high)}`, left - 8, middle + 7, { align: "right", alpha: 0.85, size: 10, most: left - 12 });
    this.box(left, row.y, this.width - left, row.height, this.ink, 0.035);
    const zero = lane.low < 0 && lane.high > 0 ? -lane.low / (lane.high - lane.low) : lane.high <= 0 ? 1 : 0, floor = row.y + row.height * (1 - zero);
    this.within(row, left, () => {
      const first = Math.max(0, Math.floor((view.start - lane.start) / lane.size)), last = Math.min(lane.codes.length, Math.ceil((view.end - lane.start) / lane.size));
      for (let i = first; i < last; ) {
        const code = lane.codes[i];
        let stop = i + 1;
        while (stop < last && lane.codes[stop] === code) stop++;
        if (code > 0) {
          const share = (code - 1) / 254, top = row.y + row.height * (1 - Math.max(share, zero)), h = Math.abs(share - zero) * row.height;
          const x = left + (lane.start + i * lane.size - view.start) * scale, w = (stop - i) * lane.size * scale;
          this.box(x, top, Math.max(w, 0.5), Math.max(h, 1), row.colour || this.palette[share >= zero ? "+" : "-"], 0.7);
        }
        i = stop;
      }
      if (zero > 0 && zero < 1) this.box(left, floor - 0.5, this.width - left, 1, this.ink, 0.3);
    });
  },

  letters(row, head, view, left) {
    const width = this.width - left, scale = width / (view.end - view.start), minus = row.strand === "-";
    this.words(row.letters ? row.title || "with the changes" : `sequence (${minus ? "−" : "+"})`, left - 8, row.y + row.height / 2, { align: "right", alpha: 0.85, most: left - 12 });
    if (!head.letters || scale < READ || head.chrom !== view.chrom) {
      this.words(scale < READ ? "zoom in to read the bases" : "…", left + 6, row.y + row.height / 2, { alpha: 0.55 });
      return;
    }
    const { start, text } = row.letters || head.letters;
    for (let p = Math.max(start, Math.floor(view.start)); p < Math.min(view.end, start + text.length); p++) {
      const plus = text[p - start].toUpperCase(), letter = minus ? COMPLEMENT[plus] || "N" : plus;
      const x = left + (p - view.start) * scale, colour = this.palette[letter] || this.palette.N;
      if (x < left - 0.5) continue;
      if (row.letters && text[p - start] !== head.letters.text[p - head.letters.start]) this.box(x, row.y, Math.max(2, scale), row.height, this.palette.V, 0.35);
      if (scale >= 7) this.words(letter, x + scale / 2, row.y + row.height / 2, { align: "center", colour, bold: true, size: Math.min(13, scale + 3) });
      else this.box(x, row.y + 3, Math.max(1, scale - 0.4), row.height - 6, colour, 0.9);
    }
  },

  codons(row, head, view, left) {
    const scale = (this.width - left) / (view.end - view.start);
    this.words(`codons (${row.strand === "+" ? "+" : "−"})`, left - 8, row.y + row.height / 2, { align: "right", alpha: 0.85, most: left - 12 });
    this.within(row, left, () => {
      for (const [start, strand, acid, odd] of head.codons) {
        if (strand !== row.strand || start + 3 <= view.start || start >= view.end) continue;
        const x = left + (start - view.start) * scale;
        this.box(x + 0.5, row.y + 1, 3 * scale - 1, row.height - 2, this.palette[strand], acid === "*" ? 0.75 : odd ? 0.3 : 0.16);
        if (scale >= 3.2) this.words(acid, x + 1.5 * scale, row.y + row.height / 2 + 0.5, { align: "center", bold: acid === "M" || acid === "*" });
      }
    });
  },

  // Six frames: acids where there is room for letters, else stops alone. A frame is named by the place of its first
  // base on the contig, so that it stays in its line wherever the view begins.
  frames(row, head, view, left) {
    const scale = (this.width - left) / (view.end - view.start), high = row.height / 6, middle = row.y + row.height / 2;
    this.words("frames 1 2 3 (+)", left - 8, middle - high * 1.5, { align: "right", alpha: 0.85, size: 10, most: left - 12 });
    this.words("frames 1 2 3 (−)", left - 8, middle + high * 1.5, { align: "right", alpha: 0.85, size: 10, most: left - 12 });
    this.box(left, middle - 0.5, this.width - left, 1, this.ink, 0.2);
    if (!head.letters || head.chrom !== view.chrom) {
      this.words("zoom in to see the frames", left + 6, middle, { alpha: 0.55 });
      return;
    }
    const read = scale >= 3.2 && high >= 8;
    this.within(row, left, () => {
      for (const { at, strand, acid, frame } of frameCodons(head.letters, head.acids)) {
        if (at + 3 <= view.start || at >= view.end || (!read && acid !== "*")) continue;
        const x = left + (at - view.start) * scale, y = row.y + (strand === "+" ? frame : 3 + frame) * high;
        if (acid === "*" || acid === "M") this.box(x, y + 0.5, Math.max(1, 3 * scale - 0.5), high - 1, acid === "*" ? this.palette["-"] : this.palette.A, 0.6);
        if (read) this.words(acid, x + 1.5 * scale, y + high / 2 + 0.5, { align: "center", size: Math.min(11, high), bold: acid === "M" || acid === "*" });
      }
    });
  },
});

// Codons of all six frames of a text, once for each text: place, strand, acid, frame 0 to 2.
function frameCodons(letters, acids) {
  if (letters.framed) return letters.framed;
  const text = letters.text.toUpperCase(), found = [];
  for (let i = 0; i + 3 <= text.length; i++) {
    const plus = text.slice(i, i + 3), minus = [...plus].reverse().map((c) => COMPLEMENT[c] || "N").join(""), at = letters.start + i;
    found.push({ at, strand: "+", acid: acids[plus] || "X", frame: at % 3 }, { at, strand: "-", acid: acids[minus] || "X", frame: at % 3 });
  }
  return (letters.framed = found);
}

function rough(number) { return String(Number(number.toPrecision(2))); }
