"""Counting and scoring of associations as when counts took four bytes, for benchmarks to compare with."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from feature_mining.association.curves import Called
from feature_mining.association.histogram import used_states
from feature_mining.association.labels import LabelStates
from feature_mining.association.signals import LEVELS, _correlation
from feature_mining.association.sparse import Csc

BLOCK = 1024


class Histogram(NamedTuple):
    """As `feature_mining.association.histogram.Histogram`; positive : int32 (F, n_bins, C), bin 0 kept."""

    positive: np.ndarray
    all: np.ndarray
    sum_inside: np.ndarray
    sum_all: np.ndarray

    @property
    def cells(self) -> np.ndarray:
        return self.positive

    @classmethod
    def empty(cls, n_features: int, n_bins: int, n_columns: int) -> Histogram:
        return cls(
            np.zeros((n_features, n_bins, n_columns), np.int32),
            np.zeros((n_features, n_bins), np.int64),
            np.zeros((n_features, n_columns)),
            np.zeros(n_features),
        )


class SignalCounts(NamedTuple):
    """As `feature_mining.association.signals.SignalCounts`; joint : int32 (F, n_bins, LEVELS)."""

    joint: np.ndarray
    x: np.ndarray
    xx: np.ndarray
    xs: np.ndarray
    bases: np.ndarray
    s: np.ndarray
    ss: np.ndarray

    @classmethod
    def empty(cls, n_features: int, n_bins: int) -> SignalCounts:
        joint = np.zeros((n_features, n_bins, LEVELS), np.int32)
        return cls(joint, *(np.zeros(n_features) for _ in range(3)), *(np.zeros(1) for _ in range(3)))

    def pearson(self) -> np.ndarray:
        n = self.bases
        return _correlation(n * self.xs - self.x * self.s, n * self.xx - self.x**2, n * self.ss - self.s**2)

    def spearman(self) -> np.ndarray:
        out = np.empty(len(self.joint))
        for first in range(0, len(out), BLOCK):
            joint = self.joint[first : first + BLOCK].astype(np.float64)
            mine, theirs = joint.sum(axis=2), joint.sum(axis=1)
            x, s = (np.cumsum(m, axis=1) - m / 2 - self.bases / 2 for m in (mine, theirs))
            product = ((joint @ s[:, :, None])[:, :, 0] * x).sum(axis=1)
            out[first : first + BLOCK] = _correlation(
                product, (mine * x**2).sum(axis=1), (theirs * s**2).sum(axis=1)
            )
        return out


def add_sparse(
    histogram: Histogram, features: Csc, bins: np.ndarray, labels: LabelStates, use: np.ndarray
) -> None:
    """As `feature_mining.association.histogram.add_sparse`."""
    _count_sparse(
        features.indptr, features.rows, features.values, bins, used_states(labels, use),
        labels.table.astype(np.uint8), labels.totals(use), int(use.sum()), *histogram,
    )  # fmt: skip


def add_signal(
    counts: SignalCounts,
    features: Csc,
    bins: np.ndarray,
    signal: np.ndarray,
    edges: np.ndarray,
    use: np.ndarray,
) -> None:
    """As `feature_mining.association.signals.add_signal`."""
    known = use & np.isfinite(signal)
    level = np.where(known, np.searchsorted(edges, signal, side="right"), -1).astype(np.int8)
    own = signal[known].astype(np.float64)
    sums = (own.size, own.sum(), (own**2).sum())
    for total, value in zip((counts.bases, counts.s, counts.ss), sums, strict=True):
        total += value
    _count_signal(
        features.indptr, features.rows, features.values, bins, np.asarray(signal, np.float32), level,
        np.bincount(level[known], minlength=LEVELS), counts.joint, counts.x, counts.xx, counts.xs,
    )  # fmt: skip


def feature_blocks(histogram: Histogram) -> list[slice]:
    """All features together."""
    return [slice(0, len(histogram.all))]


def choose_threshold(positive: np.ndarray, all_: np.ndarray) -> np.ndarray:
    """As `feature_mining.association.curves.choose_threshold`."""
    threshold = np.empty((len(all_), positive.shape[2]), np.int64)
    _choose(positive, all_, threshold)
    return threshold


def score_at(positive: np.ndarray, all_: np.ndarray, threshold: np.ndarray) -> Called:
    """As `feature_mining.association.curves.score_at`."""
    out = Called(*(np.zeros(threshold.shape) for _ in Called._fields))
    _at(positive, all_, threshold, *out)
    return out


def best_features(score: np.ndarray, count: int) -> list[np.ndarray]:
    """As `feature_mining.association.scores.best_features`."""
    best = np.argsort(-np.nan_to_num(score, nan=-1), axis=0)[:count]
    return [own[~np.isnan(score[own, column])] for column, own in enumerate(best.T)]


@numba.njit(cache=True, nogil=True)
def _count_sparse(
    indptr, rows, values, bins, states, table, column_totals, n_use, positive, total, sum_inside,
    sum_all,
):  # fmt: skip
    n_bins, n_columns = total.shape[1], table.shape[1]
    cell = np.zeros((n_bins, n_columns), np.uint16)
    own = np.zeros(n_bins, np.int64)
    inside = np.zeros(n_columns, np.float64)
    seen = np.zeros(n_columns, np.int64)
    for f in range(indptr.size - 1):
        last = indptr[f]
        here, value = np.int64(0), 0.0
        while last < indptr[f + 1]:
            first = last
            last = min(first + 65_535, indptr[f + 1])
            for i in range(first, last):
                state = states[rows[i]]
                if state >= 0:
                    b = bins[i]
                    own[b] += 1
                    for c in range(n_columns):
                        cell[b, c] += table[state, c]
                    if state != here:
                        sum_all[f] += value
                        for c in range(n_columns):
                            inside[c] += value * table[here, c]
                        here, value = state, 0.0
                    value += values[i]
            for b in range(1, n_bins):
                if own[b] > 0:
                    total[f, b] += own[b]
                    total[f, 0] -= own[b]
                    own[b] = 0
                    for c in range(n_columns):
                        positive[f, b, c] += cell[b, c]
                        seen[c] += cell[b, c]
                        cell[b, c] = 0
        total[f, 0] += n_use
        sum_all[f] += value
        for c in range(n_columns):
            positive[f, 0, c] += column_totals[c] - seen[c]
            sum_inside[f, c] += inside[c] + value * table[here, c]
            seen[c] = 0
            inside[c] = 0.0


@numba.njit(cache=True, nogil=True)
def _count_signal(indptr, rows, values, bins, signal, level, level_totals, joint, x, xx, xs):
    for f in range(indptr.size - 1):
        for s in range(LEVELS):
            joint[f, 0, s] += level_totals[s]
        for i in range(indptr[f], indptr[f + 1]):
            row = rows[i]
            if level[row] >= 0:
                joint[f, bins[i], level[row]] += 1
                joint[f, 0, level[row]] -= 1
                value = np.float64(values[i])
                x[f] += value
                xx[f] += value * value
                xs[f] += value * signal[row]


@numba.njit(cache=True, nogil=True)
def _choose(positive, all_, threshold):
    n_bins, n_columns = positive.shape[1], positive.shape[2]
    total, hits = np.zeros(n_columns), np.zeros(n_columns)
    best, best_base = np.zeros(n_columns), np.ones(n_columns)
    for f in range(positive.shape[0]):
        for c in range(n_columns):
            total[c] = 0.0
            hits[c] = 0.0
            best[c] = 0.0
            best_base[c] = 1.0
            threshold[f, c] = n_bins - 1
        for b in range(n_bins):
            for c in range(n_columns):
                total[c] += positive[f, b, c]
        called = 0.0
        for b in range(n_bins - 1, 0, -1):
            called += all_[f, b]
            for c in range(n_columns):
                hits[c] += positive[f, b, c]
                base = called + total[c]
                better = hits[c] * best_base[c] > best[c] * base
                best[c] = hits[c] if better else best[c]
                best_base[c] = base if better else best_base[c]
                threshold[f, c] = b if better else threshold[f, c]


@numba.njit(cache=True, nogil=True)
def _at(positive, all_, threshold, hits, called, positives, bases):
    n_bins, n_columns = positive.shape[1], positive.shape[2]
    for f in range(positive.shape[0]):
        for b in range(n_bins):
            own = all_[f, b]
            for c in range(n_columns):
                bases[f, c] += own
                positives[f, c] += positive[f, b, c]
                if b >= threshold[f, c]:
                    called[f, c] += own
                    hits[f, c] += positive[f, b, c]
