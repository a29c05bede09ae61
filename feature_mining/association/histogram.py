"""Counts of feature bins against track columns: the one pass from which all base-level scores are read.

Counts are integers, so those of stretches, strands and shards add up exactly, in any order; the two
sums of values are float64 and add up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numba
import numpy as np

from feature_mining.association.labels import LabelStates
from feature_mining.association.sparse import Csc


@dataclass(frozen=True)
class Histogram:
    """Bin counts of F features on C track columns in one split.

    positive : int64 (F, n_bins, C), bases of the column with the feature in the bin; bin 0 = not
        active
    all : int64 (F, n_bins), bases with the feature in the bin
    sum_inside : float64 (F, C), sum of the feature's values over the column's bases
    sum_all : float64 (F), sum over all bases
    """

    positive: np.ndarray
    all: np.ndarray
    sum_inside: np.ndarray
    sum_all: np.ndarray

    @classmethod
    def empty(cls, n_features: int, n_bins: int, n_columns: int) -> Histogram:
        """Nothing counted yet."""
        return cls(
            np.zeros((n_features, n_bins, n_columns), np.int64),
            np.zeros((n_features, n_bins), np.int64),
            np.zeros((n_features, n_columns)),
            np.zeros(n_features),
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Histogram:
        """Back from `arrays()`, or from an open npz file."""
        return cls(**{field.name: np.asarray(arrays[field.name]) for field in fields(cls)})

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by field name, for npz or HDF5."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __add__(self, other: Histogram) -> Histogram:
        if self.positive.shape != other.positive.shape:
            raise ValueError(
                f"histograms of shapes {self.positive.shape} and {other.positive.shape} do not add up"
            )
        mine, theirs = self.arrays(), other.arrays()
        return Histogram(**{name: mine[name] + theirs[name] for name in mine})

    def flipped(self) -> Histogram:
        """The same values with their sign turned: bin order reversed, sums negated.

        For dense neurons read in both signs: at bin t of the flipped histogram the detector is
        `value < lower_bounds(edges, sparse=False)[n_bins - t]`.
        """
        return Histogram(self.positive[:, ::-1], self.all[:, ::-1], -self.sum_inside, -self.sum_all)

    def take(self, features: np.ndarray) -> Histogram:
        """Only these features, in this order."""
        return Histogram(*(array[features] for array in self.arrays().values()))


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
    pointer, members = column_lists(labels.table)
    _count_sparse(
        features.indptr, features.rows, features.values, bins, labels.states,
        np.ascontiguousarray(use, bool), pointer, members, labels.totals(use), int(use.sum()),
        histogram.positive, histogram.all, histogram.sum_inside, histogram.sum_all,
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
    block : neurons turned round at a time
    """
    _check(histogram, values.shape[1], len(use), labels)
    pointer, members = column_lists(labels.table)
    rows = np.flatnonzero(use)
    states = labels.states[rows]
    for first in range(0, values.shape[1], block):
        part = slice(first, first + block)
        turned = np.ascontiguousarray(values[rows, part].T, np.float32)
        _count_dense(
            turned, np.ascontiguousarray(edges[part], np.float32), states, pointer, members,
            len(labels.table), histogram.positive[part], histogram.all[part],
            histogram.sum_inside[part], histogram.sum_all[part],
        )  # fmt: skip


def column_lists(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns carried by every state, as pointers int64 (n_states + 1) and members int64."""
    pointer = np.concatenate([[0], np.cumsum(table.sum(axis=1))]).astype(np.int64)
    return pointer, np.nonzero(table)[1].astype(np.int64)


def _check(histogram: Histogram, n_features: int, n_rows: int, labels: LabelStates) -> None:
    expected = (n_features, histogram.all.shape[1], labels.table.shape[1])
    if histogram.positive.shape != expected:
        raise ValueError(f"a histogram of shape {histogram.positive.shape}, expected {expected}")
    if labels.states.size != n_rows:
        raise ValueError(f"labels of {labels.states.size} bases for a mask of {n_rows}")


@numba.njit(cache=True, nogil=True)
def _count_sparse(
    indptr, rows, values, bins, states, use, pointer, members, column_totals, n_use,
    positive, total, sum_inside, sum_all,
):  # fmt: skip
    n_bins = total.shape[1]
    n_states = pointer.size - 1
    n_columns = column_totals.size
    cell = np.zeros(n_bins * n_states, np.int64)
    touched = np.empty(n_bins * n_states, np.int64)
    state_sum = np.zeros(n_states, np.float64)
    seen = np.zeros(n_columns, np.int64)
    for f in range(indptr.size - 1):
        # States first, columns after: a cell that was hit often is spread over its columns once.
        n_touched = 0
        for i in range(indptr[f], indptr[f + 1]):
            row = rows[i]
            if use[row]:
                state = states[row]
                at = np.int64(bins[i]) * n_states + state
                if cell[at] == 0:
                    touched[n_touched] = at
                    n_touched += 1
                cell[at] += 1
                state_sum[state] += values[i]
        active = 0
        for k in range(n_touched):
            at = touched[k]
            count = cell[at]
            cell[at] = 0
            b = at // n_states
            state = at - b * n_states
            total[f, b] += count
            active += count
            value = state_sum[state]
            state_sum[state] = 0.0
            sum_all[f] += value
            for m in range(pointer[state], pointer[state + 1]):
                column = members[m]
                positive[f, b, column] += count
                seen[column] += count
                sum_inside[f, column] += value
        total[f, 0] += n_use - active
        for column in range(n_columns):
            positive[f, 0, column] += column_totals[column] - seen[column]
            seen[column] = 0


@numba.njit(cache=True, nogil=True)
def _count_dense(
    turned, edges, states, pointer, members, n_states, positive, total, sum_inside, sum_all
):
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
