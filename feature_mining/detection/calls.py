"""Calls: stretches of bases at or above a threshold, small gaps bridged, with their highest score."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Calls(NamedTuple):
    """Calls in ascending order: ``start, end`` int64 (n), 0-based half-open; ``peak`` float64 (n)."""

    start: np.ndarray
    end: np.ndarray
    peak: np.ndarray

    def moved(self, by: int) -> Calls:
        """So many bases further on."""
        return Calls(self.start + by, self.end + by, self.peak)

    def chosen(self, which: np.ndarray) -> Calls:
        """Some of them."""
        return Calls(*(column[which] for column in self))


NO_CALLS = Calls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def find_calls(scores: np.ndarray, threshold: float, gap: int) -> Calls:
    """Calls of consecutive bases.

    Parameters
    ----------
    scores : ndarray
        float ``(n,)``; NaN where a base has no value, which is not called.
    threshold : float
    gap : int
        Bases below the threshold that a call bridges.
    """
    with np.errstate(invalid="ignore"):
        at = np.flatnonzero(scores >= threshold)
    if not at.size:
        return NO_CALLS
    first = np.flatnonzero(np.diff(at, prepend=at[0] - gap - 2) > gap + 1)
    ends = at[np.append(first[1:], at.size) - 1] + 1
    return Calls(at[first], ends, np.maximum.reduceat(scores[at].astype(np.float64), first))


def meets(calls: Calls, sites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which calls meet a site, bool ``(calls,)``, and which sites a call, bool ``(sites,)``.

    ``sites`` are int64 ``(k, 2)``, 0-based half-open.
    """
    return _meets(calls.start, calls.end, sites[:, 0], sites[:, 1]), _meets(
        sites[:, 0], sites[:, 1], calls.start, calls.end
    )


def _meets(start: np.ndarray, end: np.ndarray, others: np.ndarray, other_ends: np.ndarray) -> np.ndarray:
    begun = np.searchsorted(np.sort(others), end, "left")
    over = np.searchsorted(np.sort(other_ends), start, "right")
    found: np.ndarray = begun > over
    return found


class Caller:
    """Calls of a reading that comes piece by piece: those of `find_calls` over all of it.

    Parameters
    ----------
    threshold, gap
        As of `find_calls`.
    start : int
        Position of the first base.
    """

    def __init__(self, threshold: float, gap: int, start: int = 0) -> None:
        self.threshold, self.gap, self._at = threshold, gap, start
        self._open = NO_CALLS

    def read(self, scores: np.ndarray) -> Calls:
        """Go on by some bases; the calls that nothing to come can change."""
        found = find_calls(scores, self.threshold, self.gap).moved(self._at)
        self._at += len(scores)
        if self._open.start.size and found.start.size and found.start[0] - self._open.end[0] <= self.gap:
            found.start[0] = self._open.start[0]
            found.peak[0] = max(found.peak[0], self._open.peak[0])
            self._open = NO_CALLS
        found = Calls(*(np.concatenate(pair) for pair in zip(self._open, found, strict=True)))
        done = found.end + self.gap < self._at
        self._open = found.chosen(~done)
        return found.chosen(done)

    def end(self) -> Calls:
        """What was left open."""
        left, self._open = self._open, NO_CALLS
        return left
