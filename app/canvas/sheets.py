"""What the side panel of the canvas says of what was clicked: plain values, which the canvas draws as text.

A sheet is a dictionary: ``title``; ``lines``, sentences; ``facts``, pairs of words; ``items``, each with
``text``, ``more`` and ``act``, which the canvas asks for when it is chosen; ``links``, each with ``text`` and
``href``; ``code``, to be copied. Places in it are read by people, so they count from 1.
"""

from __future__ import annotations

import shlex
from typing import Any

from app import links
from app.canvas.browsing import MOST_FEATURES, features_query
from app.canvas.message import SIDES, View, around
from app.canvas.panels import MOST_FOUND
from app.data.annotation import names
from app.data.searches import enriched
from app.data.study import Opened, scale
from app.verdict_text import label_sentences, short_label
from genomic_models.dna import BASES
from workbench.browse.places import AROUND_NAME
from workbench.genome.interval import Interval
from workbench.study.locus import check_locus, move
from workbench.wording import bases, count, percent, spoken

Sheet = dict[str, Any]
MOST_ITEMS = 12
# Bases that are copied at most.
MOST_COPIED = 100_000
_STRAND = {"+": "plus", "-": "minus", ".": "none"}


def feature_sheet(opened: Opened, view: View, study: str, feature: int) -> Sheet:
    """A feature: what it is called and why, how often it is active, where it is strongest."""
    row = opened.evidence.catalog.loc[feature]
    facts = [["active at", f"{percent(row['density'])} of readings ({count(row['n_active'])})"]]
    items = []
    if row["position"] >= 0:
        here = Interval(str(row["chrom"]), int(row["position"]), int(row["position"]) + 1)
        facts.append(["strongest at", f"{here.chrom}:{here.start + 1:,}"])
        around = move(opened.study, here, zoom=view.locus.end - view.locus.start)
        items.append(_item("Go to its strongest base", "", "go", text=spoken(*around)))
    found = [_link("Open its page", links.feature(study, feature))]
    if row["best_track"]:
        track, mode = str(row["best_track"]), str(row["best_mode"])
        found.append(_link(f"Every feature for {track}", links.track(study, track, mode)))
    title = f"Feature {feature}: {short_label(opened.evidence, feature)}"
    lines = label_sentences(opened.evidence, feature)
    return {"title": title, "lines": lines, "facts": facts, "items": items, "links": found}


def interval_sheet(opened: Opened, study: str, track: str, span: Interval, strand: str, name: str) -> Sheet:
    """An interval of a track: its place, its other names, and what can be asked of it."""
    known = names(opened)
    here = known[(known["chrom"] == span.chrom) & (known["start"] == span.start) & (known["end"] == span.end)]
    others = [str(word) for word in dict.fromkeys(here["name"]) if word != name][:8]
    facts = [["track", track], ["place", spoken(*span)], ["length", bases(span.end - span.start)]]
    facts += [["strand", _STRAND.get(strand, strand)], *(["also", word] for word in others)]
    wide = around(opened, span, AROUND_NAME)
    items = [
        _item("Show all of it", "", "go", text=spoken(*wide)),
        _item("What fires here", "", "fires", start=span.start, end=span.end),
        _item("Copy its sequence", "", "sequence", start=span.start, end=span.end, strand=strand),
    ]
    tested = (opened.evidence.associations["track"] == track).any()
    found = [_link(f"Every feature for {track}", links.track(study, track))] if tested else []
    return {"title": name or track, "facts": facts, "items": items, "links": found}


def base_sheet(opened: Opened, view: View, position: int) -> Sheet:
    """A base: its letter, and the features active at it on either strand, the rarest value first."""
    chrom = view.locus.chrom
    span = check_locus(opened.study, chrom, position, position + 1)
    drawn, found = scale(opened), []
    for strand in SIDES[view.request.strands]:
        read = opened.study.features.rows(chrom, position, position + 1, strand).features
        rarity = drawn.rarity(read.indices, read.values)
        shares = read.values / drawn.top[read.indices]
        found += list(zip(rarity, read.indices.tolist(), shares, [strand] * len(shares), strict=True))
    dead = opened.evidence.catalog["dead"]
    alive = sorted(row for row in found if not dead[row[1]])
    items = [
        _add(opened, view, feature, f"{percent(min(1.0, share))}, {_STRAND[strand]} strand read")
        for _, feature, share, strand in alive[:MOST_ITEMS]
    ]
    letter = opened.study.genome.fetch(*span)
    said = f"{len(alive)} features are active here, the rarest first." if alive else "No feature is active."
    return {"title": f"{chrom}:{position + 1:,} · {letter}", "lines": [said], "items": items}


def fires_sheet(opened: Opened, view: View, span: Interval) -> Sheet:
    """A region: the features that are active in it more often than on the rest of its contig."""
    table = enriched(opened, span, MOST_FOUND)
    alive = table[~table["dead"]]
    items = [
        _add(opened, view, int(row.feature), f"odds ratio {row.odds_ratio:.1f}, p {row.p_shift:.2g}")
        for row in alive.head(MOST_ITEMS).itertuples()
    ]
    said = "More active here than on the rest of the contig; the whole table is below."
    return {
        "title": f"What fires in {spoken(*span)}",
        "lines": [said if len(items) else "No feature is more active here than elsewhere."],
        "items": items,
    }


def sequence_sheet(opened: Opened, span: Interval, strand: str) -> Sheet:
    """The letters of a stretch as FASTA, on the strand that is asked for."""
    cut = Interval(span.chrom, span.start, min(span.end, span.start + MOST_COPIED))
    minus = strand == "-"
    letters = opened.study.genome.fetch(*cut, "-" if minus else "+")
    lines = [letters[i : i + 60] for i in range(0, len(letters), 60)]
    name = f"{cut.chrom}:{cut.start + 1}-{cut.end}{' reverse complement' if minus else ''}"
    more = [] if cut == span else [f"The first {bases(MOST_COPIED)}; more by samtools faidx."]
    return {"title": "Sequence", "lines": more, "code": "\n".join([f">{name}", *lines])}


def attribution_sheet(opened: Opened, span: Interval) -> Sheet:
    """The command that asks what the model's prediction of a stretch hangs on; of a base, of alleles too."""
    first = f"{span.chrom}:{span.start + 1}"
    targets, letter = [first], opened.study.genome.fetch(span.chrom, span.start, span.start + 1).upper()
    if span.end - span.start > 1:
        targets = [f"{first}-{span.end}"]
    elif letter in BASES:
        targets += [f"{first}:{letter}:{other}" for other in BASES if other != letter]
    words = ["workbench", "attribute", str(opened.study.folder), "--target"]
    return {
        "title": f"Attribute {spoken(*span)}",
        "lines": [
            "What the model's prediction here hangs on: the parts of the layer's features, with controls. It"
            " runs the model, so it is a command; its tables and page are kept with the study. Of a base, the"
            " first line asks for its log-probability, the others for the log-odds of two alleles."
        ],
        "code": "\n".join(shlex.join([*words, target]) for target in targets),
    }


def _item(words: str, more: str, kind: str, **asked: object) -> dict[str, Any]:
    return {"text": words, "more": more, "act": {"kind": kind, **asked}}


def _add(opened: Opened, view: View, feature: int, more: str) -> dict[str, Any]:
    """An item that draws a feature beside those that are drawn."""
    text = f"{feature} · {short_label(opened.evidence, feature)}"
    if feature in view.features:
        return _item(text, more, "detail", of="feature", feature=feature)
    drawn = features_query([*view.features, feature][-MOST_FEATURES:])
    return _item(text, f"{more}; draw it", "set", changes=drawn)


def _link(text: str, address: links.Address) -> dict[str, str]:
    return {"text": text, "href": str(address)}
