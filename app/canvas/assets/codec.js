// One message: length of the header (uint32), header (JSON), padding to 4, then arrays at the offsets named.
function decode(bytes) {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const size = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  for (const tile of head.tiles) {
    tile.edges = new Uint32Array(buffer, tile.at, tile.n + 1);
    tile.codes = new Uint8Array(buffer, tile.at + 4 * (tile.n + 1), tile.n * tile.features.length * tile.strands.length);
    tile.start = tile.edges[0];
    tile.end = tile.edges[tile.n];
    tile.index = new Map(tile.features.map((f, i) => [f, i]));
  }
  return head;
}

// First bin of a tile that ends past a position.
function firstBin(tile, position) {
  let low = 0, high = tile.n;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (tile.edges[mid + 1] > position) high = mid; else low = mid + 1;
  }
  return low;
}

// Largest code under every pixel column; -1 where no tile covers it yet. Finest tiles first.
function columns(tiles, feature, strand, view, width) {
  const out = new Int16Array(width).fill(-1);
  const perPixel = (view.end - view.start) / width;
  for (const tile of tiles) {
    const row = tile.index.get(feature), side = tile.strands.indexOf(strand);
    if (row === undefined || side < 0 || tile.chrom !== view.chrom) continue;
    if (tile.end <= view.start || tile.start >= view.end) continue;
    const base = (row * tile.strands.length + side) * tile.n;
    const from = Math.max(0, Math.ceil((tile.start - view.start) / perPixel));
    const to = Math.min(width, Math.floor((tile.end - view.start) / perPixel + 1e-6));
    let bin = firstBin(tile, view.start + from * perPixel);
    for (let x = from; x < to; x++) {
      if (out[x] >= 0) continue;
      const left = view.start + x * perPixel, right = left + perPixel;
      while (bin < tile.n && tile.edges[bin + 1] <= left) bin++;
      let top = 0;
      for (let b = bin; b < tile.n && tile.edges[b] < right; b++) top = Math.max(top, tile.codes[base + b]);
      out[x] = top;
    }
  }
  return out;
}

// What a row of a feature is called.
function nameOf(feature) { return feature.name || `feature ${feature.id}`; }

function grouped(number) { return Math.round(number).toLocaleString("en-US"); }
