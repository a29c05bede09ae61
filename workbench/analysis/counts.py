"""Sums over a study of features against label states: what all base-level scores come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from feature_mining.association.histogram import Histogram
from feature_mining.association.sparse import Csc
from workbench.files.arrays import Arrays, read_arrays
from workbench.study.study import Study

# Strongest bases kept a feature and shard, and of sums over several.
STRONGEST = 64
KEPT = 2 * STRONGEST
# Values of a feature up to which putting them in order one by one is faster than sorting.
FEW = 256


class Tops(NamedTuple):
    """Strongest bases of every feature.

    value : float32 (F, K), descending; 0 where there are fewer
    position : int64 (F, K), their bases; contig : int32 (F, K), index of the contig; minus : bool (F, K)
    """

    value: np.ndarray
    position: np.ndarray
    contig: np.ndarray
    minus: np.ndarray


class Summary(NamedTuple):
    """Sums over the whole study.

    select, report : Histogram
    joint : int64 (C, C), select bases that two columns share
    active : int64 (2, F), callable bases with the feature active, plus and minus readings
    callable : int64 (2), callable bases
    total : float64 (F), sum of values over all bases
    value, position, contig, minus : as `Tops`; a shard gives ``STRONGEST`` of its own at most, so that beyond
        so many ranks weaker bases of other shards may stand before them
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

    @property
    def tops(self) -> Tops:
        """The strongest bases."""
        return Tops(self.value, self.position, self.contig, self.minus)


def strongest(features: Csc, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows int64 (F, count) and values float32 (F, count) of the largest values; -1 and 0 for none.

    Equal values: the earlier row.
    """
    rows = np.full((features.n_features, count), -1, np.int64)
    values = np.zeros((features.n_features, count), np.float32)
    sizes = np.diff(features.indptr)
    _insert(features.indptr, features.rows, features.values, FEW, rows, values)
    for f in np.flatnonzero(sizes > FEW):
        at = slice(features.indptr[f], features.indptr[f + 1])
        order = np.argsort(-features.values[at], kind="stable")[:count]
        rows[f, : order.size] = features.rows[at][order]
        values[f, : order.size] = features.values[at][order]
    return rows, values


@numba.njit(cache=True, nogil=True)
def _insert(indptr, source, value, few, rows, values):
    """Put the values of features with few of them in order, one by one."""
    for f in range(indptr.size - 1):
        first, held = indptr[f], 0
        if indptr[f + 1] - first > few:
            continue
        for i in range(first, indptr[f + 1]):
            at = held
            while at > 0 and values[f, at - 1] < value[i]:
                at -= 1
            if at == rows.shape[1]:
                continue
            held = min(held + 1, rows.shape[1])
            for j in range(held - 1, at, -1):
                rows[f, j], values[f, j] = rows[f, j - 1], values[f, j - 1]
            rows[f, at], values[f, at] = source[i], value[i]


def merge_tops(a: Tops, b: Tops, count: int) -> Tops:
    """The ``count`` strongest bases of two; ties go to the first."""
    shape = len(a.value), min(count, a.value.shape[1] + b.value.shape[1])
    merged = Tops(*(np.empty(shape, array.dtype) for array in a))
    _merge(a, b, merged)
    return merged


@numba.njit(cache=True, nogil=True)
def _merge(a, b, merged):
    """Fill ``merged`` from two lists a feature, each descending."""
    for f in range(merged[0].shape[0]):
        i = j = 0
        for k in range(merged[0].shape[1]):
            if j == b[0].shape[1] or (i < a[0].shape[1] and a[0][f, i] >= b[0][f, j]):
                from_, at = a, i
                i += 1
            else:
                from_, at = b, j
                j += 1
            merged[0][f, k] = from_[0][f, at]
            merged[1][f, k] = from_[1][f, at]
            merged[2][f, k] = from_[2][f, at]
            merged[3][f, k] = from_[3][f, at]


def add(a: Summary, b: Summary, count: int = KEPT) -> Summary:
    """Sum of two summaries."""
    return Summary(
        a.select + b.select,
        a.report + b.report,
        a.joint + b.joint,
        a.active + b.active,
        a.callable + b.callable,
        a.total + b.total,
        *merge_tops(a.tops, b.tops, count),
    )


def summary_path(study: Study, shard: int | None) -> Path:
    """File of one shard's sums, or (None) of those over all shards."""
    name = "total" if shard is None else f"{shard:05d}"
    return study.folder / "work" / "annotate" / f"{name}.npz"


def pack(summary: Summary) -> Arrays:
    """A summary as arrays of a file."""
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
    return _unpack(read_arrays(summary_path(study, None)))


def add_packed(a: Arrays, b: Arrays) -> Arrays:
    """Sum of two summaries as arrays of a file."""
    return pack(add(_unpack(a), _unpack(b)))
