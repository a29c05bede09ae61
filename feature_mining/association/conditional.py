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

from feature_mining.association.histogram import used_states
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
    table, n_columns = labels.table, labels.table.shape[1]
    children = np.flatnonzero(parent >= 0)
    bases = np.zeros((n_columns, 4), np.int64)
    cells = np.zeros((features.n_features, n_columns, 4), np.int64)
    if children.size == 0:
        return Strata(cells, bases)
    inside = np.stack([table[:, children], table[:, parent[children]]]).astype(np.uint8)
    per_state = np.bincount(labels.states[use], minlength=len(table))
    for i, column in enumerate(children):
        kind = inside[0, :, i] + 2 * inside[1, :, i]
        bases[column] = np.bincount(kind, weights=per_state, minlength=4)
    counts = np.zeros((features.n_features, 4, children.size), np.int64)
    _count(
        features.indptr, features.rows, bins, np.ascontiguousarray(threshold[:, children], np.uint16),
        used_states(labels, use), inside[0], inside[1], counts,
    )  # fmt: skip
    called, own, held, both = (counts[:, i] for i in range(4))
    cells[:, children] = np.stack(
        [called - own - held + both, own - both, held - both, both], axis=2
    )
    return Strata(cells, bases)


@numba.njit(cache=True, nogil=True)
def _count(indptr, rows, bins, threshold, states, own, held, counts):
    """Active bases at each column's threshold: all, in the column, in its parent, in both."""
    n_columns = threshold.shape[1]
    cell = np.zeros((4, n_columns), np.uint16)
    for f in range(indptr.size - 1):
        level = threshold[f]
        least = level.min()
        last = indptr[f]
        while last < indptr[f + 1]:
            first = last
            # No 16-bit counter can run over.
            last = min(first + 65_535, indptr[f + 1])
            for i in range(first, last):
                state = states[rows[i]]
                if state >= 0 and bins[i] >= least:
                    b = np.uint16(bins[i])
                    for c in range(n_columns):
                        on = np.uint16(b >= level[c])
                        cell[0, c] += on
                        cell[1, c] += on & own[state, c]
                        cell[2, c] += on & held[state, c]
                        cell[3, c] += on & own[state, c] & held[state, c]
            for kind in range(4):
                for c in range(n_columns):
                    counts[f, kind, c] += cell[kind, c]
                    cell[kind, c] = 0
