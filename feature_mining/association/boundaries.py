"""Where a feature lies at the ends of intervals: metagene profiles and boundary offsets.

Offsets run in the direction of the interval's own strand, with 0 the first base at the 5' end and the last
base at the 3' end; intervals without a strand are read left to right. A boundary offset is the signed
distance from an interval's end to the same end of the run that overlaps it: the first such run at the 5'
end, the last at the 3' end; negative is upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from feature_mining.association.labels import Column, of_mode
from feature_mining.association.sparse import Csc

REACH = 100
"""Bases on either side of an end."""


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
    n = len(use)
    ends = {c: _oriented(tracks, columns[c], start, strand, n) for c in np.unique(pairs[:, 1])}
    around = np.arange(-REACH, REACH + 1)
    for p, (feature, column, level) in enumerate(pairs):
        lo, hi, turn = ends[column]
        if lo.size == 0:
            continue
        part = slice(features.indptr[feature], features.indptr[feature + 1])
        at = features.rows[part][bins[part] >= level]
        at = at[use[at]]
        on = np.zeros(n, bool)
        on[at] = True
        # Turned intervals have their 5' end at the right.
        five, three = np.where(turn, hi - 1, lo), np.where(turn, lo, hi - 1)
        step = np.where(turn, -1, 1)
        for side, end in enumerate((five, three)):
            # Each stretch counts the ends that it holds, so stretches add up.
            own = (end >= 0) & (end < n)
            place = end[own, None] + step[own, None] * around
            inside = (place >= 0) & (place < n)
            place = np.clip(place, 0, n - 1)
            inside &= use[place]
            counts.usable[p, side] += inside.sum(axis=0)
            counts.active[p, side] += (inside & on[place]).sum(axis=0)
            if at.size:
                counts.offset[p, side] += _offsets(
                    at, gap, lo[own], hi[own], end[own], turn[own], side
                )
    return counts


def _oriented(
    tracks: Mapping[str, pd.DataFrame], column: Column, start: int, strand: str, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts, ends (relative to `start`) and whether read to the left, of intervals in the stretch."""
    name, mode = column
    if name not in tracks:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool)
    table = tracks[name][of_mode(tracks[name], mode, strand)]
    lo, hi = table["start"].to_numpy(np.int64) - start, table["end"].to_numpy(np.int64) - start
    strands = table["strand"].to_numpy() if "strand" in table else np.full(len(table), ".")
    meets = (lo < n) & (hi > 0) & (lo < hi)
    return lo[meets], hi[meets], (strands == "-")[meets]


def _offsets(
    at: np.ndarray,
    gap: int,
    lo: np.ndarray,
    hi: np.ndarray,
    end: np.ndarray,
    turn: np.ndarray,
    side: int,
) -> np.ndarray:
    cut = np.flatnonzero(np.diff(at) > gap + 1)
    first, last = at[np.concatenate([[0], cut + 1])], at[np.concatenate([cut, [at.size - 1]])]
    # Runs that overlap [lo, hi): the leftmost and the rightmost.
    left, right = (
        np.searchsorted(last, lo, side="left"),
        np.searchsorted(first, hi, side="left") - 1,
    )
    met = left <= right
    leftward = turn == (side == 1)
    run = np.where(leftward, left, right)[met]
    edge = np.where(leftward[met], first[run], last[run])
    signed = (edge - end[met]) * np.where(turn[met], -1, 1)
    return np.bincount(np.clip(signed, -REACH, REACH) + REACH, minlength=2 * REACH + 1)
