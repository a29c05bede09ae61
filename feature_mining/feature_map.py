"""Sparse features of a stretch of positions, and verbs on them.

A ``Csr`` has a row a position and a column a feature. Zoom levels are kept feature by feature: the maximum
and the sum in bins of so many positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np


class Csr(NamedTuple):
    """Sparse rows.

    indptr : int64 (n + 1)
    indices : int32 (nnz), ascending within a row
    values : float32 (nnz), above 0
    n_features : int
    """

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    n_features: int

    def __repr__(self) -> str:
        return f"Csr({self.n_rows:,} rows, {self.n_features:,} features, {self.values.size:,} values)"

    @property
    def n_rows(self) -> int:
        """Positions."""
        return self.indptr.size - 1

    def dense(self) -> np.ndarray:
        """``(n, n_features)`` float32."""
        out = np.zeros((self.n_rows, self.n_features), np.float32)
        out[np.repeat(np.arange(self.n_rows), np.diff(self.indptr)), self.indices] = self.values
        return out


class ZoomLevel(NamedTuple):
    """Bins by feature: ``indptr`` int64 (n_features + 1), ``bins`` int32, ``max`` and ``sum`` float32."""

    indptr: np.ndarray
    bins: np.ndarray
    max: np.ndarray
    sum: np.ndarray


def from_dense(values: np.ndarray) -> Csr:
    """Non-zeros of ``(n, n_features)`` values; raises ``ValueError`` for a negative one."""
    if (values < 0).any():
        raise ValueError("feature values must not be negative")
    rows, columns = np.nonzero(values)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(values)))])
    return Csr(
        indptr.astype(np.int64),
        columns.astype(np.int32),
        values[rows, columns].astype(np.float32),
        values.shape[1],
    )


def concatenate(parts: Sequence[Csr]) -> Csr:
    """Rows of all parts, one after another. Raises ``ValueError`` for no part."""
    if not parts:
        raise ValueError("nothing to concatenate")
    counts = np.concatenate([np.diff(p.indptr) for p in parts])
    return Csr(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.concatenate([p.indices for p in parts]),
        np.concatenate([p.values for p in parts]),
        max(p.n_features for p in parts),
    )


def take_rows(csr: Csr, start: int, stop: int) -> Csr:
    """Rows ``[start, stop)``."""
    pointers = csr.indptr[start : stop + 1]
    at = slice(int(pointers[0]), int(pointers[-1]))
    return Csr(pointers - pointers[0], csr.indices[at], csr.values[at], csr.n_features)


def keep_rows(csr: Csr, mask: np.ndarray) -> Csr:
    """Rows where ``mask`` is false become empty."""
    counts = np.diff(csr.indptr)
    keep = np.repeat(mask, counts)
    indptr = np.concatenate([[0], np.cumsum(np.where(mask, counts, 0))]).astype(np.int64)
    return Csr(indptr, csr.indices[keep], csr.values[keep], csr.n_features)


def select_rows(csr: Csr, mask: np.ndarray) -> Csr:
    """Only the rows where ``mask`` is true."""
    counts = np.diff(csr.indptr)
    keep = np.repeat(mask, counts)
    indptr = np.concatenate([[0], np.cumsum(counts[mask])]).astype(np.int64)
    return Csr(indptr, csr.indices[keep], csr.values[keep], csr.n_features)


def column(csr: Csr, feature: int) -> np.ndarray:
    """Dense values float32 (n) of one feature."""
    out = np.zeros(csr.n_rows, np.float32)
    at = np.flatnonzero(csr.indices == feature)
    out[np.searchsorted(csr.indptr, at, side="right") - 1] = csr.values[at]
    return out


def pyramid(csr: Csr, sizes: Sequence[int]) -> dict[int, ZoomLevel]:
    """Zoom levels: bins of ``size`` rows from row 0 on, for each size."""
    return {
        size: ZoomLevel(*_bin_by_feature(csr.indptr, csr.indices, csr.values, csr.n_features, size))
        for size in sizes
    }


@numba.njit(cache=True, nogil=True)
def _bin_by_feature(indptr, indices, values, n_features, size):
    n_rows = indptr.size - 1
    last = np.full(n_features, -1, np.int64)
    out_ptr = np.zeros(n_features + 1, np.int64)
    for row in range(n_rows):
        bin_ = row // size
        for i in range(indptr[row], indptr[row + 1]):
            if last[indices[i]] != bin_:
                last[indices[i]] = bin_
                out_ptr[indices[i] + 1] += 1
    for f in range(n_features):
        out_ptr[f + 1] += out_ptr[f]
    bins = np.empty(out_ptr[-1], np.int32)
    top = np.zeros(out_ptr[-1], np.float32)
    total = np.zeros(out_ptr[-1], np.float32)
    cursor = out_ptr[:-1].copy() - 1
    last[:] = -1
    for row in range(n_rows):
        bin_ = row // size
        for i in range(indptr[row], indptr[row + 1]):
            f = indices[i]
            if last[f] != bin_:
                last[f] = bin_
                cursor[f] += 1
                bins[cursor[f]] = bin_
            top[cursor[f]] = max(top[cursor[f]], values[i])
            total[cursor[f]] += values[i]
    return out_ptr, bins, top, total
