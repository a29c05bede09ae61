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

from feature_mining.association.labels import Near, near, seen
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

    @classmethod
    def empty(cls, n_features: int, n_columns: int) -> IntervalCounts:
        """Nothing counted yet."""
        shape = (n_features, n_columns)
        return cls(np.zeros(n_columns, np.int64), *(np.zeros(shape, np.int64) for _ in range(4)))

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
    held: dict[str, Near] = {}
    for name, mode in columns:
        lo = hi = np.zeros(0, np.int64)
        if name in tracks:
            if name not in held:
                held[name] = near(tracks[name], start, start + n)
            rows = seen(held[name].strands, mode, strand)
            lo, hi = held[name].starts[rows], held[name].ends[rows]
        inside_lo, inside_hi = np.clip(lo, 0, n), np.clip(hi, 0, n)
        usable = before[inside_hi] - before[inside_lo]
        twice, length = 2 * usable, hi - lo
        first_here = (lo >= 0) & (lo < n) & use[np.clip(lo, 0, n - 1)]
        keep = (twice > length) | ((twice == length) & first_here)
        order = np.argsort(inside_lo[keep], kind="stable")
        parts.append(np.stack([inside_lo, inside_hi, usable])[:, keep][:, order])
        pointer.append(pointer[-1] + int(keep.sum()))
    starts, ends, bases = np.concatenate(parts, axis=1) if parts else np.zeros((3, 0), np.int64)
    return StretchIntervals(np.array(pointer, np.int64), starts, ends, bases)


def add_intervals(
    counts: IntervalCounts,
    features: Csc,
    bins: np.ndarray,
    threshold: np.ndarray,
    intervals: StretchIntervals,
    use: np.ndarray,
    gap: int = DEFAULT_GAP,
) -> None:
    """Count intervals and runs of one reading of a stretch into `counts` (changed in place).

    Parameters
    ----------
    threshold : int64 (F, C), frozen bin of every pair (`scores.thresholds`)
    use : bool (n_rows), callable bases of the report split
    gap : bases without activity that a run may bridge
    """
    shape = (features.n_features, intervals.pointer.size - 1)
    if threshold.shape != shape:
        raise ValueError(f"thresholds of shape {threshold.shape}, expected {shape}")
    if not shape[1]:
        return
    counts.n_intervals[:] += np.diff(intervals.pointer)
    places = _places(intervals)
    cover = _cover(places, len(use))
    _count(
        features.indptr, features.rows, bins, np.ascontiguousarray(threshold, np.int32),
        np.where(use, cover.segments, cover.segments.dtype.type(-1)), gap, *cover, *places,
        intervals.pointer, counts.hit_any, counts.hit_half, counts.n_runs, counts.run_hits,
    )  # fmt: skip


class _Places(NamedTuple):
    """Intervals of equal ends once, with all columns that hold one: tracks share many.

    starts, ends, usable : int64 (places); pointer : int64 (places + 1); columns : uint32 (intervals)
    of : uint32 (intervals), place of every interval in the order that they were given in
    """

    starts: np.ndarray
    ends: np.ndarray
    usable: np.ndarray
    pointer: np.ndarray
    columns: np.ndarray
    of: np.ndarray


def _places(intervals: StretchIntervals) -> _Places:
    column = np.repeat(np.arange(intervals.pointer.size - 1, dtype=np.uint32), np.diff(intervals.pointer))
    order = np.lexsort((column, intervals.ends, intervals.starts))
    starts, ends = intervals.starts[order], intervals.ends[order]
    new = np.ones(starts.size, bool)
    new[1:] = (np.diff(starts) != 0) | (np.diff(ends) != 0)
    first = np.flatnonzero(new)
    of = np.empty(starts.size, np.uint32)
    of[order] = np.cumsum(new) - 1
    return _Places(
        starts[first], ends[first], intervals.usable[order][first],
        np.append(first, starts.size).astype(np.int64), column[order], of,
    )  # fmt: skip


class _Cover(NamedTuple):
    """Segments between the ends of places, and the places over each, the shortest first.

    segments : int16 or int32 (n_rows), segment of every row; pointer : int64 (segments + 1); members : int32;
    shortest : int64 (segments), length of the first member, no length at all where there is none
    within : uint32 (places, 2), first segment of every place, and the one after its last
    """

    segments: np.ndarray
    pointer: np.ndarray
    members: np.ndarray
    shortest: np.ndarray
    within: np.ndarray


def _cover(places: _Places, n: int) -> _Cover:
    cuts = np.unique(np.concatenate([places.starts, places.ends, [0, n]]))
    first, last = (np.searchsorted(cuts, at) for at in (places.starts, places.ends))
    # Written in order of length, so that each list comes out sorted by it.
    order = np.argsort(places.ends - places.starts, kind="stable")
    spans = last[order] - first[order]
    owner = np.repeat(order, spans)
    further = np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
    segment = np.repeat(first[order], spans) + further
    by_segment = np.argsort(segment, kind="stable")
    pointer = np.concatenate([[0], np.cumsum(np.bincount(segment, minlength=cuts.size - 1))])
    # Read at random, once a non-zero: half the bytes, half the cache.
    narrow = np.int16 if cuts.size <= np.iinfo(np.int16).max else np.int32
    segments = np.repeat(np.arange(cuts.size - 1, dtype=narrow), np.diff(cuts))
    members = owner[by_segment].astype(np.int32)
    shortest = np.full(cuts.size - 1, np.iinfo(np.int64).max)
    held = np.flatnonzero(np.diff(pointer))
    first_member = members[pointer[held]]
    shortest[held] = places.ends[first_member] - places.starts[first_member]
    return _Cover(
        segments,
        pointer.astype(np.int64),
        members,
        shortest,
        np.stack([first, last], axis=1).astype(np.uint32),
    )


@numba.njit(cache=True, nogil=True)
def _count(
    indptr, rows, bins, threshold, used, gap, segments, pointer, members, shortest, within,
    starts, ends, usable, held, columns, of, parts, hit_any, hit_half, n_runs, run_hits,
):  # fmt: skip
    n_columns = threshold.shape[1]
    # Active bases of a feature in front of every segment.
    before = np.zeros(shortest.size + 1, np.uint32)
    # Highest bin of a feature in every place, 0 where it is not active.
    top = np.empty(starts.size, np.uint32)
    counted = np.full(n_columns, -1, np.int64)
    run = 0
    smallest = shortest.min()
    top_bin = np.int64(threshold.max())
    for i in range(bins.size):
        top_bin = max(top_bin, np.int64(bins[i]))
    lone, runs = np.zeros(top_bin + 1, np.int64), np.zeros(top_bin + 1, np.int64)
    asked, levels = np.zeros(top_bin + 1, np.bool_), np.empty(top_bin + 1, np.int64)
    reached = np.zeros(top_bin + 1, np.int64)
    longest = np.int64(1)
    for f in range(indptr.size - 1):
        longest = max(longest, indptr[f + 1] - indptr[f])
    # Indices without a sign: see `histogram`.
    active, value = np.empty(longest, np.int32), np.empty(longest, np.uint32)
    segment_of = np.empty(longest, np.uint32)
    for f in range(indptr.size - 1):
        for c in range(n_columns):
            asked[threshold[f, c]] = True
        n_levels = 0
        for b in range(top_bin + 1):
            if asked[b]:
                levels[n_levels] = b
                n_levels += 1
                asked[b] = False
        n = 0
        for i in range(indptr[f], indptr[f + 1]):
            level, segment = bins[i], used[np.uint32(rows[i])]
            if level >= levels[0] and segment >= 0:
                active[n], value[n], segment_of[n] = rows[i], level, segment
                n += 1
        if n == 0:
            continue
        before[:] = 0
        for i in range(n):
            before[segment_of[i] + 1] += 1
        for segment in range(shortest.size):
            before[segment + 1] += before[segment]
        for place in range(starts.size):
            begin, stop, needed = before[within[place, 0]], before[within[place, 1]], usable[place]
            highest = np.uint32(0)
            for i in range(begin, stop):
                highest = max(highest, value[i])
            top[place] = highest
            if 2 * np.int64(stop - begin) < needed:
                continue
            for i in range(begin, stop):
                reached[value[i]] += 1
            for level in range(top_bin - 1, -1, -1):
                reached[level] += reached[level + 1]
            for c in columns[held[place] : held[place + 1]]:
                hit_half[f, c] += 2 * reached[threshold[f, c]] >= needed
            reached[:] = 0
        # By column, without a branch: whether a place reaches a column's threshold cannot be foreseen.
        for c in range(n_columns):
            found, least = 0, np.uint32(threshold[f, c])
            for place in of[parts[c] : parts[c + 1]]:
                found += top[place] >= least
            hit_any[f, c] += found
        # Bases too far apart at the lowest level are so at all, so clusters of that level are looked at
        # one by one; a lone base is a run of one at every level up to its own.
        end = 0
        while end < n:
            begin, peak = end, value[end]
            end += 1
            while end < n and active[end] - active[end - 1] <= gap + 1:
                peak = max(peak, value[end])
                end += 1
            if end == begin + 1 and smallest > 2:
                lone[peak] += 1
                continue
            for level in levels[:n_levels]:
                if level > peak:
                    break
                at = begin
                while at < end:
                    if value[at] < level:
                        at += 1
                        continue
                    first = last = active[at]
                    at += 1
                    while at < end and active[at] - last <= gap + 1:
                        if value[at] >= level:
                            last = active[at]
                        at += 1
                    runs[level] += 1
                    run += 1
                    if smallest <= 2 * (last - first + 1):
                        _match(
                            first, last, level, run, threshold[f], segments, pointer, members,
                            shortest, starts, ends, held, columns, counted, run_hits[f],
                        )  # fmt: skip
        above = 0
        for b in range(lone.size - 1, -1, -1):
            above += lone[b]
            runs[b] += above
            lone[b] = 0
        for c in range(n_columns):
            n_runs[f, c] += runs[threshold[f, c]]
        runs[:] = 0


@numba.njit(cache=True, nogil=True)
def _match(
    first, last, level, run, threshold, segments, pointer, members, shortest, starts, ends, held,
    columns, counted, run_hits,
):  # fmt: skip
    """Count a run once in every column with an interval that it overlaps by half of either."""
    length = last - first + 1
    # What holds half of a run holds one of its middle bases.
    for middle in ((first + last) // 2, (first + last + 1) // 2):
        segment = segments[middle]
        if shortest[segment] > 2 * length:
            continue
        for k in range(pointer[segment], pointer[segment + 1]):
            place = members[k]
            size = ends[place] - starts[place]
            if size > 2 * length:
                break
            shared = min(ends[place], last + 1) - max(starts[place], first)
            if 2 * shared < length or 2 * shared < size:
                continue
            for c in columns[held[place] : held[place + 1]]:
                if threshold[c] == level and counted[c] != run:
                    run_hits[c] += 1
                    counted[c] = run
