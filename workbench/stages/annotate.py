"""Counting features against label states, shard by shard: the sums that all base-level scores come from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.association.conditional import joint_bases
from feature_mining.association.device import add_sparse_on
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.labels import Column, LabelStates, label_states, track_columns
from feature_mining.association.sparse import Csc, bin_values, by_feature
from workbench.arrays import Arrays, read_arrays, write_arrays
from workbench.progress import Progress
from workbench.splits import REPORT, SELECT
from workbench.stages.stage import Stage, Sums
from workbench.stages.tree import add_up
from workbench.study import Study

STRONGEST = 64
"""Strongest bases kept a feature and shard."""


class Summary(NamedTuple):
    """Sums over the whole study.

    select, report : Histogram
    joint : int64 (C, C), select bases that two columns share
    active : int64 (2, F), callable bases with the feature active, plus and minus readings
    callable : int64 (2), callable bases
    total : float64 (F), sum of values over all bases
    value : float32 (F, K), strongest values, descending; 0 where there are fewer
    position : int64 (F, K), their bases; contig : int32 (F, K), index of the contig; minus : bool (F, K)
    """

    select: Histogram
    report: Histogram
    joint: np.ndarray
    active: np.ndarray
    callable: np.ndarray
    total: np.ndarray
    value: np.ndarray
    position: np.ndarray
    contig: np.ndarray
    minus: np.ndarray


def study_columns(study: Study) -> list[Column]:
    """(track, mode) of every column that is tested."""
    return track_columns(intervals_by_track(study))


def intervals_by_track(study: Study, chrom: str | None = None) -> dict[str, pd.DataFrame]:
    """Intervals of the tested tracks, on one contig or on all."""
    tracks = {t.name: t.intervals for t in study.tracks if t.kind == "interval"}
    if chrom is None:
        return tracks
    return {name: rows[rows["chrom"] == chrom] for name, rows in tracks.items()}


def labels_of(
    study: Study, columns: list[Column], chrom: str, start: int, end: int, strand: str
) -> LabelStates:
    """Label states of a stretch for one strand's reading."""
    return label_states(intervals_by_track(study, chrom), start, end, strand, columns)


def strongest(features: Csc, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows int64 (F, count) and values float32 (F, count) of the largest values; -1 and 0 for none.

    Equal values: the earlier row.
    """
    rows = np.full((features.n_features, count), -1, np.int64)
    values = np.zeros((features.n_features, count), np.float32)
    for f in np.flatnonzero(np.diff(features.indptr)):
        at = slice(features.indptr[f], features.indptr[f + 1])
        order = np.argsort(-features.values[at], kind="stable")[:count]
        rows[f, : order.size] = features.rows[at][order]
        values[f, : order.size] = features.values[at][order]
    return rows, values


def merge_strongest(parts: list[Summary], count: int) -> dict[str, np.ndarray]:
    """The ``count`` strongest bases of several summaries; ties go to the earlier part."""
    names = ("value", "position", "contig", "minus")
    joined = {n: np.concatenate([getattr(p, n) for p in parts], axis=1) for n in names}
    order = np.argsort(-joined["value"], axis=1, kind="stable")[:, :count]
    return {n: np.take_along_axis(a, order, axis=1) for n, a in joined.items()}


def add(a: Summary, b: Summary, count: int = 2 * STRONGEST) -> Summary:
    """Sum of two summaries."""
    return Summary(
        a.select + b.select,
        a.report + b.report,
        a.joint + b.joint,
        a.active + b.active,
        a.callable + b.callable,
        a.total + b.total,
        **merge_strongest([a, b], count),
    )


def _path(study: Study, shard: int | None) -> Path:
    name = "total" if shard is None else f"{shard:05d}"
    return study.folder / "work" / "annotate" / f"{name}.npz"


def _pack(summary: Summary) -> dict[str, np.ndarray]:
    arrays = {k: v for k, v in summary._asdict().items() if not isinstance(v, Histogram)}
    for name in ("select", "report"):
        histogram: Histogram = getattr(summary, name)
        arrays |= {f"{name}_{k}": v for k, v in histogram.arrays().items()}
    return arrays


def _unpack(arrays: dict[str, np.ndarray]) -> Summary:
    values: dict[str, Any] = {}
    for name in ("select", "report"):
        prefix = f"{name}_"
        own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        values[name] = Histogram.from_arrays(own)
    values |= {k: v for k, v in arrays.items() if not k.startswith(("select_", "report_"))}
    return Summary(**values)


def read_summary(study: Study) -> Summary:
    """Sums over all shards."""
    return _unpack(read_arrays(_path(study, None)))


def run(study: Study, shard: int, progress: Progress) -> int:
    """Count one shard."""
    columns = study_columns(study)
    edges = study.calibration.bin_edges
    spec = study.manifest.shards[shard]
    chrom, start, end = spec["chrom"], spec["start"], spec["end"]
    contig = list(study.manifest.contigs).index(chrom)
    split = study.split.codes(chrom, start, end)
    n_features, n_bins = len(edges), edges.shape[1] + 2
    # Both readings of all contigs: what the sum over shards may come to.
    most = 2 * sum(study.manifest.contigs.values())
    select, report = (Histogram.empty(n_features, n_bins, len(columns), most) for _ in range(2))
    active, usable = np.zeros((2, n_features), np.int64), np.zeros(2, np.int64)
    total = np.zeros(n_features)
    joint = np.zeros((len(columns), len(columns)), np.int64)
    tops = []
    device = study.config.model.device
    count = partial(add_sparse_on, device) if device.startswith("cuda") else add_sparse
    for s, strand in enumerate("+-"):
        reading = study.features.rows(chrom, start, end, strand)
        features = by_feature(*reading.features)
        bins = bin_values(features, edges)
        labels = labels_of(study, columns, chrom, start, end, strand)
        count(select, features, bins, labels, reading.callable & (split == SELECT))
        joint += joint_bases(labels, reading.callable & (split == SELECT))
        count(report, features, bins, labels, reading.callable & (split == REPORT))
        active[s] = np.diff(features.indptr)
        usable[s] = reading.callable.sum()
        total += np.bincount(
            reading.features.indices, reading.features.values, minlength=n_features
        )
        rows, values = strongest(features, STRONGEST)
        tops.append((values, rows + start, np.full(rows.shape, s == 1)))
    order = np.argsort(-np.concatenate([t[0] for t in tops], axis=1), axis=1, kind="stable")
    order = order[:, :STRONGEST]
    value, position, minus = (
        np.take_along_axis(np.concatenate([t[i] for t in tops], axis=1), order, axis=1)
        for i in range(3)
    )
    where = np.full(position.shape, contig, np.int32)
    summary = Summary(select, report, joint, active, usable, total, value, position, where, minus)
    write_arrays(_path(study, shard), _pack(summary))
    progress.advance(end - start)
    return end - start


def finish(study: Study) -> None:
    """Add up all shards."""
    write_arrays(_path(study, None), add_up(study, STAGE))


def _add(a: Arrays, b: Arrays) -> Arrays:
    return _pack(add(_unpack(a), _unpack(b)))


STAGE = Stage(
    name="annotate",
    title="counting features against tracks",
    needs=("encode",),
    sections=("statistics", "split"),
    run=run,
    count=lambda study: len(study.manifest.shards),
    size=lambda study, shard: (
        study.manifest.shards[shard]["end"] - study.manifest.shards[shard]["start"]
    ),
    finish=finish,
    sums=Sums(_path, _add),
)
