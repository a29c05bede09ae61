"""Whole intervals and whole runs: the interval-level scores, one unit each.

A *run* is a stretch of active bases of a feature at its frozen threshold, gaps of up to `gap` bases
bridged. Recall counts intervals, run precision counts runs; their harmonic mean is the interval F1.

An interval belongs to the stretch that holds at least half of its usable length (of two equal
halves the one with the interval's first base), clipped to that stretch's usable bases; so it counts
at most once, and counts of stretches add up. Runs end at stretch borders: pass whole report blocks,
and the counts do not depend on how the work was cut into shards. Each strand's reading counts its
own intervals and runs: an interval of mode "any" is one unit per reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple

import numba
import numpy as np
import pandas as pd

from feature_mining.association.histogram import column_lists
from feature_mining.association.labels import LabelStates, of_mode
from feature_mining.association.sparse import Csc

DEFAULT_GAP = 3


@dataclass(frozen=True)
class IntervalCounts:
    """Counts of F features on C columns; additive over stretches, readings and shards.

    n_intervals : int64 (C)
    hit_any, hit_half : int64 (F, C), intervals with at least one base, with at least half of the
        bases, active
    n_runs, run_hits : int64 (F, C), runs, and runs with at least half of their active bases in the
        track
    """

    n_intervals: np.ndarray
    hit_any: np.ndarray
    hit_half: np.ndarray
    n_runs: np.ndarray
    run_hits: np.ndarray

    SCORES: ClassVar[tuple[str, ...]] = (
        "interval_recall_any",
        "interval_recall_half",
        "run_precision",
        "interval_f1",
        "n_intervals",
        "n_runs",
    )

    def __add__(self, other: IntervalCounts) -> IntervalCounts:
        mine, theirs = self.arrays(), other.arrays()
        return IntervalCounts(**{name: mine[name] + theirs[name] for name in mine})

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by field name, for npz or HDF5."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def scores(self) -> dict[str, np.ndarray]:
        """Interval-level columns of the associations table, each (F, C); NaN where there is no unit."""
        with np.errstate(invalid="ignore", divide="ignore"):
            recall_any = self.hit_any / self.n_intervals
            recall_half = self.hit_half / self.n_intervals
            precision = self.run_hits / self.n_runs
            both = recall_half + precision
            interval_f1 = np.where(both == 0, 0.0, 2 * recall_half * precision / both)
        # A feature without runs in a track with intervals has found nothing: 0, not unknown.
        silent = (self.n_runs == 0) & (self.n_intervals > 0)
        interval_f1 = np.where(silent, 0.0, interval_f1)
        n_intervals = np.broadcast_to(self.n_intervals, self.n_runs.shape)
        values = (recall_any, recall_half, precision, interval_f1, n_intervals, self.n_runs)
        return dict(zip(self.SCORES, values, strict=True))


class StretchIntervals(NamedTuple):
    """Intervals of every column that a stretch counts, relative to its start, by column then start.

    pointer : int64 (C + 1); starts, ends : int64, clipped; usable : int64, usable bases inside
    """

    pointer: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    usable: np.ndarray


def stretch_intervals(
    tracks: Mapping[str, pd.DataFrame],
    columns: list[tuple[str, str]],
    start: int,
    strand: str,
    use: np.ndarray,
) -> StretchIntervals:
    """Intervals that the stretch `[start, start + len(use))` counts (rule in the module's docstring)."""
    n = len(use)
    before = np.concatenate([[0], np.cumsum(use)]).astype(np.int64)
    pointer, parts = [0], []
    for name, mode in columns:
        lo = hi = np.zeros(0, np.int64)
        if name in tracks:
            rows = of_mode(tracks[name], mode, strand)
            lo = tracks[name]["start"].to_numpy(np.int64)[rows] - start
            hi = tracks[name]["end"].to_numpy(np.int64)[rows] - start
        inside_lo, inside_hi = np.clip(lo, 0, n), np.clip(hi, 0, n)
        usable = before[inside_hi] - before[inside_lo]
        twice, length = 2 * usable, hi - lo
        first_here = (lo >= 0) & (lo < n) & use[np.clip(lo, 0, n - 1)]
        keep = (length > 0) & ((twice > length) | ((twice == length) & first_here))
        order = np.argsort(inside_lo[keep], kind="stable")
        parts.append(np.stack([inside_lo, inside_hi, usable])[:, keep][:, order])
        pointer.append(pointer[-1] + int(keep.sum()))
    starts, ends, bases = np.concatenate(parts, axis=1) if parts else np.zeros((3, 0), np.int64)
    return StretchIntervals(np.array(pointer, np.int64), starts, ends, bases)


def count_intervals(
    features: Csc,
    bins: np.ndarray,
    threshold: np.ndarray,
    labels: LabelStates,
    intervals: StretchIntervals,
    use: np.ndarray,
    gap: int = DEFAULT_GAP,
) -> IntervalCounts:
    """Interval and run counts of one reading of a stretch.

    Parameters
    ----------
    threshold : int64 (F, C), frozen bin of every pair (`scores.thresholds`)
    use : bool (n_rows), callable bases of the report split
    gap : bases without activity that a run may bridge
    """
    shape = (features.n_features, len(labels.columns))
    if threshold.shape != shape:
        raise ValueError(f"thresholds of shape {threshold.shape}, expected {shape}")
    counts = IntervalCounts(
        np.diff(intervals.pointer), *(np.zeros(shape, np.int64) for _ in range(4))
    )
    pointer, members = column_lists(labels.table)
    _count(
        features.indptr, features.rows, bins, np.ascontiguousarray(threshold, np.int64),
        labels.states, pointer, members, np.ascontiguousarray(use, bool), gap, *intervals,
        counts.hit_any, counts.hit_half, counts.n_runs, counts.run_hits,
    )  # fmt: skip
    return counts


@numba.njit(cache=True, nogil=True)
def _from(active, n, low, target):
    """First index >= low with active[index] >= target; doubling steps, since answers lie close."""
    step = 1
    high = low
    while high < n and active[high] < target:
        low = high + 1
        high += step
        step *= 2
    high = min(high, n)
    while low < high:
        middle = (low + high) >> 1
        if active[middle] < target:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def _count(
    indptr, rows, bins, threshold, states, pointer, members, use, gap,
    interval_ptr, starts, ends, usable, hit_any, hit_half, n_runs, run_hits,
):  # fmt: skip
    n_columns = threshold.shape[1]
    inside = np.zeros(n_columns, np.int64)
    touched = np.empty(n_columns, np.int64)
    for f in range(indptr.size - 1):
        active = np.empty(indptr[f + 1] - indptr[f], np.int64)
        for level in np.unique(threshold[f]):
            n = 0
            for i in range(indptr[f], indptr[f + 1]):
                if bins[i] >= level and use[rows[i]]:
                    active[n] = rows[i]
                    n += 1
            runs = 0
            begin = 0
            while begin < n:
                end = begin + 1
                while end < n and active[end] - active[end - 1] <= gap + 1:
                    end += 1
                runs += 1
                n_touched = 0
                for k in range(begin, end):
                    state = states[active[k]]
                    for m in range(pointer[state], pointer[state + 1]):
                        column = members[m]
                        if inside[column] == 0:
                            touched[n_touched] = column
                            n_touched += 1
                        inside[column] += 1
                for k in range(n_touched):
                    column = touched[k]
                    if threshold[f, column] == level and 2 * inside[column] >= end - begin:
                        run_hits[f, column] += 1
                    inside[column] = 0
                begin = end
            for column in range(n_columns):
                if threshold[f, column] != level:
                    continue
                n_runs[f, column] = runs
                low = 0
                for k in range(interval_ptr[column], interval_ptr[column + 1]):
                    low = _from(active, n, low, starts[k])
                    if low == n:
                        break
                    count = _from(active, n, low, ends[k]) - low
                    if count > 0:
                        hit_any[f, column] += 1
                        if 2 * count >= usable[k]:
                            hit_half[f, column] += 1
