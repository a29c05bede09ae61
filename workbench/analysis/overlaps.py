"""Sums over held-out blocks: which stretches, which features and columns, and what was counted."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from feature_mining.association.boundaries import EndCounts
from feature_mining.association.conditional import Strata
from feature_mining.association.intervals import IntervalCounts
from feature_mining.association.null import ShiftMoments
from feature_mining.association.scores import best_features, precisions, thresholds
from feature_mining.association.segments import StrandReading
from feature_mining.association.signals import ProductMoments, SignalCounts
from feature_mining.association.sparse import bin_values, by_feature
from workbench.analysis.counts import Summary
from workbench.analysis.labels import labels_of, study_columns
from workbench.files.arrays import Arrays, read_arrays
from workbench.genome.interval import Interval
from workbench.study.study import Study
from workbench.tracks import Track

# Bases of the longest stretch that is shifted round as one; both its readings are held at a time.
LONGEST = 1 << 19
# Features a column, best on select, whose ends, exact tails and bootstraps are computed.
SHORTLIST = 10
# Active select bases below which a feature counts as dead and is not tested.
FEWEST = 10
_KINDS: dict[str, Any] = {
    "shift": ShiftMoments,
    "interval": IntervalCounts,
    "strata": Strata,
    "ends": EndCounts,
}


def _signal_counts(**arrays: np.ndarray) -> SignalCounts:
    return SignalCounts.from_arrays(arrays)


_SIGNAL_KINDS: dict[str, Any] = {"report": _signal_counts, "select": _signal_counts, "shift": ProductMoments}


def stretches(study: Study, split: str = "report") -> list[Interval]:
    """Blocks of a split, none longer than ``LONGEST``, cut at origin and terminus of circular contigs.

    Those of the report split are the shards and the segments of the shift null.
    """
    turns = study.replichores
    found = []
    for chrom, start, end, _ in study.manifest.blocks(split):
        inner = {turn.position for turn in turns.get(chrom, ()) if start < turn.position < end}
        for a, b in itertools.pairwise(sorted({start, end} | inner)):
            cuts = np.linspace(a, b, -(-(b - a) // LONGEST) + 1).astype(int)
            found += [Interval(chrom, int(lo), int(hi)) for lo, hi in itertools.pairwise(cuts)]
    return found


def read_strands(study: Study, chrom: str, start: int, end: int, split: int) -> list[StrandReading]:
    """Plus and minus reading of a stretch, with the callable bases of a split in use."""
    columns, edges = study_columns(study), study.calibration.bin_edges
    inside = study.split.codes(chrom, start, end) == split
    found = []
    for strand, reading in study.features.strands(chrom, start, end).items():
        features = by_feature(*reading.features)
        labels = labels_of(study, columns, chrom, start, end, strand)
        bins = bin_values(features, edges)
        found.append(StrandReading(features, bins, labels, reading.callable & inside))
    return found


def signal_tracks(study: Study) -> list[Track]:
    """Tracks of kind ``signal``."""
    return [track for track in study.tracks if track.kind == "signal"]


def alive_features(summary: Summary) -> np.ndarray:
    """Features active at ``FEWEST`` select bases at least, int64, ascending."""
    return np.flatnonzero(summary.select.all[:, 1:].sum(axis=1) >= FEWEST)


def shortlist(summary: Summary) -> np.ndarray:
    """Feature, column and frozen bin of each column's best features on select, int64 (P, 3)."""
    alive = alive_features(summary)
    frozen, score = thresholds(summary.select), precisions(summary.select)
    best = best_features(score[alive], SHORTLIST)
    rows = [(f, column, frozen[f, column]) for column, own in enumerate(best) for f in alive[own]]
    return np.array(rows, np.int64).reshape(-1, 3)


def overlaps_path(study: Study, shard: int | str) -> Path:
    """File of one stretch's sums, or of those named ``total``."""
    name = shard if isinstance(shard, str) else f"{shard:05d}"
    return study.folder / "work" / "overlaps" / f"{name}.npz"


def pack(parts: dict[str, Any]) -> Arrays:
    """Counts by name (``shift``, ``report0``) as arrays of a file."""
    return {
        f"{name}_{field}": values for name, part in parts.items() for field, values in part.arrays().items()
    }


def _unpack(arrays: Arrays, prefix: str, kind: Any) -> Any:
    start = f"{prefix}_"
    return kind(**{k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)})


def _unpack_all(arrays: Arrays) -> dict[str, Any]:
    names = dict.fromkeys(key.split("_")[0] for key in arrays)
    # The name of a signal's counts ends in its number.
    kinds = {name: _KINDS.get(name) or _SIGNAL_KINDS[name.rstrip("0123456789")] for name in names}
    return {name: _unpack(arrays, name, kind) for name, kind in kinds.items()}


def add_packed(a: Arrays, b: Arrays) -> Arrays:
    """Sum of two stretches' counts as arrays of files; what one lacks counts as zero there."""
    total = _unpack_all(a)
    for name, part in _unpack_all(b).items():
        total[name] = total[name] + part if name in total else part
    return pack(total)


def read_overlaps(study: Study) -> dict[str, Any]:
    """Sums over the report split: ``shift``, ``interval``, ``strata``, ``ends``."""
    arrays = read_arrays(overlaps_path(study, "total"))
    return {name: _unpack(arrays, name, kind) for name, kind in _KINDS.items()}


def read_signals(study: Study) -> list[dict[str, Any]]:
    """Sums of every signal track: ``report`` and ``select`` counts, ``shift`` moments."""
    if not signal_tracks(study):
        return []
    arrays = read_arrays(overlaps_path(study, "total"))
    return [
        {name: _unpack(arrays, f"{name}{i}", kind) for name, kind in _SIGNAL_KINDS.items()}
        for i in range(len(signal_tracks(study)))
    ]
