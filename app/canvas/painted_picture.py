"""What the canvas draws of a painting: samples, levels, evidence, and one sample read as the study reads.

The same from a preview and from the tables of an experiment. Plain values, that go to the canvas as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from app.canvas.evidence import evidence, training_match
from app.canvas.track_lanes import box_lane, value_lane
from app.data.annotation import coding_near
from app.data.study import Opened, scale
from app.verdict_text import short_label
from feature_mining.painting.painting import Painting
from workbench.browse.alleles import gained_and_lost
from workbench.browse.codons import codons
from workbench.browse.pasted_sequence import read_stretch
from workbench.browse.signal_bins import Bins
from workbench.browse.written import Rewritten, consensus, genes_in, substitutions
from workbench.experiments.painted import NATURAL, PAINTED
from workbench.experiments.preview import Evidence, painted_span, with_words
from workbench.genome.interval import Interval
from workbench.study.history import Node
from workbench.tracks.track import Track

# Samples of an arm that are sent, other features that are listed, bases of a mean of GC.
MOST_SAMPLES, MOST_MOVED, GC_BASES = 8, 12, 20
# Bases read on both sides of what is painted, and beside the canvas for genes.
BESIDE, GENES_BESIDE = 100, 1000
# Bits a base, and change of them, that lanes reach to.
WORST = 4.0


class Surroundings(NamedTuple):
    """What a job needs of the study's tables, fetched before it is handed in."""

    opened: Opened
    top: Any
    coding: list[pd.DataFrame]


def surroundings(opened: Opened, place: Interval) -> Surroundings:
    """Of a canvas."""
    return Surroundings(opened, scale(opened), coding_near(opened, place))


def picture(
    around: Surroundings, node: Node, painting: Painting, found: Evidence, readouts: Sequence[str]
) -> dict[str, Any]:
    """Samples of every arm with their consensus, levels along the canvas, and evidence stroke by stroke."""
    strokes = found.strokes
    first = strokes[strokes["stroke"] == 0]
    arms = {str(arm): own["sequence"].tolist() for arm, own in first.groupby("arm", sort=False)}
    match = "not tested"
    if PAINTED in arms:
        match = training_match(around.opened.study, with_words(painting, arms[PAINTED][0]))
    sampled, copied = found.copied
    return {
        "node": node.number,
        "chrom": node.chrom,
        "start": node.start,
        "end": node.end,
        "reference": painting.sequence,
        "arms": {arm: texts[:MOST_SAMPLES] for arm, texts in arms.items() if arm != NATURAL},
        "consensus": {arm: consensus(texts)._asdict() for arm, texts in arms.items() if arm != NATURAL},
        "levels": _levels(found.levels, node.start),
        "evidence": [
            evidence(
                _arms(strokes[strokes["stroke"] == number], readouts),
                verdict,
                f"{match}; of all samples {copied} of {sampled} sampled words",
                [f"Stroke {number + 1}: {painting.strokes[number].concept}."],
            )
            for number, verdict in enumerate(found.verdicts)
        ],
    }


def _arms(strokes: pd.DataFrame, readouts: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Means of each arm: level and largest level, readouts, bits a base, GC."""
    columns = {"level": "achieved", **{name: name for name in readouts}, "bits a base": "bits", "GC": "gc"}
    means = strokes.groupby("arm", sort=False)[list(columns.values())].mean()
    order = [arm for arm in (NATURAL, *means.index) if arm in means.index]
    return {
        str(arm): {name: _known(means.loc[arm, column]) for name, column in columns.items()}
        for arm in dict.fromkeys(order)
    }


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _levels(levels: pd.DataFrame, start: int) -> list[dict[str, Any]]:
    """By concept and strand: where it begins on the genome, what is painted, the mean level of each arm."""
    rows = []
    for (concept, strand), own in levels.groupby(["concept", "strand"], sort=False):
        arms = {str(arm): one.sort_values("position") for arm, one in own.groupby("arm", sort=False)}
        some = next(iter(arms.values()))
        rows.append(
            {
                "concept": str(concept),
                "strand": str(strand),
                "start": start + int(some["position"].iloc[0]),
                "painted": some["painted"].astype(float).tolist(),
                "arms": {arm: one["level"].astype(float).tolist() for arm, one in arms.items()},
            }
        )
    return rows


def reading(around: Surroundings, node: Node, painting: Painting, letters: str) -> dict[str, Any]:
    """One sample as the study's windows read it: likelihood, other features, codons, genes, GC."""
    opened, place = around.opened, node.place
    study = opened.study
    first, last = painted_span(painting)
    locus = Interval(
        place.chrom,
        max(place.start, place.start + first - BESIDE),
        min(place.end, place.start + last + BESIDE),
    )
    edits = substitutions(painting.sequence, letters, place.start)
    before = read_stretch(study, study.genome, locus)
    after = read_stretch(study, study.genome, locus, edits)
    written = Rewritten(study.genome, place, letters)
    moved = gained_and_lost(before, after, opened.evidence.catalog, around.top)
    own = {feature for concept in painting.palette for feature in concept.features}
    moved = moved[~moved["feature"].isin(own) & ~moved["dead"]].head(MOST_MOVED)
    bits = {name: _bits(side.nats) for name, side in (("before", before), ("after", after))}
    known = [codons(written, table, place) for table in around.coding]
    return {
        "changed": len(edits),
        "bits": [float(np.nanmean(bits["before"])), float(np.nanmean(bits["after"]))],
        "codons": [list(codon) for found in known for codon in found],
        "moved": [
            {
                "id": int(row.feature),
                "label": short_label(opened.evidence, int(row.feature)),
                "change": str(row.change),
                "share": float(row.of_largest),
                "strand": str(row.strand),
                "position": int(row.position),
            }
            for row in moved.itertuples()
        ],
        "lanes": _lanes(written, place, locus, bits, painting.sequence, letters),
    }


def _bits(nats: Mapping[str, np.ndarray]) -> np.ndarray:
    """Bits a base, mean of both strands."""
    found: np.ndarray = -np.nanmean(np.stack(list(nats.values())), axis=0) / np.log(2)
    return found


def _lanes(
    written: Rewritten,
    place: Interval,
    locus: Interval,
    bits: Mapping[str, np.ndarray],
    reference: str,
    letters: str,
) -> list[dict[str, Any]]:
    lanes = []
    wide = Interval(
        place.chrom,
        max(0, place.start - GENES_BESIDE),
        min(written.lengths[place.chrom], place.end + GENES_BESIDE),
    )
    genes = genes_in(written, wide)
    if genes is not None:
        lanes.append(box_lane(Track("genes, written", genes, "pyrodigal"), place))
    change = bits["after"] - bits["before"]
    lanes.append(value_lane("change of bits", Bins(locus.start, 1, change), -WORST, WORST))
    for name, text in (("GC, reference", reference), ("GC, written", letters)):
        own = np.array([letter in "GC" for letter in text], float)
        size = min(GC_BASES, len(own))
        means = np.convolve(own, np.full(size, 1 / size), mode="same")
        lanes.append(value_lane(name, Bins(place.start, 1, means), 0.0, 1.0))
    return lanes
