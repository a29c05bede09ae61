"""Scores of predictions, with bootstrap intervals over clusters of samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logit

from feature_mining.phenotype.logistic import fit_null

RESAMPLES = 1000
# Clusters below which a bootstrap interval is too short to be reliable.
FEW_CLUSTERS = 10


class Ranking(NamedTuple):
    """AUROC and average precision (step definition), ties counted half and together; (n_weightings,) each."""

    auroc: np.ndarray
    average_precision: np.ndarray


class Interval(NamedTuple):
    """A 95 % percentile interval."""

    low: float
    high: float


def ranking(y: np.ndarray, score: np.ndarray, weights: np.ndarray | None = None) -> Ranking:
    """Both ranking scores under many weightings of the samples at once.

    Parameters
    ----------
    y : (n,), 0 or 1
    score : float64 (n,)
    weights : float64 (n_weightings, n); one weighting of ones if left out

    Returns
    -------
    Ranking
        NaN for a weighting that has cases only or controls only.
    """
    w = np.ones((1, len(y))) if weights is None else weights
    order = np.argsort(-score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
    cases = np.add.reduceat(w[:, order] * y[order], starts, axis=1)
    controls = np.add.reduceat(w[:, order] * (1 - y[order]), starts, axis=1)
    hits, misses = cases.cumsum(axis=1), controls.cumsum(axis=1)
    n_case, n_control = hits[:, -1:], misses[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        worse = n_control - misses + controls / 2
        auroc = (cases * worse).sum(axis=1) / (n_case * n_control)[:, 0]
        precision = hits / np.maximum(hits + misses, 1e-300)
        average = (cases * precision).sum(axis=1) / n_case[:, 0]
    one_class = (n_case * n_control)[:, 0] == 0
    return Ranking(np.where(one_class, np.nan, auroc), np.where(one_class, np.nan, average))


def resample_clusters(clusters: np.ndarray, count: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Weights of samples when whole clusters are drawn with replacement: float64 (count, n)."""
    codes = np.unique(np.asarray(clusters), return_inverse=True)[1].ravel()
    k = int(codes.max()) + 1
    times = np.random.default_rng(seed).multinomial(k, np.full(k, 1 / k), size=count)
    return times[:, codes].astype(np.float64)


def interval(values: np.ndarray) -> Interval:
    """Percentiles 2.5 and 97.5, NaN left out; NaN where fewer than half are known."""
    known = values[~np.isnan(values)]
    if known.size * 2 < values.size or not known.size:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(low), float(high))


def brier(y: np.ndarray, probability: np.ndarray) -> float:
    """Mean squared difference of outcome and predicted probability."""
    return float(np.mean((y - probability) ** 2))


class Calibration(NamedTuple):
    """Slope of the outcome's log odds on the predicted log odds (1 is right, below: too extreme), and the
    intercept with the slope held at 1 (0 is right, above: predicted too low); NaN where no fit exists.
    """

    slope: float
    intercept: float


def calibrate(y: np.ndarray, probability: np.ndarray) -> Calibration:
    """Calibration slope and calibration in the large (Cox 1958)."""
    nan = float("nan")
    if np.ptp(y) == 0:
        return Calibration(nan, nan)
    x = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    one = np.ones((len(y), 1))
    slope = intercept = nan
    # Constant predictions have no slope, perfectly separating ones no finite fit.
    if np.ptp(x) > 1e-9:
        try:
            slope = float(fit_null(y, np.column_stack([one, x])).effects[1])
        except ValueError:
            slope = nan
    try:
        intercept = float(fit_null(y, one, offset=x).effects[0])
    except ValueError:
        intercept = nan
    return Calibration(slope, intercept)


def r_squared(y: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Share of the variance explained, one number a weighting."""
    w = np.ones((1, len(y))) if weights is None else weights
    total = w.sum(axis=1, keepdims=True)
    mean = (w @ y)[:, None] / total
    spread = (w * (y - mean) ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: np.ndarray = 1 - (w @ (y - predicted) ** 2) / spread
    return np.where(spread > 0, found, np.nan)


def score(
    y: np.ndarray, predicted: np.ndarray, binary: bool, weights: np.ndarray | None = None
) -> np.ndarray:
    """AUROC of a binary trait, else R², of those with a prediction; a number a weighting."""
    known = ~np.isnan(predicted)
    own = None if weights is None else weights[:, known]
    if binary:
        return ranking(y[known], predicted[known], own).auroc
    return r_squared(y[known], predicted[known], own)


def score_within(
    y: np.ndarray, predicted: np.ndarray, binary: bool, held: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """As `score`, of samples set beside others of the same group ``held`` (n,) alone, one a fold left out.

    AUROC over pairs of one group, or R² less each group's means. Fits without a group expect the mean of the
    others of it: over pairs of different groups, what knows nothing falls below chance.
    """
    known = ~np.isnan(predicted)
    w = np.ones((1, len(y))) if weights is None else weights
    top, total = np.zeros((2, len(w)))
    for name in np.unique(held[known]):
        rows = known & (held == name)
        own, apart = w[:, rows], y[rows] - predicted[rows]
        size = np.maximum(own.sum(axis=1), 1e-300)
        if binary:
            # A group that is drawn twice counts twice, not four times.
            pairs = (own @ y[rows]) * (own @ (1 - y[rows])) / size * rows.sum()
            top += pairs * np.nan_to_num(ranking(y[rows], predicted[rows], own).auroc)
            total += pairs
        else:
            total += own @ y[rows] ** 2 - (own @ y[rows]) ** 2 / size
            top -= own @ apart**2 - (own @ apart) ** 2 / size
    share = np.divide(top, total, out=np.full(len(w), np.nan), where=total > 1e-12)
    return share if binary else 1 + share
