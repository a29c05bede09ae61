"""Tracks of intervals as one label state a base.

A *column* is a pair (track, mode). Mode is relative to the strand of the reading: "same" holds
intervals on that strand, "opposite" those on the other, "any" all of them. A track without any
strand has only "any". Bases that carry the same set of columns share a state, so work per base does
not grow with the tracks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

MODES = ("same", "opposite", "any")
Column = tuple[str, str]


class LabelStates(NamedTuple):
    """Labels of one reading of a contig stretch; row r is base `start + r`, on both strands.

    states : int32 (n), row of `table` for every base; state 0 carries no label
    table : bool (n_states, n_columns)
    columns : (track, mode) of every column of `table`
    """

    states: np.ndarray
    table: np.ndarray
    columns: list[Column]

    def totals(self, use: np.ndarray) -> np.ndarray:
        """Bases of every column among the rows where `use` is true, int64 (n_columns)."""
        per_state = np.bincount(self.states[use], minlength=len(self.table))
        return per_state @ self.table.astype(np.int64)


def track_columns(tracks: Mapping[str, pd.DataFrame]) -> list[Column]:
    """Columns of a set of tracks, decided once from all their intervals and then passed on.

    Parameters
    ----------
    tracks : name -> intervals in bioframe's schema (0-based half-open); `strand` may be missing
    """
    columns: list[Column] = []
    for name, intervals in tracks.items():
        stranded = bool(np.isin(_strands(intervals), ("+", "-")).any())
        columns += [(name, mode) for mode in (MODES if stranded else ("any",))]
    return columns


def of_mode(intervals: pd.DataFrame, mode: str, strand: str) -> np.ndarray:
    """Rows of `intervals` that a reading of `strand` ('+' or '-') sees in `mode`, bool (n_intervals)."""
    return seen(_strands(intervals), mode, strand)


def seen(strands: np.ndarray, mode: str, strand: str) -> np.ndarray:
    """The same from the strands of the intervals alone, bool (n_intervals)."""
    if strand not in ("+", "-"):
        raise ValueError(f"the strand of a reading is '+' or '-', not {strand!r}")
    opposite = "-" if strand == "+" else "+"
    wanted = {"same": (strand,), "opposite": (opposite,), "any": ("+", "-", ".")}
    if mode not in wanted:
        raise ValueError(f"mode {mode!r} is none of {', '.join(MODES)}")
    return np.logical_or.reduce([strands == one for one in wanted[mode]])


def label_states(
    tracks: Mapping[str, pd.DataFrame],
    start: int,
    end: int,
    strand: str,
    columns: Sequence[Column] | None = None,
) -> LabelStates:
    """Label state of every base of `[start, end)` for one strand's reading.

    Parameters
    ----------
    tracks : name -> intervals of this contig; those outside the stretch are left out, others
        clipped
    columns : columns of the study (`track_columns` of all contigs); by default those of `tracks`

    Notes
    -----
    Boundaries of all columns cut the stretch into segments, segments with equal columns share a
    state: O(intervals log intervals + segments x columns + bases).
    """
    if end <= start:
        raise ValueError(f"an empty stretch: start {start}, end {end}")
    chosen = list(track_columns(tracks) if columns is None else columns)
    positions: list[np.ndarray] = []
    owners, steps = [], []
    held: dict[str, Near] = {}
    for index, (name, mode) in enumerate(chosen):
        if name not in tracks or not len(tracks[name]):
            continue
        if name not in held:
            held[name] = near(tracks[name], start, end)
        rows = seen(held[name].strands, mode, strand)
        positions += held[name].clipped(rows, end - start)
        owners.append(np.full(2 * np.count_nonzero(rows), index, np.int64))
        steps.append(np.repeat(np.array([1, -1], np.int32), np.count_nonzero(rows)))
    edge = np.concatenate([*positions, np.array([0, end - start])])
    cuts, where = np.unique(edge, return_inverse=True)
    depth = np.zeros((cuts.size, len(chosen)), np.int32)
    if owners:
        np.add.at(depth, (where[:-2], np.concatenate(owners)), np.concatenate(steps))
    covered = np.cumsum(depth[:-1], axis=0) > 0
    # A first row without labels makes that state number 0 also where no base is bare.
    covered = np.concatenate([np.zeros((1, len(chosen)), bool), covered])
    table, segment_state = _unique_rows(covered)
    states = np.repeat(segment_state[1:], np.diff(cuts)).astype(np.int32)
    return LabelStates(states, table, chosen)


def clip(
    intervals: pd.DataFrame, mode: str, strand: str, start: int, end: int
) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends relative to `start` of the intervals that meet `[start, end)`, clipped, int64."""
    found = near(intervals, start, end)
    return found.clipped(seen(found.strands, mode, strand), end - start)


class Near(NamedTuple):
    """Intervals that meet a stretch, relative to its start, int64, with their strands.

    starts, ends : also those beyond the stretch; strands : object
    """

    starts: np.ndarray
    ends: np.ndarray
    strands: np.ndarray

    def clipped(self, rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Starts and ends of some of them within a stretch of `n` bases."""
        return np.maximum(self.starts[rows], 0), np.minimum(self.ends[rows], n)


def near(intervals: pd.DataFrame, start: int, end: int) -> Near:
    """Intervals that share a base with `[start, end)`."""
    lo, hi = (intervals[name].to_numpy(np.int64) for name in ("start", "end"))
    meets = np.flatnonzero((lo < end) & (hi > start) & (lo < hi))
    return Near(lo[meets] - start, hi[meets] - start, _strands(intervals)[meets])


def _strands(intervals: pd.DataFrame) -> np.ndarray:
    if "strand" not in intervals.columns:
        return np.full(len(intervals), ".", dtype=object)
    return intervals["strand"].to_numpy(dtype=object)


def _unique_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct boolean rows, the bare one first, and the number of the distinct row of every row."""
    if rows.shape[1] == 0:
        return rows[:1], np.zeros(len(rows), np.int64)
    packed = np.ascontiguousarray(np.packbits(rows, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    # All-zero bytes sort before any other key, so the bare row becomes number 0.
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return rows[first], inverse
