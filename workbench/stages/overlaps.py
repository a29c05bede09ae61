"""Features on held-out blocks: moments of the shift null, intervals and their ends, parents, signals."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from feature_mining.association.boundaries import EndCounts, count_ends
from feature_mining.association.conditional import Strata, add_strata, families
from feature_mining.association.curves import average_precision
from feature_mining.association.intervals import IntervalCounts, add_intervals, stretch_intervals
from feature_mining.association.null import ShiftMoments, shift_moments
from feature_mining.association.scores import thresholds
from feature_mining.association.signals import (
    LEVELS,
    ProductMoments,
    SignalCounts,
    add_signal,
    level_edges,
    product_moments,
)
from feature_mining.association.sparse import bin_values, by_feature
from workbench.arrays import read_arrays, write_arrays
from workbench.progress import Progress
from workbench.splits import REPORT, SELECT
from workbench.stages.annotate import (
    Summary,
    intervals_by_track,
    labels_of,
    read_summary,
    study_columns,
)
from workbench.stages.stage import Stage, Sums
from workbench.stages.tree import add_up
from workbench.study import Study
from workbench.tracks import Track

LONGEST = 1 << 20
"""Bases of the longest stretch that is shifted round as one."""
SHORTLIST = 10
"""Features a column, best on select, whose ends, exact tails and bootstraps are computed."""
FEWEST = 10
"""Active select bases below which a feature counts as dead and is not tested."""
_KINDS: dict[str, Any] = {
    "shift": ShiftMoments,
    "interval": IntervalCounts,
    "strata": Strata,
    "ends": EndCounts,
}
SIGNAL_KINDS: dict[str, Any] = {
    "report": SignalCounts,
    "select": SignalCounts,
    "shift": ProductMoments,
}


def stretches(study: Study, split: str = "report") -> list[tuple[str, int, int]]:
    """Blocks of a split, none longer than ``LONGEST``, cut at origin and terminus of circular contigs.

    Those of the report split are the shards and the segments of the shift null.
    """
    turns = study.replichores
    found = []
    for block in study.manifest.split:
        if block["split"] != split:
            continue
        chrom, start, end = block["chrom"], block["start"], block["end"]
        inner = {turn.position for turn in turns.get(chrom, ()) if start < turn.position < end}
        for a, b in itertools.pairwise(sorted({start, end} | inner)):
            cuts = np.linspace(a, b, -(-(b - a) // LONGEST) + 1).astype(int)
            found += [(chrom, int(lo), int(hi)) for lo, hi in itertools.pairwise(cuts)]
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
    select = summary.select.take(alive)
    frozen = thresholds(select)
    rows = []
    for column in range(select.positive.shape[2]):
        score = average_precision(select.positive[:, :, column : column + 1], select.all)[:, 0]
        known = np.flatnonzero(~np.isnan(score))
        best = known[np.argsort(-score[known], kind="stable")[:SHORTLIST]]
        rows += [(alive[i], column, frozen[i, column]) for i in best]
    return np.array(rows, np.int64).reshape(-1, 3)


def signal_edges(study: Study) -> np.ndarray:
    """Level edges of every signal on the select split, float32 (n_signals, LEVELS - 1)."""
    edges = np.full((len(signal_tracks(study)), LEVELS - 1), np.inf, np.float32)
    for i, track in enumerate(signal_tracks(study)):
        assert track.signal is not None
        parts = [track.signal.values(*stretch) for stretch in stretches(study, "select")]
        edges[i] = level_edges(np.concatenate(parts))
    return edges


def _shards(study: Study) -> list[tuple[str, int, int]]:
    """Report stretches; then, where there are signals, the select ones too."""
    select = stretches(study, "select") if signal_tracks(study) else []
    return stretches(study) + select


def _path(study: Study, shard: int | str) -> Path:
    name = shard if isinstance(shard, str) else f"{shard:05d}"
    return study.folder / "work" / "overlaps" / f"{name}.npz"


def run(study: Study, shard: int, progress: Progress) -> int:
    """Count one stretch."""
    chrom, start, end = _shards(study)[shard]
    on_report = shard < len(stretches(study))
    columns, edges = study_columns(study), study.calibration.bin_edges
    summary = read_summary(study)
    frozen = thresholds(summary.select)
    parent = families(summary.joint, columns).parent
    pairs = shortlist(summary)
    tracks = intervals_by_track(study, chrom)
    gap = study.config.statistics.merge_gap
    split = study.split.codes(chrom, start, end)
    levels = signal_edges(study)
    n_features, n_columns, n_bins = len(edges), len(columns), edges.shape[1] + 2
    most = 2 * sum(study.manifest.contigs.values())
    intervals = IntervalCounts.empty(n_features, n_columns)
    strata = Strata.empty(n_features, n_columns)
    signals = [SignalCounts.empty(n_features, n_bins, most) for _ in signal_tracks(study)]
    parts: dict[str, Any] = {"interval": intervals, "strata": strata} if on_report else {}
    parts |= {f"{'report' if on_report else 'select'}{i}": s for i, s in enumerate(signals)}
    for strand in "+-":
        reading = study.features.rows(chrom, start, end, strand)
        use = reading.callable & (split == (REPORT if on_report else SELECT))
        features = by_feature(*reading.features)
        bins = bin_values(features, edges)
        found: dict[str, Any] = {}
        if on_report:
            labels = labels_of(study, columns, chrom, start, end, strand)
            own = stretch_intervals(tracks, columns, start, strand, use)
            add_intervals(intervals, features, bins, frozen, own, use, gap)
            add_strata(strata, features, bins, frozen, labels, parent, use)
            found["shift"] = shift_moments(features, bins, frozen, labels, use)
            found["ends"] = count_ends(
                features, bins, pairs, tracks, columns, start, strand, use, gap
            )
        for i, track in enumerate(signal_tracks(study)):
            assert track.signal is not None
            signal = track.signal.values(chrom, start, end)
            add_signal(signals[i], features, bins, signal, levels[i], use)
            if on_report:
                found[f"shift{i}"] = product_moments(features, signal, use)
        for kind, part in found.items():
            parts[kind] = parts[kind] + part if kind in parts else part
    arrays = {
        f"{kind}_{field}": values
        for kind, part in parts.items()
        for field, values in part.arrays().items()
    }
    write_arrays(_path(study, shard), arrays)
    progress.advance(end - start)
    return end - start


def _unpack(arrays: dict[str, np.ndarray], prefix: str, kind: Any) -> Any:
    start = f"{prefix}_"
    return kind(**{k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)})


def finish(study: Study) -> None:
    """Add up the stretches."""
    write_arrays(_path(study, "total"), add_up(study, STAGE))


def read_overlaps(study: Study) -> dict[str, Any]:
    """Sums over the report split: ``shift``, ``interval``, ``strata``, ``ends``."""
    arrays = read_arrays(_path(study, "total"))
    return {name: _unpack(arrays, name, kind) for name, kind in _KINDS.items()}


def read_signals(study: Study) -> list[dict[str, Any]]:
    """Sums of every signal track: ``report`` and ``select`` counts, ``shift`` moments."""
    if not signal_tracks(study):
        return []
    arrays = read_arrays(_path(study, "total"))
    return [
        {name: _unpack(arrays, f"{name}{i}", kind) for name, kind in SIGNAL_KINDS.items()}
        for i in range(len(signal_tracks(study)))
    ]


STAGE = Stage(
    name="overlaps",
    title="laying features over held-out blocks",
    needs=("annotate",),
    sections=("statistics",),
    run=run,
    count=lambda study: len(_shards(study)),
    size=lambda study, shard: _shards(study)[shard][2] - _shards(study)[shard][1],
    finish=finish,
    sums=Sums(_path),
)
