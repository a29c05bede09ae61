// A view that holds all it shows (`head.alone`), on a page or in a file by itself: what its boxes, menu and rows ask
// for is answered here, from what lies in the message, and not by the server.

// The stretch of the contig that can be shown.
function bounds(head) { return head.bounds || [0, head.length]; }

const ALONE = {
  suggest(b, { text }) { return { offers: named(b, text).slice(0, 10).map((box) => ({ text: box.name, more: range(box), value: range(box) })) }; },
  find(b, { text }) {
    const words = text.trim().toLowerCase(), drawn = new Set(b.head.features.map((f) => f.id));
    const found = b.held.features.filter((f) => !drawn.has(f.id) && `${f.id} ${f.label}`.toLowerCase().includes(words));
    return { offers: found.map((f) => ({ text: `${nameOf(f)} · ${f.label}`, more: "", value: f.id })) };
  },
  go(b, { text }) {
    const place = placed(b, text), [low, high] = bounds(b.head);
    if (place[0] >= high || place[1] <= low) throw new Error(`this page holds ${b.head.chrom}:${grouped(low + 1)}-${grouped(high)}; the rest needs the study`);
    b.look(...place);
  },
  set(b, { changes }) {
    const head = b.head, list = (text) => (text === "none" ? [] : text.split(","));
    if ("features" in changes) head.features = list(changes.features).map((id) => b.held.features.find((f) => String(f.id) === id)).filter(Boolean);
    if ("tracks" in changes) {
      const names = list(changes.tracks).map(decodeURIComponent), lanes = b.held.lanes;
      head.lanes = [...names.map((name) => lanes.find((lane) => lane.name === name)).filter(Boolean), ...lanes.filter((lane) => lane.kind !== "interval")];
      head.shown = null;
    }
    if ("lanes" in changes) head.sequence = list(changes.lanes);
    if ("draw" in changes) head.draw = changes.draw || "signal";
    if ("mode" in changes) [head.mode, head.ask] = [changes.mode, changes.ask];
    if ("strands" in changes) head.strands = changes.strands || "+-";
    if ("threshold" in changes) head.threshold = Number(changes.threshold) || 0;
    b.toolbar.take(head, false);
    b.paint();
  },
  detail(b, asked) { return { sheet: { feature: featureSheet, interval: intervalSheet, base: baseSheet }[asked.of](b, asked) }; },
  sequence(b, { start, end, strand }) {
    const { start: first, text } = b.head.letters || { start: 0, text: "" };
    if (start < first || end > first + text.length) throw new Error("the letters of this stretch are not in this page");
    const cut = text.slice(start - first, end - first);
    const letters = strand === "-" ? [...cut].reverse().map((letter) => COMPLEMENT[letter] || "N").join("") : cut;
    const name = `>${b.head.chrom}:${start + 1}-${end}${strand === "-" ? " reverse complement" : ""}`;
    return { sheet: { title: "Sequence", code: [name, ...(letters.match(/.{1,60}/g) || [])].join("\n") } };
  },
};

// Answer a request, as the server would.
function answerAlone(b, asked) {
  let answer;
  try {
    if (!Object.hasOwn(ALONE, asked.kind)) throw new Error("this needs the study, which this page does not have");
    answer = ALONE[asked.kind](b, asked) || {};
  } catch (error) { answer = { error: error.message }; }
  b.answer({ answer: { ...answer, number: asked.number } });
}

function range({ start, end }) { return `${grouped(start + 1)}-${grouped(end)}`; }

// Boxes of the lanes by the beginning of their name, each name once.
function named(b, text) {
  const words = text.trim().toLowerCase(), found = new Map();
  for (const lane of b.held.lanes) for (const [start, end, , name] of lane.boxes || [])
    if (words && name && name.toLowerCase().startsWith(words) && !found.has(name)) found.set(name, { name, start, end });
  return [...found.values()];
}

// A place as it was typed: contig:first-last, first..last, a position, or the name of a box.
function placed(b, text) {
  const found = text.trim().match(/^(?:(.+):)?([\d,]{1,19})(?:\s*(?:-|\.\.|–)\s*([\d,]{1,19}))?$/);
  if (found && (!found[1] || found[1] === b.head.chrom)) {
    const [first, last] = [found[2], found[3] || found[2]].map((number) => Number(number.replace(/,/g, "")));
    return first === last ? [first - 51, first + 50] : [Math.min(first, last) - 1, Math.max(first, last)];
  }
  const [box] = named(b, text);
  if (!box) throw new Error(`${text.slice(0, 60)}: neither a place on ${b.head.chrom} nor a name in this page`);
  const more = 0.1 * (box.end - box.start);
  return [box.start - more, box.end + more];
}

function featureSheet(b, { feature }) {
  const found = b.held.features.find((f) => f.id === feature);
  const links = b.head.linked && typeof feature === "number" ? [{ text: "Open its page", href: `feature?${b.head.linked}feature=${feature}` }] : [];
  return { title: `${nameOf(found)}: ${found.label}`, lines: found.facts, links };
}

function intervalSheet(b, { track, start, end, strand, name }) {
  const facts = [["track", track], ["place", range({ start, end })], ["length", `${grouped(end - start)} bases`], ["strand", { "+": "plus", "-": "minus" }[strand] || "none"]];
  return { title: name || track, facts };
}

function baseSheet(b, { position }) {
  const facts = b.head.features.flatMap((feature) => [...b.head.strands].map((strand) => [nameOf(feature), b.valueAt(feature, strand, position)]));
  return { title: `${b.head.chrom}:${grouped(position + 1)}${b.letter(position)}`, facts };
}
