"""Testing features against tracks on the report split, at thresholds frozen on the select split."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from feature_mining.association.intervals import (
    IntervalCounts,
    count_intervals,
    stretch_intervals,
)
from feature_mining.association.null import ShiftMoments, shift_moments
from feature_mining.association.scores import score_pairs, thresholds
from feature_mining.association.sparse import bin_values, by_feature, lower_bounds
from workbench.arrays import read_arrays, write_arrays
from workbench.progress import Progress
from workbench.splits import REPORT
from workbench.stages.annotate import intervals_by_track, labels_of, read_summary, study_columns
from workbench.stages.stage import Stage
from workbench.study import Study

LONGEST = 1 << 20
"""Bases of the longest stretch that is shifted round as one."""

FEWEST = 10
"""Active select bases below which a feature counts as dead and is not tested."""


def stretches(study: Study) -> list[tuple[str, int, int]]:
    """Report blocks, none longer than ``LONGEST``: the shards, and the segments of the shift null."""
    found = []
    for block in study.manifest.split:
        if block["split"] != "report":
            continue
        pieces = -(-(block["end"] - block["start"]) // LONGEST)
        cuts = np.linspace(block["start"], block["end"], pieces + 1).astype(int)
        found += [(block["chrom"], int(a), int(b)) for a, b in itertools.pairwise(cuts)]
    return found


def _path(study: Study, shard: int) -> Path:
    return study.folder / "work" / "associate" / f"{shard:05d}.npz"


def run(study: Study, shard: int, progress: Progress) -> int:
    """Moments of the null, and interval counts, of one report block."""
    chrom, start, end = stretches(study)[shard]
    columns = study_columns(study)
    edges = study.calibration.bin_edges
    frozen = thresholds(read_summary(study).select)
    tracks = intervals_by_track(study, chrom)
    split = study.split.codes(chrom, start, end)
    moments: list[ShiftMoments] = []
    counts: list[IntervalCounts] = []
    for strand in "+-":
        reading = study.features.rows(chrom, start, end, strand)
        use = reading.callable & (split == REPORT)
        features = by_feature(*reading.features)
        bins = bin_values(features, edges)
        labels = labels_of(study, columns, chrom, start, end, strand)
        moments.append(shift_moments(features, bins, frozen, labels, use))
        intervals = stretch_intervals(tracks, columns, start, strand, use)
        gap = study.config.statistics.merge_gap
        counts.append(count_intervals(features, bins, frozen, labels, intervals, use, gap))
    arrays = {f"shift_{k}": v for k, v in (moments[0] + moments[1]).arrays().items()}
    arrays |= {f"interval_{k}": v for k, v in (counts[0] + counts[1]).arrays().items()}
    write_arrays(_path(study, shard), arrays)
    progress.advance(end - start)
    return end - start


def finish(study: Study) -> None:
    """Add up the blocks and write the table of associations."""
    shift: ShiftMoments | None = None
    intervals: IntervalCounts | None = None
    for shard in range(len(stretches(study))):
        arrays = read_arrays(_path(study, shard))
        parts: dict[str, dict[str, np.ndarray]] = {"shift": {}, "interval": {}}
        for key, value in arrays.items():
            kind, name = key.split("_", 1)
            parts[kind][name] = value
        moments, counts = ShiftMoments(**parts["shift"]), IntervalCounts(**parts["interval"])
        shift = moments if shift is None else shift + moments
        intervals = counts if intervals is None else intervals + counts
    summary = read_summary(study)
    active = summary.select.all[:, 1:].sum(axis=1)
    table = score_pairs(
        summary.select,
        summary.report,
        study_columns(study),
        lower_bounds(study.calibration.bin_edges),
        intervals,
        shift,
        features=np.flatnonzero(active >= FEWEST),
    )
    study.write_table("associations", table)


STAGE = Stage(
    name="associate",
    title="testing features on held-out blocks",
    needs=("annotate",),
    sections=("statistics",),
    run=run,
    count=lambda study: len(stretches(study)),
    size=lambda study, shard: stretches(study)[shard][2] - stretches(study)[shard][1],
    finish=finish,
)
