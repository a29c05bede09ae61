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

from feature_mining.association.histogram import used_states, whole_vectors
from feature_mining.association.labels import Column, LabelStates
from feature_mining.association.sparse import Csc

NEAR = 0.8
# Share of a column's bases that its parent must hold.
WITHIN = 0.95


class Family(NamedTuple):
    """How the columns of a study lie in each other.

    group : int64 (C), columns of one number nearly coincide
    parent : int64 (C), index of the parent column, -1 for none
    """

    group: np.ndarray
    parent: np.ndarray


@dataclass(frozen=True)
class Strata:
    """Counts of F features on C columns inside and outside the parent; additive; 0 without a parent.

    active : int64 (F, 4, C), active bases: all, in the column, in the parent, in both
    bases : int64 (C, 4), bases outside both, in the column only, in the parent only, in both
    """

    active: np.ndarray
    bases: np.ndarray

    @classmethod
    def empty(cls, n_features: int, n_columns: int) -> Strata:
        """Nothing counted yet."""
        return cls(np.zeros((n_features, 4, n_columns), np.int64), np.zeros((n_columns, 4), np.int64))

    def __add__(self, other: Strata) -> Strata:
        return Strata(self.active + other.active, self.bases + other.bases)

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by field name, for npz or HDF5."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def odds_ratio(self) -> np.ndarray:
        """Mantel-Haenszel odds ratio given the parent, float64 (F, C); NaN where it is not defined."""
        called, own, held, both = (self.active[:, i].astype(float) for i in range(4))
        strata = {0: (own - both, called - own - held + both), 2: (both, held - both)}
        top, bottom = np.zeros(own.shape), np.zeros(own.shape)
        for stratum, (a, b) in strata.items():
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
    # Of whole numbers below 2^53 a product of matrices of float64 is exact, and much faster.
    table = labels.table.astype(np.float64)
    return ((table * weight[:, None]).T @ table).astype(np.int64)


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


def add_strata(
    strata: Strata,
    features: Csc,
    bins: np.ndarray,
    threshold: np.ndarray,
    labels: LabelStates,
    parent: np.ndarray,
    use: np.ndarray,
) -> None:
    """Count one reading into `strata` (changed in place).

    Parameters
    ----------
    threshold : int64 (F, C), frozen bins; parent : int64 (C), -1 for none (`families`)
    use : bool (n_rows)
    """
    table = labels.table
    children = np.flatnonzero(parent >= 0)
    if children.size == 0:
        return
    own, held = (whole_vectors(table[:, which]) for which in (children, parent[children]))
    per_state = np.bincount(labels.states[use], minlength=len(table))
    for i, column in enumerate(children):
        kind = own[:, i] + 2 * held[:, i]
        strata.bases[column] += np.bincount(kind, weights=per_state, minlength=4).astype(np.int64)
    _count(
        features.indptr, features.rows, bins, np.ascontiguousarray(threshold[:, children]),
        used_states(labels, use), own, held, children, strata.active,
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _count(indptr, rows, bins, threshold, states, own, held, children, active_bases):
    """Active bases at each column's threshold: all, in the column, in its parent, in both."""
    n_columns, n_padded = threshold.shape[1], own.shape[1]
    n_bins = np.int64(threshold.max()) + 1
    for i in range(bins.size):
        n_bins = max(n_bins, np.int64(bins[i]) + 1)
    active = np.zeros(n_bins, np.int64)
    least = np.zeros(n_padded, np.uint16)
    in_own = np.zeros(n_columns, np.uint16)
    in_held, in_both = np.zeros_like(in_own), np.zeros_like(in_own)
    for f in range(indptr.size - 1):
        for c in range(n_columns):
            least[c] = threshold[f, c]
        last = indptr[f]
        while last < indptr[f + 1]:
            first = last
            # No 16-bit counter can run over.
            last = min(first + 65_535, indptr[f + 1])
            for i in range(first, last):
                # Indices without a sign: see `histogram`.
                state = states[np.uint32(rows[i])]
                if state >= 0:
                    b, state = np.uint16(bins[i]), np.uint32(state)
                    active[b] += 1
                    for c in range(n_padded):
                        on = np.uint16(least[c] <= b)
                        in_own[c] += own[state, c] & on
                        in_held[c] += held[state, c] & on
                        in_both[c] += own[state, c] & held[state, c] & on
            for low in range(n_bins - 2, -1, -1):
                active[low] += active[low + 1]
            for c in range(n_columns):
                column = children[c]
                active_bases[f, 0, column] += active[least[c]]
                active_bases[f, 1, column] += in_own[c]
                active_bases[f, 2, column] += in_held[c]
                active_bases[f, 3, column] += in_both[c]
            active[:] = 0
            in_own[:] = 0
            in_held[:] = 0
            in_both[:] = 0
