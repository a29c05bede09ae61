// What lies under the pointer, in words.
Object.assign(Browser.prototype, {
  hover(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const left = this.left(), lines = [], over = this.gutter.over(x, y);
    this.canvas.style.cursor = over?.resize ? "ns-resize" : over?.row ? "move" : y < RULER ? "col-resize" : "";
    if (x < left || x > this.width() || !this.rows) return this.hide();
    this.pointed = { clientX: event.clientX, clientY: event.clientY };
    const { row, hit, position } = this.under(event);
    if (row && row.kind === "feature") lines.push(this.reading(row, position, y));
    lines.push(`${this.view.chrom}:${grouped(position + 1)}${this.letter(position)}`);
    if (row && row.kind === "feature") lines.push(`${nameOf(row.feature)}: ${row.feature.label}`, ...row.feature.facts);
    if (row?.kind === "lane" && row.lane.kind === "signal") lines.push(`${row.lane.name}: ${this.signalAt(row.lane, position)}`);
    if (hit) {
      lines.push(hit.count > 1 ? `${hit.track}: ${hit.count} intervals drawn as one` : `${hit.track}: ${hit.name || "no name"}`);
      lines.push(`${grouped(hit.start + 1)}–${grouped(hit.end)}, ${grouped(hit.end - hit.start)} bases, strand ${hit.strand}`);
    }
    const codon = row && row.kind === "codons" && this.head.codons.find((c) => c[1] === row.strand && position >= c[0] && position < c[0] + 3);
    if (codon) lines.push(`codon ${grouped(codon[0] + 1)}–${grouped(codon[0] + 3)} (${codon[1]}): ${codon[2]}, ${codon[4]}`);
    lines.push(...(this.modes.current?.hover?.({ row, hit, position }) || []));
    this.tip.textContent = lines.join("\n");
    this.tip.style.display = "block";
    const room = this.width() - x;
    this.tip.style.left = room < 280 ? "" : `${x + 14}px`;
    this.tip.style.right = room < 280 ? `${room + 10}px` : "";
    this.tip.style.top = `${y + 14}px`;
    this.root.dataset.hover = lines.join(" | ");
  },
  hide() { this.pointed = null; this.tip.style.display = "none"; this.root.dataset.hover = ""; },
  letter(position) {
    const letters = this.head.letters;
    const found = letters && this.head.chrom === this.view.chrom ? letters.text[position - letters.start] : "";
    return found ? ` · ${found}` : "";
  },
  signalAt(lane, position) {
    const code = lane.codes[Math.floor((position - lane.start) / lane.size)];
    if (!code) return "no value";
    const value = lane.low + ((code - 1) / 254) * (lane.high - lane.low);
    return `${Number(value.toPrecision(3))}${lane.size > 1 ? `, mean of ${grouped(lane.size)} bases` : ""}`;
  },
  reading(row, position, y) {
    const feature = row.feature;
    const strands = [...this.head.strands], strand = strands[Math.min(strands.length - 1, Math.floor((y - row.y) / row.half))];
    return this.valueAt(feature, strand, position);
  },
  // What a feature's value at a base is, in words.
  valueAt(feature, strand, position) {
    const tile = this.tiles.find((t) => t.chrom === this.view.chrom && t.index.has(feature.id) && t.strands.includes(strand) && t.start <= position && t.end > position);
    if (!tile) return "…";
    const bin = firstBin(tile, position), from = tile.edges[bin], to = tile.edges[bin + 1];
    const code = tile.codes[(tile.index.get(feature.id) * tile.strands.length + tile.strands.indexOf(strand)) * tile.n + bin];
    const place = to - from === 1 ? "" : `, largest of ${grouped(to - from)} bases from ${grouped(from + 1)}`;
    const share = (code - 1.5) / 254, raw = share * feature.max;
    const about = raw < 1000 ? String(Number(raw.toPrecision(3))) : grouped(Number(raw.toPrecision(3)));
    const said = code === 0 ? "no value (too little context, or a base other than ACGT)" : code === 1 ? "0 %"
      : code === 255 ? `100 % or more (activation ${about} or more)` : `${Math.round(100 * share)} % (activation about ${about})`;
    const side = feature.sides ? feature.sides[strand] : `${strand === "+" ? "plus" : "minus"} strand read`;
    return `${said}, ${side}${place}`;
  },
});
