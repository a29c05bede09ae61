"""ROC, precision-recall and threshold of every pair, read from bin counts in compiled code."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np


class Called(NamedTuple):
    """Counts of frozen detectors, each float64 (F, C).

    hits : positives called; called : bases called; positives : positives in all; bases : bases in
        all
    """

    hits: np.ndarray
    called: np.ndarray
    positives: np.ndarray
    bases: np.ndarray


class Areas(NamedTuple):
    """Scores without a threshold, each float64 (F, C); NaN without positives (or, AUROC, negatives)."""

    auroc: np.ndarray
    average_precision: np.ndarray


class Steps(NamedTuple):
    """Distinct scores of a detector, descending, with the weight called and hit at or above each.

    score, hits, called : float64 (n_steps); of : int64 (n), step of every base
    """

    score: np.ndarray
    hits: np.ndarray
    called: np.ndarray
    of: np.ndarray


def steps(scores: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> Steps:
    """Every score as a threshold: scores float (n), labels bool (n), weight float64 (n)."""
    distinct, of = np.unique(-scores, return_inverse=True)
    called = np.bincount(of, weight, minlength=distinct.size)
    hits = np.bincount(of, weight * labels, minlength=distinct.size)
    return Steps(-distinct, np.cumsum(hits), np.cumsum(called), of)


def areas(positive: np.ndarray, all_: np.ndarray, exact: bool = False) -> Areas:
    """AUROC and average precision (scikit-learn's definition) from bin counts.

    Parameters
    ----------
    positive : (F, n_bins, C), all_ : (F, n_bins), counts or weights
    exact : every bin holds a single value, so that its bases are ties, as those of bin 0 always are.
        Otherwise values within a bin differ, in an order that the counts do not tell: average
        precision is then its expectation over all orders. Taking them as ties would give each of
        them the precision of the last, too low by 1e-2 or more where a bin is wide.

    Notes
    -----
    With a positives among the A bases above a bin, and p among its own N, the positive at rank r
    of the bin expects the precision (a + 1 + (p - 1) (r - 1) / (N - 1)) / (A + r). AUROC takes ties
    as half a win, which is also the expectation over orders. No order moves it by more than half the
    share of all bases in the fullest bin of several values: of the P Q pairs of a positive and a negative
    those within bins, sum_b p_b q_b, are at most max_b N_b sum_b p_b q_b / N_b, and p q / (p + q) is
    concave and homogeneous, so that the sum is at most P Q / (P + Q).
    """
    positive, all_ = np.asarray(positive), np.asarray(all_)
    out = Areas(*(np.empty((len(all_), positive.shape[2])) for _ in range(2)))
    _areas(positive, all_, exact, *out)
    return out


def average_precision(positive: np.ndarray, all_: np.ndarray, exact: bool = False) -> np.ndarray:
    """Average precision, float64 (F, C); bins as in `areas`."""
    return areas(positive, all_, exact).average_precision


def choose_threshold(positive: np.ndarray, all_: np.ndarray) -> np.ndarray:
    """Bin of the detector with the highest F1, int64 (F, C), at least 1; the higher bin of equals.

    Only ever give it counts of the *select* split. Bin 0 is the always-on detector and not offered.
    """
    threshold = np.empty((len(all_), positive.shape[2]), np.int64)
    _choose(positive, all_, threshold)
    return threshold


def score_at(positive: np.ndarray, all_: np.ndarray, threshold: np.ndarray) -> Called:
    """Counts of the frozen detectors on another split, every field float64 (F, C)."""
    out = Called(*(np.zeros(threshold.shape) for _ in Called._fields))
    _at(positive, all_, threshold, *out)
    return out


# -- kernels: one feature at a time, bins from the highest down, columns as vectors -----------------

# Up to this many bases above, a harmonic sum is added up, beyond it its expansion is exact to 1e-7.
_SMALL = 16


@numba.njit(cache=True, nogil=True)
def _harmonic(above, count):
    """Sum of 1 / (above + r) for r = 1 .. count; in between for counts that are weights."""
    total = 0.0
    while above < _SMALL and count >= 1.0:
        above += 1.0
        count -= 1.0
        total += 1.0 / above
    if count > 0.0:
        low, high = above + 0.5, above + count + 0.5
        total += np.log(high / low) + (1.0 / (high * high) - 1.0 / (low * low)) / 24.0
    return total


@numba.njit(cache=True, nogil=True)
def _areas(positive, all_, exact, area, precision):
    n_bins, n_columns = positive.shape[1], positive.shape[2]
    above, twice, sums = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
    for f in range(positive.shape[0]):
        called = 0.0
        for c in range(n_columns):
            above[c] = 0.0
            twice[c] = 0.0
            sums[c] = 0.0
        for b in range(n_bins - 1, -1, -1):
            own = float(all_[f, b])
            if own == 0.0:
                continue
            if exact or b == 0:
                each, later = 1.0 / (called + own), 0.0
            else:
                # hits / own (slope own + (a + 1 - slope (called + 1)) spread), slope = (hits - 1) / (own - 1)
                each = _harmonic(called, own) / own
                later = (1.0 - (called + 1.0) * each) / (own - 1.0) - each if own > 1.0 else 0.0
            # A loop without a branch becomes vectors.
            for c in range(n_columns):
                hits, before = float(positive[f, b, c]), above[c]
                after = before + hits
                above[c] = after
                twice[c] += own * (before + after)
                sums[c] += hits * (after * each + max(hits - 1.0, 0.0) * later)
            called += own
        for c in range(n_columns):
            hits = above[c]
            pairs = hits * (called - hits)
            # Every base against the positives above it and half of those beside it, less the positives' own.
            area[f, c] = 0.5 * (twice[c] - hits * hits) / pairs if pairs > 0.0 else np.nan
            precision[f, c] = sums[c] / hits if hits > 0.0 else np.nan


# Where nothing has been found yet: above nought, and the base of no bin.
_NO_BASE = 1e-300


@numba.njit(cache=True, nogil=True)
def _choose(positive, all_, threshold):
    n_bins, n_columns = positive.shape[1], positive.shape[2]
    total, hits = np.zeros(n_columns), np.zeros(n_columns)
    best, best_base, level = np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns)
    for f in range(positive.shape[0]):
        for c in range(n_columns):
            total[c] = 0.0
            hits[c] = 0.0
            best[c] = 0.0
            best_base[c] = _NO_BASE
            level[c] = n_bins - 1
        for b in range(n_bins):
            for c in range(n_columns):
                total[c] += positive[f, b, c]
        called = 0.0
        for b in range(n_bins - 1, 0, -1):
            # Without bases of its own a bin is no better than the one above.
            if all_[f, b] == 0:
                continue
            called += all_[f, b]
            here = float(b)
            # Short loops, of few arrays and without a branch, become vectors.
            for c in range(n_columns):
                hits[c] += positive[f, b, c]
            for c in range(n_columns):
                new, base, old, old_base = hits[c], called + total[c], best[c], best_base[c]
                # 2 hits / base less the best so far, without a division.
                gain = new * old_base - old * base
                best[c] = new if gain > 0.0 else old
                best_base[c] = base if gain > 0.0 else old_base
            for c in range(n_columns):
                # Every bin has a base of its own, so what has this one has been found here.
                old = level[c]
                level[c] = here if best_base[c] == called + total[c] else old
        for c in range(n_columns):
            threshold[f, c] = np.int64(level[c])


@numba.njit(cache=True, nogil=True)
def _at(positive, all_, threshold, hits, called, positives, bases):
    n_bins, n_columns = positive.shape[1], positive.shape[2]
    least = np.empty(n_columns)
    for f in range(positive.shape[0]):
        for c in range(n_columns):
            least[c] = threshold[f, c]
        seen = 0.0
        for b in range(n_bins):
            own, level = float(all_[f, b]), float(b)
            if own == 0.0:
                continue
            seen += own
            # Loops without a branch become vectors.
            for c in range(n_columns):
                on = 1.0 if level >= least[c] else 0.0
                count = float(positive[f, b, c])
                positives[f, c] += count
                called[f, c] += on * own
                hits[f, c] += on * count
        for c in range(n_columns):
            bases[f, c] = seen
