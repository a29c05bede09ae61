"""Transposed sparse features (by feature instead of by base) and their values in bins.

Bin 0 is "not active". With ascending edges e_1 .. e_B' of a feature, a non-zero value v is in bin 1
when v < e_1 and in bin j + 1 when e_j <= v < e_(j+1); B' edges give B' + 2 bins. Being at or above
bin t + 1 means v >= e_t; being at or above bin 1 means v > 0. Edges come from the train or the
select split.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

# Edges that keep AUROC of a feature always on within a thousandth (measured; bound: `curves.areas`).
N_EDGES = 63
EVEN_EDGES = 44
# Edges up to which a value is compared with all of them at once; more are bisected.
MANY_EDGES = 255


class Csc(NamedTuple):
    """Non-zeros of one reading of a stretch, ordered by feature, rows ascending within a feature.

    indptr : int64 (n_features + 1)
    rows : int32 (nnz)
    values : float32 (nnz), > 0
    n_rows : bases of the stretch
    """

    indptr: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    n_rows: int

    @property
    def n_features(self) -> int:
        """Features, alive or not."""
        return self.indptr.size - 1

    def between(self, first: int, last: int) -> Csc:
        """Features `first` to `last` (excluded), as views: what one of several threads counts."""
        part = slice(self.indptr[first], self.indptr[last])
        pointer = self.indptr[first : last + 1] - self.indptr[first]
        return Csc(pointer, self.rows[part], self.values[part], self.n_rows)


def by_feature(indptr: np.ndarray, indices: np.ndarray, values: np.ndarray, n_features: int) -> Csc:
    """CSR over bases (indptr int64, indices int32, values float32) as CSC, one counting sort, O(nnz)."""
    out_ptr, rows, out = _turn(
        np.asarray(indptr, np.int64),
        np.asarray(indices, np.int32),
        np.asarray(values, np.float32),
        n_features,
    )
    return Csc(out_ptr, rows, out, len(indptr) - 1)


def bin_values(features: Csc, edges: np.ndarray) -> np.ndarray:
    """Bin of every non-zero, uint8 or uint16 (nnz), from ascending `edges` float32 (n_features, n_edges)."""
    if edges.ndim != 2 or len(edges) != features.n_features:
        raise ValueError(f"bin edges of shape {edges.shape} do not fit {features.n_features} features")
    narrow = edges.shape[1] < MANY_EDGES
    bins = np.empty(features.values.size, np.uint8 if narrow else np.uint16)
    kernel = _compare if narrow else _bisect
    kernel(features.indptr, features.values, np.ascontiguousarray(edges, np.float32), bins)
    return bins


def fullest_bins(features: Csc, bins: np.ndarray) -> np.ndarray:
    """Non-zeros in each feature's fullest bin, int64 (n_features)."""
    found = np.zeros(features.n_features, np.int64)
    if bins.size:
        _fullest(features.indptr, bins, np.zeros(int(bins.max()) + 1, np.int64), found)
    return found


def value_edges(features: Csc, n_edges: int = N_EDGES) -> np.ndarray:
    """Edges at quantiles of each feature's non-zeros, finer towards the top, float32 (n_features, n_edges).

    Most of the edges stand at even quantiles, which bounds the error of AUROC; the others cut the
    rest above the last one shorter again and again, because good thresholds of rare tracks lie in
    the tail. A feature without values gets infinite edges: it has only bins 0 and 1.
    """
    even = -(-n_edges * EVEN_EDGES // N_EDGES)
    levels = np.arange(1, even + 1) / (even + 1)
    tail = 1 - (1 - levels[-1]) * 0.6 ** np.arange(1, n_edges - even + 1)
    levels = np.concatenate([levels, tail])
    edges = np.full((features.n_features, n_edges), np.inf, np.float32)
    for feature in range(features.n_features):
        values = features.values[features.indptr[feature] : features.indptr[feature + 1]]
        if values.size:
            ordered = np.sort(values)
            at = np.minimum((levels * values.size).astype(np.int64), values.size - 1)
            edges[feature] = ordered[at]
    return edges


def dense_edges(sample: np.ndarray, n_edges: int = N_EDGES + 1) -> np.ndarray:
    """Edges of dense values from a sample float32 (n, width), finer in both tails, float32 (width, n_edges).

    Quantile levels are evenly spaced on the logistic scale. The last edge is just above the largest
    value: one that hardly ever fires may be the same all over the sample. One edge more than for
    sparse features gives the same number of bins.
    """
    reach = np.log(max(len(sample), 8) / 4)
    levels = 1 / (1 + np.exp(-np.linspace(-reach, reach, n_edges - 1)))
    edges = np.quantile(sample, levels, axis=0).astype(np.float32)
    top = np.nextafter(sample.max(axis=0).astype(np.float32), np.float32(np.inf))
    return np.concatenate([edges, top[None]]).T.copy()


def lower_bounds(edges: np.ndarray, sparse: bool = True) -> np.ndarray:
    """Smallest value of every bin, float32 (n_features, n_bins); a detector at bin t is `value >= bound[t]`.

    Bin 0 has bound -inf (always on); bin 1 of sparse features the smallest positive float32.
    """
    n_features = len(edges)
    always = np.full((n_features, 1), -np.inf, np.float32)
    tiny = np.full((n_features, 1), np.finfo(np.float32).smallest_subnormal, np.float32)
    parts = [always, tiny, edges] if sparse else [always, edges]
    return np.concatenate(parts, axis=1).astype(np.float32)


@numba.njit(cache=True, nogil=True)
def _turn(indptr, indices, values, n_features):
    out_ptr = np.zeros(n_features + 1, np.int64)
    first, last = indptr[0], indptr[-1]
    for i in range(first, last):
        out_ptr[indices[i] + 1] += 1
    for f in range(n_features):
        out_ptr[f + 1] += out_ptr[f]
    cursor = out_ptr[:-1].copy()
    rows = np.empty(last - first, np.int32)
    out = np.empty(last - first, np.float32)
    for row in range(indptr.size - 1):
        for i in range(indptr[row], indptr[row + 1]):
            at = cursor[indices[i]]
            cursor[indices[i]] = at + 1
            rows[at] = row
            out[at] = values[i]
    return out_ptr, rows, out


@numba.njit(cache=True, nogil=True)
def _compare(indptr, values, edges, bins):
    for f in range(indptr.size - 1):
        own, found = values[indptr[f] : indptr[f + 1]], bins[indptr[f] : indptr[f + 1]]
        found[:] = 1
        for j in range(edges.shape[1]):
            edge = edges[f, j]
            # All values against one edge, as a vector: many times faster than a bisection of so few edges.
            for i in range(own.size):
                found[i] += np.uint8(edge <= own[i])


@numba.njit(cache=True, nogil=True)
def _fullest(indptr, bins, count, found):
    for f in range(found.size):
        for i in range(indptr[f], indptr[f + 1]):
            count[bins[i]] += 1
        for b in range(count.size):
            found[f] = max(found[f], count[b])
            count[b] = 0


@numba.njit(cache=True, nogil=True)
def _bisect(indptr, values, edges, bins):
    n_edges = edges.shape[1]
    for f in range(indptr.size - 1):
        row = edges[f]
        for i in range(indptr[f], indptr[f + 1]):
            value = values[i]
            base, length = 0, n_edges
            # Branch-free: values come in no order, so a branch would be mispredicted half the time.
            while length > 0:
                half = (length + 1) >> 1
                base += half * (row[base + half - 1] <= value)
                length -= half
            bins[i] = base + 1
