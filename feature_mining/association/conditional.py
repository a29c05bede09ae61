"""Association that is left once a parent track is held fixed, and which tracks nearly coincide.

Gene, CDS and exon of a bacterium cover nearly the same bases, so a feature of one is a feature of all.
Tracks of one mode whose bases overlap by a Jaccard index above `NEAR` form a group. A column's parent is
the smallest other column of its mode that holds nearly all of its bases and more besides; the
Mantel-Haenszel odds ratio over the two strata inside and outside the parent says what the column adds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numba
import numpy as np
from scipy.sparse.csgraph import connected_components

from feature_mining.association.labels import Column, LabelStates
from feature_mining.association.sparse import Csc

NEAR = 0.8
WITHIN = 0.95
"""Share of a column's bases that its parent must hold."""


class Family(NamedTuple):
    """How the columns of a study lie in each other.

    group : int64 (C), columns of one number nearly coincide
    parent : int64 (C), index of the parent column, -1 for none
    """

    group: np.ndarray
    parent: np.ndarray


@dataclass(frozen=True)
class Strata:
    """Counts of F features on C columns inside and outside the parent; additive.

    cells : int64 (F, C, 4), active bases: outside both, in the column only, in the parent only, in both
    bases : int64 (C, 4), all bases of the four kinds
    """

    cells: np.ndarray
    bases: np.ndarray

    def __add__(self, other: Strata) -> Strata:
        return Strata(self.cells + other.cells, self.bases + other.bases)

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by field name, for npz or HDF5."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def odds_ratio(self) -> np.ndarray:
        """Mantel-Haenszel odds ratio given the parent, float64 (F, C); NaN where it is not defined."""
        top, bottom = np.zeros(self.cells.shape[:2]), np.zeros(self.cells.shape[:2])
        for stratum in (0, 2):
            a, b = (self.cells[:, :, stratum + inside].astype(float) for inside in (1, 0))
            c, d = self.bases[:, stratum + 1] - a, self.bases[:, stratum] - b
            n = np.maximum(self.bases[:, stratum] + self.bases[:, stratum + 1], 1)
            top += a * d / n
            bottom += b * c / n
        out = np.full(top.shape, np.nan)
        np.divide(top, bottom, out=out, where=bottom > 0)
        return out


def joint_bases(labels: LabelStates, use: np.ndarray) -> np.ndarray:
    """Bases that two columns share, int64 (C, C); the diagonal holds the columns' own; additive."""
    weight = np.bincount(labels.states[use], minlength=len(labels.table))
    table = labels.table.astype(np.int64)
    return (table * weight[:, None]).T @ table


def families(joint: np.ndarray, columns: Sequence[Column]) -> Family:
    """Groups and parents from `joint_bases` of the *select* split."""
    own = np.diag(joint).astype(float)
    union = own[:, None] + own[None] - joint
    modes = np.array([mode for _, mode in columns])
    comparable = (modes[:, None] == modes[None]) & (union > 0)
    jaccard = np.divide(joint, union, out=np.zeros(joint.shape), where=comparable)
    group = connected_components(jaccard > NEAR, directed=False)[1]
    parent = np.full(len(own), -1, np.int64)
    for column in range(len(own)):
        if own[column] == 0:
            continue
        holds = comparable[column] & (joint[column] >= WITHIN * own[column])
        holds &= own > own[column]
        if holds.any():
            parent[column] = min(np.flatnonzero(holds), key=lambda c: (own[c], c))
    return Family(group.astype(np.int64), parent)


def count_strata(
    features: Csc,
    bins: np.ndarray,
    threshold: np.ndarray,
    labels: LabelStates,
    parent: np.ndarray,
    use: np.ndarray,
) -> Strata:
    """Count one reading at frozen bins `threshold` int64 (F, C); columns without a parent stay 0."""
    table = labels.table
    n_columns = table.shape[1]
    children = np.flatnonzero(parent >= 0)
    kind = np.zeros((len(table), n_columns), np.int8)
    kind[:, children] = 2 * table[:, parent[children]] + table[:, children]
    bases = np.zeros((n_columns, 4), np.int64)
    per_state = np.bincount(labels.states[use], minlength=len(table))
    for column in children:
        bases[column] = np.bincount(kind[:, column], weights=per_state, minlength=4)
    cells = np.zeros((features.n_features, n_columns, 4), np.int64)
    _count(
        features.indptr, features.rows, bins, np.ascontiguousarray(threshold), labels.states,
        kind, children, np.ascontiguousarray(use, bool), cells,
    )  # fmt: skip
    return Strata(cells, bases)


@numba.njit(cache=True, nogil=True)
def _count(indptr, rows, bins, threshold, states, kind, children, use, cells):
    if children.size == 0:
        return
    n_states = kind.shape[0]
    n_bins = np.int64(0)
    for i in range(bins.size):
        n_bins = max(n_bins, np.int64(bins[i]) + 1)
    hit = np.zeros(n_bins * n_states, np.int64)
    touched = np.empty(n_bins * n_states, np.int64)
    for f in range(indptr.size - 1):
        least = threshold[f, children[0]]
        for c in children:
            least = min(least, threshold[f, c])
        n = 0
        for i in range(indptr[f], indptr[f + 1]):
            if bins[i] >= least and use[rows[i]]:
                at = np.int64(bins[i]) * n_states + states[rows[i]]
                if hit[at] == 0:
                    touched[n] = at
                    n += 1
                hit[at] += 1
        for k in range(n):
            at = touched[k]
            level = at // n_states
            state = at - level * n_states
            for c in children:
                if level >= threshold[f, c]:
                    cells[f, c, kind[state, c]] += hit[at]
            hit[at] = 0
