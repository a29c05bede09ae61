"""Where a feature lies at the ends of intervals: metagene profiles and boundary offsets.

Offsets run in the direction of the interval's own strand, with 0 the first base at the 5' end and the last
base at the 3' end; intervals without a strand are read left to right. A boundary offset is the signed
distance from an interval's end to the same end of the run that overlaps it: the first such run at the 5'
end, the last at the 3' end; negative is upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numba
import numpy as np
import pandas as pd

from feature_mining.association.labels import Column, Near, near, seen
from feature_mining.association.sparse import Csc

# Bases on either side of an end.
REACH = 100


@dataclass(frozen=True)
class EndCounts:
    """Counts of P pairs around the 5' (index 0) and 3' (index 1) ends of intervals; additive.

    active : int64 (P, 2, 2 REACH + 1), ends with the feature active at the offset
    usable : int64 (P, 2, 2 REACH + 1), ends whose base at the offset counts
    offset : int64 (P, 2, 2 REACH + 1), intervals with a run, by boundary offset; beyond REACH in the
        outermost
    """

    active: np.ndarray
    usable: np.ndarray
    offset: np.ndarray

    @classmethod
    def empty(cls, n_pairs: int) -> EndCounts:
        """Nothing counted yet."""
        return cls(*(np.zeros((n_pairs, 2, 2 * REACH + 1), np.int64) for _ in range(3)))

    def __add__(self, other: EndCounts) -> EndCounts:
        mine, theirs = self.arrays(), other.arrays()
        return EndCounts(**{name: mine[name] + theirs[name] for name in mine})

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by field name, for npz or HDF5."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def profile(self) -> np.ndarray:
        """Share of ends with the feature active at every offset, float64 (P, 2, 2 REACH + 1)."""
        out = np.full(self.active.shape, np.nan)
        np.divide(self.active, self.usable, out=out, where=self.usable > 0)
        return out

    def median_offset(self) -> np.ndarray:
        """Lower median of the boundary offsets, float64 (P, 2), within REACH; NaN without a run."""
        total = self.offset.sum(axis=2)
        reached = np.cumsum(self.offset, axis=2) * 2 >= np.maximum(total, 1)[:, :, None]
        return np.where(total > 0, np.argmax(reached, axis=2) - REACH, np.nan)


def count_ends(
    features: Csc,
    bins: np.ndarray,
    pairs: np.ndarray,
    tracks: Mapping[str, pd.DataFrame],
    columns: list[Column],
    start: int,
    strand: str,
    use: np.ndarray,
    gap: int,
) -> EndCounts:
    """Count one reading of the stretch `[start, start + len(use))`.

    Parameters
    ----------
    pairs : int64 (P, 3), feature, column, frozen bin
    gap : bases without activity that a run may bridge
    """
    counts = EndCounts.empty(len(pairs))
    use = np.ascontiguousarray(use, bool)
    held: dict[str, Near] = {}
    for column in np.unique(pairs[:, 1]):
        name, mode = columns[column]
        if name not in tracks:
            continue
        if name not in held:
            held[name] = near(tracks[name], start, start + len(use))
        rows = seen(held[name].strands, mode, strand)
        lo, hi, turn = held[name].starts[rows], held[name].ends[rows], held[name].strands[rows] == "-"
        if lo.size == 0:
            continue
        usable = np.zeros((2, 2 * REACH + 1), np.int64)
        _usable(lo, hi, turn, use, usable)
        for p in np.flatnonzero(pairs[:, 1] == column):
            feature, _, level = pairs[p]
            part = slice(features.indptr[feature], features.indptr[feature + 1])
            at = features.rows[part][bins[part] >= level]
            counts.usable[p] += usable
            _count(
                at[use[at]].astype(np.int64), gap, lo, hi, turn, len(use), counts.active[p], counts.offset[p]
            )  # fmt: skip
    return counts


@numba.njit(cache=True, nogil=True)
def _end(lo, hi, turned, side):
    """Base at the 5' end (side 0) or the 3' end (1); turned intervals have their 5' end at the right."""
    return hi - 1 if turned == (side == 0) else lo


@numba.njit(cache=True, nogil=True)
def _usable(lo, hi, turn, use, usable):
    n = use.size
    for k in range(lo.size):
        step = -1 if turn[k] else 1
        for side in range(2):
            end = _end(lo[k], hi[k], turn[k], side)
            # Each stretch counts the ends that it holds, so stretches add up.
            if 0 <= end < n:
                for offset in range(-REACH, REACH + 1):
                    place = end + step * offset
                    if 0 <= place < n and use[place]:
                        usable[side, offset + REACH] += 1


@numba.njit(cache=True, nogil=True)
def _count(at, gap, lo, hi, turn, n, active, offsets):
    if at.size == 0:
        return
    first, last = np.empty(at.size, np.int64), np.empty(at.size, np.int64)
    runs = 0
    for i in range(at.size):
        if i == 0 or at[i] - at[i - 1] > gap + 1:
            first[runs] = at[i]
            runs += 1
        last[runs - 1] = at[i]
    first, last = first[:runs], last[:runs]
    for k in range(lo.size):
        step = -1 if turn[k] else 1
        # Runs that overlap [lo, hi): the leftmost and the rightmost.
        left = np.searchsorted(last, lo[k])
        right = np.searchsorted(first, hi[k]) - 1
        for side in range(2):
            end = _end(lo[k], hi[k], turn[k], side)
            if not 0 <= end < n:
                continue
            i = np.searchsorted(at, end - REACH)
            while i < at.size and at[i] <= end + REACH:
                active[side, step * (at[i] - end) + REACH] += 1
                i += 1
            if left <= right:
                edge = first[left] if turn[k] == (side == 1) else last[right]
                signed = min(max(step * (edge - end), -REACH), REACH)
                offsets[side, signed + REACH] += 1
