"""Counts of feature bins against track columns: the one pass from which all base-level scores are read.

Counts are integers, so those of stretches, strands and shards add up exactly, in any order; the two
sums of values are float64 and add up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numba
import numpy as np

from feature_mining.association.cells import Cells
from feature_mining.association.labels import LabelStates
from feature_mining.association.sparse import Csc, fullest_bins

# Columns that compiled code takes together, or a multiple.
VECTOR = 32
_SUMS = ("all", "sum_inside", "sum_all")


@dataclass(frozen=True)
class Histogram:
    """Bin counts of F features on C track columns in one split.

    cells : Cells (F, n_bins, C), bases of the column with the feature in the bin; bin 0 = not active
    all : int64 (F, n_bins), bases with the feature in the bin
    sum_inside : float64 (F, C), sum of the feature's values over the column's bases
    sum_all : float64 (F), sum over all bases
    """

    cells: Cells
    all: np.ndarray
    sum_inside: np.ndarray
    sum_all: np.ndarray

    @classmethod
    def empty(cls, n_features: int, n_bins: int, n_columns: int) -> Histogram:
        """Nothing counted yet."""
        return cls(
            Cells.empty(n_features, n_bins, n_columns),
            np.zeros((n_features, n_bins), np.int64),
            np.zeros((n_features, n_columns)),
            np.zeros(n_features),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Histogram:
        """Back from `arrays()`, those of earlier versions included."""
        # Earlier versions kept all counts as one array.
        cells = Cells.of(arrays["positive"]) if "positive" in arrays else Cells.from_arrays(arrays)
        return cls(cells, *(arrays[name] for name in _SUMS))

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by name, for npz or HDF5."""
        return self.cells.arrays() | {name: getattr(self, name) for name in _SUMS}

    @property
    def positive(self) -> np.ndarray:
        """All cells as an array int32 or int64 (F, n_bins, C), made anew."""
        return self.cells[:]

    def __add__(self, other: Histogram) -> Histogram:
        if self.cells.shape != other.cells.shape:
            raise ValueError(f"histograms of shapes {self.cells.shape} and {other.cells.shape} do not add up")
        sums = (getattr(self, name) + getattr(other, name) for name in _SUMS)
        return Histogram(self.cells + other.cells, *sums)

    def flipped(self) -> Histogram:
        """The same values with their sign turned: bin order reversed, sums negated.

        For dense neurons read in both signs: at bin t of the flipped histogram the detector is
        `value < lower_bounds(edges, sparse=False)[n_bins - t]`.
        """
        turned = Cells.of(self.positive[:, ::-1])
        return Histogram(turned, self.all[:, ::-1], -self.sum_inside, -self.sum_all)


def add_sparse(
    histogram: Histogram, features: Csc, bins: np.ndarray, labels: LabelStates, use: np.ndarray
) -> None:
    """Count one reading of a stretch into `histogram` (changed in place).

    Parameters
    ----------
    features, bins : the stretch's non-zeros by feature and their bins (`sparse.bin_values`)
    labels : label states of the same rows
    use : bool (n_rows), callable bases of the split that `histogram` belongs to
    """
    _check(histogram, features.n_features, len(use), labels)
    if bins.size and int(bins.max()) >= histogram.all.shape[1]:
        raise ValueError(f"bin {int(bins.max())} in a histogram of {histogram.all.shape[1]} bins")
    if not use.any():
        return
    cells = histogram.cells
    cells.expect(fullest_bins(features, bins))
    cells.totals += labels.totals(use)
    _count_sparse(
        features.indptr, features.rows, features.values, bins, used_states(labels, use),
        whole_vectors(labels.table), int(use.sum()), cells.few, cells.most, cells.slots, cells.wide,
        histogram.all, histogram.sum_inside, histogram.sum_all,
    )  # fmt: skip


def add_dense(
    histogram: Histogram,
    values: np.ndarray,
    edges: np.ndarray,
    labels: LabelStates,
    use: np.ndarray,
    block: int = 32,
) -> None:
    """Count dense values float32 (n, width) into `histogram`: bin j holds `edges[j-1] <= value < edges[j]`.

    Parameters
    ----------
    edges : float32 (width, n_bins - 1), ascending (`sparse.dense_edges`)
    block : neurons transposed at a time
    """
    _check(histogram, values.shape[1], len(use), labels)
    pointer, members = column_lists(labels.table)
    rows = np.flatnonzero(use)
    states = labels.states[rows]
    histogram.cells.totals += labels.totals(use)
    for first in range(0, values.shape[1], block):
        part = slice(first, first + block)
        turned = np.ascontiguousarray(values[rows, part].T, np.float32)
        positive = np.zeros((len(turned), *histogram.cells.shape[1:]), np.int64)
        _count_dense(
            turned, np.ascontiguousarray(edges[part], np.float32), states, pointer, members,
            len(labels.table), positive, histogram.all[part],
            histogram.sum_inside[part], histogram.sum_all[part],
        )  # fmt: skip
        histogram.cells.add(first, positive)


def column_lists(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns carried by every state, as pointers int64 (n_states + 1) and members int64."""
    pointer = np.concatenate([[0], np.cumsum(table.sum(axis=1))]).astype(np.int64)
    return pointer, np.nonzero(table)[1].astype(np.int64)


def whole_vectors(table: np.ndarray) -> np.ndarray:
    """A bool table (n_states, n_columns) as uint8, rows in one piece, with bare columns up to whole vectors.

    Compiled loops over a row then leave no columns to be added one by one.
    """
    padded = np.pad(table.astype(np.uint8), ((0, 0), (0, -table.shape[1] % VECTOR)))
    return np.ascontiguousarray(padded)


def used_states(labels: LabelStates, use: np.ndarray) -> np.ndarray:
    """Label state of every row, int16 or int32 (n_rows), -1 for rows that do not count."""
    # Read at random, once a non-zero: half the bytes, half the cache.
    narrow = len(labels.table) <= np.iinfo(np.int16).max
    return np.where(use, labels.states, -1).astype(np.int16 if narrow else np.int32)


def _check(histogram: Histogram, n_features: int, n_rows: int, labels: LabelStates) -> None:
    expected = (n_features, histogram.all.shape[1], labels.table.shape[1])
    if histogram.cells.shape != expected:
        raise ValueError(f"a histogram of shape {histogram.cells.shape}, expected {expected}")
    if labels.states.size != n_rows:
        raise ValueError(f"labels of {labels.states.size} bases for a mask of {n_rows}")


@numba.njit(cache=True, nogil=True)
def _count_sparse(
    indptr, rows, values, bins, states, table, n_use, few, most, slots, wide, total, sum_inside, sum_all
):
    n_bins, n_columns = total.shape[1], sum_inside.shape[1]
    # One feature's counts stay in the cache; a row of the table is added as a vector, whatever it holds.
    cell = np.zeros((n_bins, table.shape[1]), few.dtype)
    own = np.zeros(n_bins, np.int64)
    inside = np.zeros(n_columns, np.float64)
    for f in range(indptr.size - 1):
        slot, last = slots[f], indptr[f]
        here, value = np.uint32(0), 0.0
        while last < indptr[f + 1]:
            first = last
            # No counter can run over: `few` has room for them, and of others no more are counted together.
            last = indptr[f + 1] if slot < 0 else min(first + most, indptr[f + 1])
            for i in range(first, last):
                # Indices without a sign: of others numba asks each time whether they count from the end.
                state = states[np.uint32(rows[i])]
                if state >= 0:
                    b, state = bins[i], np.uint32(state)
                    own[b] += 1
                    for c in range(table.shape[1]):
                        cell[b, c] += table[state, c]
                    if state != here:
                        # Values of neighbours under the same labels are added up first.
                        sum_all[f] += value
                        for c in range(n_columns):
                            inside[c] += value * table[here, c]
                        here, value = state, 0.0
                    value += values[i]
            for b in range(1, n_bins):
                if own[b] > 0:
                    total[f, b] += own[b]
                    total[f, 0] -= own[b]
                    own[b] = 0
                    if slot < 0:
                        for c in range(n_columns):
                            few[f, b - 1, c] += cell[b, c]
                    else:
                        for c in range(n_columns):
                            wide[slot, b - 1, c] += cell[b, c]
                    cell[b] = 0
        total[f, 0] += n_use
        sum_all[f] += value
        for c in range(n_columns):
            sum_inside[f, c] += inside[c] + value * table[here, c]
            inside[c] = 0.0


@numba.njit(cache=True, nogil=True)
def _count_dense(turned, edges, states, pointer, members, n_states, positive, total, sum_inside, sum_all):
    n_bins = total.shape[1]
    n_edges = edges.shape[1]
    for w in range(turned.shape[0]):
        cell = np.zeros((n_bins, n_states), np.int64)
        state_sum = np.zeros(n_states, np.float64)
        row = edges[w]
        for i in range(turned.shape[1]):
            value = turned[w, i]
            base, length = 0, n_edges
            while length > 0:
                half = (length + 1) >> 1
                base += half * (row[base + half - 1] <= value)
                length -= half
            cell[base, states[i]] += 1
            state_sum[states[i]] += value
        for state in range(n_states):
            sum_all[w] += state_sum[state]
            for m in range(pointer[state], pointer[state + 1]):
                sum_inside[w, members[m]] += state_sum[state]
            for b in range(n_bins):
                total[w, b] += cell[b, state]
                for m in range(pointer[state], pointer[state + 1]):
                    positive[w, b, members[m]] += cell[b, state]
