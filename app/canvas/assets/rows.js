// Pixels a base from which letters are drawn.
const READ = 2;
const LANE = 17, RULER = 24, GAP = 7, LETTERS = 16, FRAME = 12, SIGNALS = 34;
// Pixels of a feature's row for one strand, the least and the most that are taken by themselves.
const HALF = { signal: [20, 64], heat: [12, 30] };
// Pixels of a row, as somebody draws it; share of the height that annotation may take and still stay put.
const LOWEST = 10, HIGHEST = 400, STICKY = 0.6;

function gutter(width) { return width < 560 ? 92 : 168; }

// Where every row lies, from top to bottom. Rows up to `fixed` stay while those below are scrolled by `scroll`
// pixels; `room` is the height at hand: rows of features grow to fill it, and are scrolled where they do not fit.
// `scale`: pixels a base, from which it follows what can be read.
function layout(head, width, scale, room = 0, scroll = 0) {
  const rows = [], wanted = head.sequence || ["letters", "codons"];
  let y = RULER;
  const put = (kind, id, usual, more) => {
    const [own, colour] = (head.rows || {})[id] || [0, ""];
    const height = own || usual;
    rows.push({ kind, id, y, height, colour: colour ? `#${colour}` : "", ...more });
    y += height + GAP;
  };
  for (const lane of head.lanes) put("lane", `lane/${lane.name}`, lane.kind === "signal" ? SIGNALS : LANE * lane.rows, { lane });
  if (wanted.includes("letters")) put("letters", "lane/letters", LETTERS, { strand: "+" });
  if (head.allele) put("letters", "lane/allele", LETTERS, { strand: "+", letters: head.allele });
  if (wanted.includes("complement") && scale >= READ) put("letters", "lane/complement", LETTERS, { strand: "-" });
  for (const strand of "+-")
    if (scale >= READ && head.codons.some((c) => c[1] === strand)) put("codons", `lane/codons ${strand}`, LETTERS, { strand });
  if (wanted.includes("frames")) put("frames", "lane/frames", 6 * FRAME, {});
  for (const { kind, id, height, ...more } of head.moded || []) put(kind, id, height, more);
  const fixed = y <= STICKY * (room || Infinity) ? y : RULER, strands = head.strands.length, many = head.features.length;
  const own = head.features.map((feature) => ((head.rows || {})[`feature/${feature.id}`] || [0])[0]), free = own.filter((h) => !h).length;
  const rest = room - y - many * GAP - own.reduce((a, b) => a + b, 0);
  const [least, most] = HALF[head.draw] || HALF.signal, half = Math.min(most, Math.max(least, free ? Math.floor(rest / free / strands) : 0));
  for (const feature of head.features) {
    put("feature", `feature/${feature.id}`, half * strands, { feature });
    const row = rows[rows.length - 1];
    row.half = row.height / strands;
  }
  const height = room ? Math.min(y, Math.max(room, fixed + 2 * least)) : y, moved = Math.min(Math.max(0, scroll), y - height);
  for (const row of rows) {
    row.stays = row.y < fixed;
    if (!row.stays) row.y -= moved;
    row.seen = row.stays || (row.y + row.height > fixed && row.y < height);
  }
  return { rows, fixed, height, total: y, left: gutter(width) };
}

// The rows that somebody changed, as the address has them.
function rowsText(changed) {
  const words = Object.entries(changed).filter(([, [height, colour]]) => height || colour).map(([id, [height, colour]]) => {
    const cut = id.indexOf("/");
    return `${id.slice(0, cut)}/${encodeURIComponent(id.slice(cut + 1))}:${height || ""}:${colour}`;
  });
  return words.join(",");
}
