"""Sparse probes: how well 1, 2, 5 or 20 features together mark a track.

Features are chosen on *select* by orthogonal matching pursuit (Pati et al. 1993) on the weighted least
squares of the labels: each step takes the feature most correlated with what those before it leave over,
so that siblings which say the same do not use up the places. Larger sets hold the smaller ones. A
logistic model is then fitted on each set (weak ridge), its threshold is the one with the highest F1 on
*select*, and the model is scored once on *report*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import csc_matrix, csr_matrix

from feature_mining.association.curves import steps
from feature_mining.feature_map import Csr

SIZES = (1, 2, 5, 20)
# Features that the pursuit may choose from: those most correlated with the labels.
POOL = 128


class Sample(NamedTuple):
    """Bases of one split with their labels.

    features : Csr, n rows
    labels : bool (n, C)
    weight : float64 (n), one over the chance that a base was drawn, or ones
    """

    features: Csr
    labels: np.ndarray
    weight: np.ndarray


class ProbeScores(NamedTuple):
    """Scores of one detector on one column, weighted; `f1` at the threshold it came with."""

    base_rate: float
    average_precision: float
    ap_lift: float
    auroc: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Probe:
    """A logistic model on a few features.

    features : int64 (k), in the order in which they were chosen
    weights : float64 (k), log-odds a unit of each feature's value; intercept : float
    threshold : float, log-odds with the highest F1 on select
    """

    features: np.ndarray
    weights: np.ndarray
    intercept: float
    threshold: float

    def score(self, features: Csr) -> np.ndarray:
        """Log-odds of every row, float64 (n)."""
        chosen = matrix_of(features).tocsc()[:, self.features]
        return np.asarray(chosen @ self.weights).ravel() + self.intercept


def sparse_probes(
    select: Sample, report: Sample, sizes: Sequence[int] = SIZES, pool: int = POOL
) -> pd.DataFrame:
    """Probes of every column, fitted on `select`, scored on `report`.

    Parameters
    ----------
    select, report : the same features and columns; either may be a weighted sample of its split
    sizes : features a probe, ascending; a size beyond what the pursuit can use gives fewer
    pool : features considered by the pursuit

    Returns
    -------
    DataFrame, one row a (column, size): column (int), size (int, as asked for), features (list of
    int), weights (list of float), ap_select, and the fields of `ProbeScores` on report. A column
    without positives or without negatives in one of the splits has no row.
    """
    return score_probes(fit_probes(select, sizes, pool), report, sizes)


# Probes by column and size, each with its scores on the bases it was fitted on.
Fitted = list[list[tuple["Probe", ProbeScores]]]


def score_probes(fitted: Fitted, report: Sample, sizes: Sequence[int] = SIZES) -> pd.DataFrame:
    """The table of `sparse_probes` for probes fitted before; `report` need only hold chosen features."""
    held = matrix_of(report.features).tocsc()
    rows = []
    for column, probes in enumerate(fitted):
        labels = report.labels[:, column]
        if not probes or labels.all() or not labels.any():
            continue
        for size, (probe, on_select) in zip(sizes, probes, strict=True):
            x, y, w = _design(held, probe.features, labels, report.weight)
            scores = score_detector(x @ probe.weights + probe.intercept, y, w, probe.threshold)
            rows.append(
                {
                    "column": column,
                    "size": size,
                    "features": probe.features.tolist(),
                    "weights": probe.weights.tolist(),
                    "ap_select": on_select.average_precision,
                    **scores._asdict(),
                }
            )
    names = ["column", "size", "features", "weights", "ap_select", *ProbeScores._fields]
    return pd.DataFrame(rows, columns=names)


def fit_probes(select: Sample, sizes: Sequence[int] = SIZES, pool: int = POOL) -> Fitted:
    """Probes by column and size, each with its scores on the bases it was fitted on.

    Empty for a column without positives or negatives, or where no feature is active.
    """
    matrix = matrix_of(select.features).tocsc()
    gradient = correlations(matrix, select)
    found: Fitted = []
    for column in range(select.labels.shape[1]):
        labels = select.labels[:, column]
        probes: list[tuple[Probe, ProbeScores]] = []
        found.append(probes)
        if labels.all() or not labels.any():
            continue
        order = pursue(matrix, labels, select.weight, gradient[:, column], max(sizes), pool)
        for size in sizes if order.size else ():
            probes.append(_fit(matrix, order[:size], labels, select.weight))
    return found


def pursue(
    matrix: csc_matrix,
    labels: np.ndarray,
    weight: np.ndarray,
    correlation: np.ndarray,
    count: int,
    pool: int = POOL,
) -> np.ndarray:
    """Features in the order in which matching pursuit takes them, int64 (at most `count`).

    Parameters
    ----------
    matrix : (n, F) values; labels : bool (n); weight : float64 (n)
    correlation : float64 (F), weighted correlation of every feature with the labels; only the
        `pool` strongest are considered (ties: the lower number)
    """
    strength = np.abs(np.nan_to_num(correlation))
    near = np.argsort(-strength, kind="stable")[:pool]
    near = np.sort(near[strength[near] > 0])
    part = matrix[:, near]
    total = weight.sum()
    mean = np.asarray(part.T @ weight).ravel() / total
    gram = (part.T @ part.multiply(weight[:, None])).toarray() / total - np.outer(mean, mean)
    deviation = np.sqrt(np.maximum(np.diag(gram), 0))
    usable = deviation > 1e-9 * max(float(deviation.max(initial=0.0)), 1e-30)
    deviation[~usable] = 1.0
    gram /= np.outer(deviation, deviation)
    target = np.asarray(part.T @ (weight * labels)).ravel() / total
    target = (target - mean * (weight @ labels) / total) / deviation
    chosen: list[int] = []
    left = np.where(usable, target, 0.0)
    while len(chosen) < count:
        best = int(np.argmax(np.abs(left)))
        if abs(left[best]) < 1e-10:
            break
        chosen.append(best)
        solution = np.linalg.lstsq(gram[np.ix_(chosen, chosen)], target[chosen], rcond=None)[0]
        left = np.where(usable, target - gram[:, chosen] @ solution, 0.0)
        left[chosen] = 0.0
    return near[chosen].astype(np.int64)


def score_detector(
    scores: np.ndarray, labels: np.ndarray, weight: np.ndarray, threshold: float
) -> ProbeScores:
    """Weighted scores of a dense detector, ties as one step.

    Parameters
    ----------
    scores : float64 (n); labels : bool (n), both kinds present; weight : float64 (n)
    threshold : frozen on another split; a base is called when its score reaches it
    """
    counts = steps(scores, labels, weight)
    positives, bases = counts.hits[-1], counts.called[-1]
    negatives = bases - positives
    rate = positives / bases
    step = np.diff(counts.hits, prepend=0.0)
    misses = np.diff(counts.called - counts.hits, prepend=0.0)
    precision = counts.hits / np.maximum(counts.called, 1e-300)
    average = float((precision * step).sum() / positives)
    area = float((misses * (counts.hits - step / 2)).sum() / (positives * negatives))
    on = scores >= threshold
    called, hits = float(weight[on].sum()), float(weight[on & labels].sum())
    return ProbeScores(
        base_rate=float(rate),
        average_precision=average,
        ap_lift=float((average - rate) / (1 - rate)),
        auroc=area,
        precision=hits / called if called else 0.0,
        recall=hits / positives,
        f1=2 * hits / (called + positives),
    )


def best_threshold(scores: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> float:
    """The score with the highest weighted F1; of equal ones the highest score."""
    counts = steps(scores, labels, weight)
    f1 = 2 * counts.hits / (counts.called + counts.hits[-1])
    return float(counts.score[int(np.argmax(f1))])


def matrix_of(features: Csr) -> csr_matrix:
    """Features as a matrix of scipy ``(n, F)``."""
    shape = (features.n_rows, features.n_features)
    return csr_matrix((features.values, features.indices, features.indptr), shape=shape)


def correlations(matrix: csc_matrix, sample: Sample) -> np.ndarray:
    """Weighted correlation of every feature with every column, float64 (F, C); NaN where one is constant."""
    weight = sample.weight / sample.weight.sum()
    rate = weight @ sample.labels
    mean = np.asarray(matrix.T @ weight).ravel()
    square = np.asarray(matrix.multiply(matrix).T @ weight).ravel()
    together = np.asarray(matrix.T @ (sample.labels * weight[:, None]))
    spread = np.outer(np.maximum(square - mean**2, 0), rate * (1 - rate))
    out = np.full(together.shape, np.nan)
    np.divide(together - np.outer(mean, rate), np.sqrt(spread), out=out, where=spread > 0)
    return out


def _design(
    matrix: csc_matrix, features: np.ndarray, labels: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, labels and weights of the bases where any of the features is active.

    The others all look alike: they are two rows of zeros, one a label, that carry their weight.
    """
    parts = [slice(matrix.indptr[f], matrix.indptr[f + 1]) for f in features]
    silent = np.ones(len(labels), bool)
    for part in parts:
        silent[matrix.indices[part]] = False
    rows = np.flatnonzero(~silent)
    place = np.cumsum(~silent) - 1
    x = np.zeros((rows.size + 2, len(features)))
    for j, part in enumerate(parts):
        x[place[matrix.indices[part]], j] = matrix.data[part]
    rest = [weight[silent & labels].sum(), weight[silent & ~labels].sum()]
    y = np.append(labels[rows], [True, False])
    w = np.append(weight[rows], rest)
    return x, y, w


def _fit(
    matrix: csc_matrix, features: np.ndarray, labels: np.ndarray, weight: np.ndarray
) -> tuple[Probe, ProbeScores]:
    from sklearn.linear_model import LogisticRegression

    x, y, w = _design(matrix, features, labels, weight)
    scale = np.sqrt((w[:, None] * x**2).sum(axis=0) / w.sum())
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-6)
    model.fit(x / scale, y, sample_weight=w * (len(labels) / w.sum()))
    weights = model.coef_[0] / scale
    intercept = float(model.intercept_[0])
    scores = x @ weights + intercept
    threshold = best_threshold(scores, y, w)
    return (Probe(features, weights, intercept, threshold), score_detector(scores, y, w, threshold))
