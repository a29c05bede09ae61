"""Whole intervals and whole runs: the interval-level scores, one unit each.

A *run* is a stretch of active bases of a feature at its frozen threshold, gaps of up to `gap` bases
bridged. Recall counts intervals of which at least half is active; run precision counts runs that
overlap one interval by half of either; their harmonic mean is the interval F1. A run inside a much
longer interval counts for the interval's recall by its bases and is no hit of its own.

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

from feature_mining.association.labels import LabelStates, of_mode
from feature_mining.association.sparse import Csc

DEFAULT_GAP = 3


@dataclass(frozen=True)
class IntervalCounts:
    """Counts of F features on C columns; additive over stretches, readings and shards.

    n_intervals : int64 (C)
    hit_any, hit_half : int64 (F, C), intervals with at least one base, with at least half of the
        bases, active
    n_runs, run_hits : int64 (F, C), runs, and runs that share at least half of their own bases and
        half of its bases with one interval (reciprocal overlap, bedtools intersect -f 0.5 -r)
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
    cover = _cover(intervals, len(use))
    lengths = intervals.ends - intervals.starts
    column = np.repeat(np.arange(shape[1]), counts.n_intervals)
    _count(
        features.indptr, features.rows, bins, np.ascontiguousarray(threshold, np.int64),
        np.ascontiguousarray(use, bool), gap, cover.segments, cover.pointer, cover.members,
        column[cover.members], column, intervals.starts, intervals.ends, lengths, intervals.usable,
        counts.hit_any, counts.hit_half, counts.n_runs, counts.run_hits,
    )  # fmt: skip
    return counts


class _Cover(NamedTuple):
    """Stretches between interval ends, and the intervals over each, the shortest first.

    segments : int32 (n_rows), stretch of every row; pointer : int64 (stretches + 1); members : int64
    """

    segments: np.ndarray
    pointer: np.ndarray
    members: np.ndarray


def _cover(intervals: StretchIntervals, n: int) -> _Cover:
    cuts = np.unique(np.concatenate([intervals.starts, intervals.ends, [0, n]]))
    first, last = (np.searchsorted(cuts, at) for at in (intervals.starts, intervals.ends))
    # Written in order of length, so that each list comes out sorted by it.
    order = np.argsort(intervals.ends - intervals.starts, kind="stable")
    spans = last[order] - first[order]
    owner = np.repeat(order, spans)
    within = np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
    segment = np.repeat(first[order], spans) + within
    by_segment = np.argsort(segment, kind="stable")
    pointer = np.concatenate([[0], np.cumsum(np.bincount(segment, minlength=cuts.size - 1))])
    segments = np.repeat(np.arange(cuts.size - 1, dtype=np.int32), np.diff(cuts))
    return _Cover(segments, pointer.astype(np.int64), owner[by_segment])


@numba.njit(cache=True, nogil=True)
def _count(
    indptr, rows, bins, threshold, use, gap, segments, pointer, members, member_column, column,
    starts, ends, lengths, usable, hit_any, hit_half, n_runs, run_hits,
):  # fmt: skip
    n_columns = threshold.shape[1]
    hits = np.zeros(starts.size, np.int64)
    touched = np.empty(starts.size, np.int64)
    counted = np.full(n_columns, -1, np.int64)
    run = 0
    for f in range(indptr.size - 1):
        levels = np.unique(threshold[f])
        size = indptr[f + 1] - indptr[f]
        active, value = np.empty(size, np.int64), np.empty(size, np.int64)
        n, n_touched = 0, 0
        for i in range(indptr[f], indptr[f + 1]):
            row = rows[i]
            if bins[i] < levels[0] or not use[row]:
                continue
            active[n], value[n] = row, bins[i]
            n += 1
            segment = segments[row]
            for k in range(pointer[segment], pointer[segment + 1]):
                if bins[i] >= threshold[f, member_column[k]]:
                    interval = members[k]
                    if hits[interval] == 0:
                        touched[n_touched] = interval
                        n_touched += 1
                    hits[interval] += 1
        for t in range(n_touched):
            interval = touched[t]
            hit_any[f, column[interval]] += 1
            if 2 * hits[interval] >= usable[interval]:
                hit_half[f, column[interval]] += 1
            hits[interval] = 0
        # Levels ascend, so what is active at one holds all that is active at the next.
        for level in levels:
            kept = 0
            for i in range(n):
                if value[i] >= level:
                    active[kept], value[kept] = active[i], value[i]
                    kept += 1
            n = kept
            runs, end = 0, 0
            while end < n:
                begin = end
                end += 1
                while end < n and active[end] - active[end - 1] <= gap + 1:
                    end += 1
                runs += 1
                run += 1
                first, last = active[begin], active[end - 1]
                length = last - first + 1
                # What holds half of a run holds one of its middle bases.
                for middle in ((first + last) // 2, (first + last + 1) // 2):
                    segment = segments[middle]
                    for k in range(pointer[segment], pointer[segment + 1]):
                        interval = members[k]
                        if lengths[interval] > 2 * length:
                            break
                        c = member_column[k]
                        if threshold[f, c] != level or counted[c] == run:
                            continue
                        shared = min(ends[interval], last + 1) - max(starts[interval], first)
                        if 2 * shared >= length and 2 * shared >= lengths[interval]:
                            run_hits[f, c] += 1
                            counted[c] = run
            for c in range(n_columns):
                if threshold[f, c] == level:
                    n_runs[f, c] = runs
