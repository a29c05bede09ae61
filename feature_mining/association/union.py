"""Unions of sibling features: several that each mark a part of a track, called together.

A concept may be split over features that are active at different positions. Features are joined greedily, on
*select*: to the track's best feature, each at its own frozen threshold, is added whichever raises the F1
of "any of them is active" most, as long as it rises by ``LEAST_GAIN``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEAST_GAIN = 0.005
MOST = 8


class Union(NamedTuple):
    """Members by number among the candidates, in the order of joining, and the F1 on select."""

    members: list[int]
    f1: float


class UnionScores(NamedTuple):
    """Weighted scores of a union on bases it was not chosen on."""

    precision: float
    recall: float
    f1: float


def join_siblings(active: np.ndarray, labels: np.ndarray, weight: np.ndarray, most: int = MOST) -> Union:
    """Join candidates on select.

    Parameters
    ----------
    active : bool (n, m), candidates at their thresholds; candidate 0 is the best feature
    labels : bool (n); weight : float64 (n)
    """
    members, on = [0], active[:, 0].copy()
    best = score_union(on, labels, weight).f1
    positives = float(weight[labels].sum())
    while len(members) < most:
        fresh = active & ~on[:, None]
        hits = float(weight[on & labels].sum()) + (weight * labels) @ fresh
        called = float(weight[on].sum()) + weight @ fresh
        f1 = 2 * hits / np.maximum(called + positives, 1e-300)
        f1[members] = -1
        found = int(np.argmax(f1))
        if f1[found] < best + LEAST_GAIN:
            break
        members.append(found)
        on |= active[:, found]
        best = float(f1[found])
    return Union(members, best)


def score_union(on: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> UnionScores:
    """Precision, recall and F1 of bases called (bool (n)); 0 where nothing is called."""
    hits, called = float(weight[on & labels].sum()), float(weight[on].sum())
    positives = float(weight[labels].sum())
    return UnionScores(
        hits / called if called else 0.0,
        hits / positives if positives else float("nan"),
        2 * hits / (called + positives) if called + positives else float("nan"),
    )
