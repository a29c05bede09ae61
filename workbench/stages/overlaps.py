"""Features on held-out blocks: moments of the shift null, intervals and their ends, parents, signals."""

from __future__ import annotations

from typing import Any

import numpy as np

from feature_mining.association.boundaries import count_ends
from feature_mining.association.conditional import Strata, add_strata, families
from feature_mining.association.intervals import IntervalCounts, add_intervals, stretch_intervals
from feature_mining.association.null import shift_moments
from feature_mining.association.scores import thresholds
from feature_mining.association.signals import LEVELS, SignalCounts, add_signal, level_edges, product_moments
from workbench.analysis.counts import read_summary
from workbench.analysis.labels import intervals_by_track, study_columns
from workbench.analysis.overlaps import (
    add_packed,
    overlaps_path,
    pack,
    read_strands,
    shortlist,
    signal_tracks,
    stretches,
)
from workbench.files.arrays import write_arrays
from workbench.genome.splits import REPORT, SELECT
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, Sums, shards_of
from workbench.stages.tree import add_up
from workbench.study.study import Study


def signal_edges(study: Study) -> np.ndarray:
    """Level edges of every signal on the select split, float32 (n_signals, LEVELS - 1)."""
    edges = np.full((len(signal_tracks(study)), LEVELS - 1), np.inf, np.float32)
    for i, track in enumerate(signal_tracks(study)):
        assert track.signal is not None
        parts = [track.signal.values(*stretch) for stretch in stretches(study, "select")]
        edges[i] = level_edges(np.concatenate(parts))
    return edges


def _shards(study: Study) -> list[Shard]:
    """Report stretches; then, where there are signals, the select ones too."""
    tasks = [(REPORT, stretch) for stretch in stretches(study)]
    if signal_tracks(study):
        tasks += [(SELECT, stretch) for stretch in stretches(study, "select")]
    return shards_of(tasks, lambda task: task[1].size)


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Count one stretch."""
    split, (chrom, start, end) = shard.task
    on_report = split == REPORT
    columns, edges = study_columns(study), study.calibration.bin_edges
    summary = read_summary(study)
    frozen = thresholds(summary.select)
    parent = families(summary.joint, columns).parent
    pairs = shortlist(summary)
    tracks = intervals_by_track(study, chrom)
    gap = study.config.statistics.merge_gap
    levels = signal_edges(study)
    n_features, n_columns, n_bins = len(edges), len(columns), edges.shape[1] + 2
    intervals = IntervalCounts.empty(n_features, n_columns)
    strata = Strata.empty(n_features, n_columns)
    signals = [SignalCounts.empty(n_features, n_bins) for _ in signal_tracks(study)]
    parts: dict[str, Any] = {"interval": intervals, "strata": strata} if on_report else {}
    parts |= {f"{'report' if on_report else 'select'}{i}": s for i, s in enumerate(signals)}
    readings = read_strands(study, chrom, start, end, split)
    values = [track.signal.values(chrom, start, end) for track in signal_tracks(study) if track.signal]
    for strand, (features, bins, labels, use) in zip("+-", readings, strict=True):
        for i, signal in enumerate(values):
            add_signal(signals[i], features, bins, signal, levels[i], use)
        if on_report:
            own = stretch_intervals(tracks, columns, start, strand, use)
            add_intervals(intervals, features, bins, frozen, own, use, gap)
            add_strata(strata, features, bins, frozen, labels, parent, use)
            ends = count_ends(features, bins, pairs, tracks, columns, start, strand, use, gap)
            parts["ends"] = parts["ends"] + ends if "ends" in parts else ends
    if on_report:
        parts["shift"] = shift_moments(readings, frozen)
        parts |= {f"shift{i}": product_moments(readings, s) for i, s in enumerate(values)}
    write_arrays(overlaps_path(study, shard.index), pack(parts))
    progress.advance(end - start)
    return end - start


def finish(study: Study) -> None:
    """Add up the stretches."""
    write_arrays(overlaps_path(study, "total"), add_up(study, STAGE))


STAGE = Stage(
    name="overlaps",
    title="laying features over held-out blocks",
    needs=("annotate",),
    sections=("statistics", "tracks"),
    run=run,
    shards=_shards,
    finish=finish,
    sums=Sums(overlaps_path, add_packed),
)
