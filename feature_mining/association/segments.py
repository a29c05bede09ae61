"""Segments of the circular-shift null: rows of bases that a shift turns round as one.

Both readings of a base turn together, by one shift. A feature that fires at the same places on both
strands has one set of places, not two, and shifts of each strand by itself would take it for twice the
evidence. So the overlaps of the readings are added up shift by shift, and their covariance is part of
every variance.

Where a base is read on one strand only (the warm-up at either end of a contig) its label says nothing
of the other reading. Such bases make up segments of their own: those with both readings, those with the
first alone, those with the second alone. Each segment holds, in genome order, exactly the bases that its
readings are counted on, so the observed overlap is that of the other scores; segments shift
independently of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from feature_mining.association.labels import LabelStates
from feature_mining.association.sparse import Csc


class StrandReading(NamedTuple):
    """One strand of a stretch: row r is the same base in every reading of it.

    features, bins : the non-zeros by feature and their bins
    labels : label states of the same rows, as this strand sees them
    use : bool (n_rows), bases that count
    """

    features: Csc
    bins: np.ndarray
    labels: LabelStates
    use: np.ndarray


class Segment(NamedTuple):
    """Rows of a stretch that turn round together.

    rows : int64 (n), ascending; readings : numbers of the readings that count there
    """

    rows: np.ndarray
    readings: list[int]


class Laid(NamedTuple):
    """The readings of a segment of n bases end to end: row r n + p is base p of reading r.

    n : bases
    indptr, rows, bins : non-zeros by feature, ascending rows, those that reach the feature's lowest
        threshold
    states : int32 (readings, n), rows of `table`
    table : bool (n_states, n_columns)
    """

    n: int
    indptr: np.ndarray
    rows: np.ndarray
    bins: np.ndarray
    states: np.ndarray
    table: np.ndarray


def segments(uses: Sequence[np.ndarray]) -> list[Segment]:
    """Segments of a stretch from the bases that each of its readings counts, bool (n_rows)."""
    code = np.zeros(len(uses[0]), np.int64)
    for number, use in enumerate(uses):
        code += use.astype(np.int64) << number
    return [
        Segment(np.flatnonzero(code == own), [r for r in range(len(uses)) if own >> r & 1])
        for own in np.unique(code[code > 0])
    ]


def lay(readings: Sequence[StrandReading], segment: Segment, threshold: np.ndarray) -> Laid:
    """Lay the readings of a segment end to end.

    Parameters
    ----------
    readings : all readings of the stretch
    threshold : int64 (F, C), frozen bin of every pair
    """
    own = [readings[number] for number in segment.readings]
    lowest, n = threshold.min(axis=1), segment.rows.size
    position = np.full(own[0].features.n_rows, -1, np.int64)
    position[segment.rows] = np.arange(n)
    count = np.zeros(len(threshold) + 1, np.int64)
    for features, bins, *_ in own:
        _count(features.indptr, features.rows, bins, lowest, position, count[1:])
    indptr = np.cumsum(count)
    rows, level = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], own[0].bins.dtype)
    cursor = indptr[:-1].copy()
    for turn, (features, bins, *_) in enumerate(own):
        _append(features.indptr, features.rows, bins, lowest, position, turn * n, cursor, rows, level)
    first = np.cumsum([0, *(len(reading.labels.table) for reading in own[:-1])])
    states = [
        reading.labels.states[segment.rows] + np.int32(at) for reading, at in zip(own, first, strict=True)
    ]
    table = np.concatenate([reading.labels.table for reading in own])
    return Laid(n, indptr, rows, level, np.stack(states), table)


@numba.njit(cache=True, nogil=True)
def _count(indptr, rows, bins, lowest, position, count):
    for f in range(indptr.size - 1):
        for i in range(indptr[f], indptr[f + 1]):
            count[f] += bins[i] >= lowest[f] and position[rows[i]] >= 0


@numba.njit(cache=True, nogil=True)
def _append(indptr, rows, bins, lowest, position, offset, cursor, out_rows, out_bins):
    for f in range(indptr.size - 1):
        for i in range(indptr[f], indptr[f + 1]):
            at = position[rows[i]]
            if bins[i] >= lowest[f] and at >= 0:
                out_rows[cursor[f]] = offset + at
                out_bins[cursor[f]] = bins[i]
                cursor[f] += 1
