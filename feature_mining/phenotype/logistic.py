"""Logistic regression of a binary trait: null model, score test, and many one-feature fits at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from feature_mining.phenotype.design import independent
from feature_mining.phenotype.moments import moments

CELLS = 2_000_000
"""Numbers (features x samples) that a block of fits works on."""

STEPS = 50
TOLERANCE = 1e-12

WEIGHTLESS = 1e-7
"""Variance of a fitted outcome below which a sample counts as fitted exactly."""


@dataclass(frozen=True)
class NullModel:
    """The trait explained by the covariates alone.

    Attributes
    ----------
    y, covariates : float64 (n_samples,), (n_samples, c)
    effects : float64 (c,)
    mean : float64 (n_samples,)
        Fitted probability of being a case.
    log_likelihood : float
    """

    y: np.ndarray
    covariates: np.ndarray
    effects: np.ndarray
    mean: np.ndarray
    log_likelihood: float


class Score(NamedTuple):
    """Score test: chi-square with one degree of freedom, one-step effect and its standard error."""

    statistic: np.ndarray
    beta: np.ndarray
    se: np.ndarray


class Fits(NamedTuple):
    """Full fits: effect of the feature, its standard error, twice the gain in (penalised) log likelihood."""

    beta: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    converged: np.ndarray


def log_likelihood(y: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Sum over the last axis of y eta - log(1 + exp(eta)), without overflow."""
    # log(1 + e) and not log1p: vector code, and an absolute error of 1e-16 a sample does not matter here.
    tail = np.log(1.0 + np.exp(-np.abs(eta)))
    total: np.ndarray = (y * eta - np.maximum(eta, 0.0) - tail).sum(axis=-1)
    return total


def sigmoid(eta: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-eta)), without overflow, in vector code."""
    small = np.exp(-np.abs(eta))
    mean: np.ndarray = np.where(eta >= 0, 1.0, small) / (1.0 + small)
    return mean


def fit_null(y: np.ndarray, covariates: np.ndarray, offset: np.ndarray | None = None) -> NullModel:
    """Fit the covariates alone by Newton's method.

    Parameters
    ----------
    y : float64 (n_samples,), 0 or 1
    covariates : float64 (n_samples, c), intercept included
    offset : float64 (n_samples,), added to the linear predictor

    Raises
    ------
    ValueError
        The covariates separate all cases from all controls, so that no fit exists.

    Notes
    -----
    A group of cases only (or controls only) lets its own effect grow until its samples are fitted
    exactly: they then carry no weight in any test, which is right.
    """
    base = np.zeros(len(y)) if offset is None else offset
    effects = np.zeros(covariates.shape[1])
    current = float(log_likelihood(y, base + covariates @ effects))
    for _ in range(STEPS):
        mean = sigmoid(base + covariates @ effects)
        gradient = covariates.T @ (y - mean)
        information = covariates.T @ (covariates * (mean * (1 - mean))[:, None])
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            break
        size = 1.0
        while True:
            trial = effects + size * step
            value = float(log_likelihood(y, base + covariates @ trial))
            if value >= current - 1e-9 or size < 1e-4:
                break
            size /= 2
        done = abs(gradient @ step) < TOLERANCE
        effects, current = trial, value
        if done and current < -1e-6 * len(y):
            eta = base + covariates @ effects
            return NullModel(y, covariates, effects, sigmoid(eta), float(log_likelihood(y, eta)))
    raise ValueError(
        f"the covariates alone tell the {int(y.sum())} cases from the {int(len(y) - y.sum())} controls (no"
        " finite logistic fit); leave out the covariate or group that holds cases only or controls only"
    )


def informative(null: NullModel) -> tuple[NullModel, np.ndarray]:
    """The null model without samples that the covariates fit exactly, and which samples are kept, bool.

    Samples of a lineage or site that holds cases only, or controls only, say nothing about any feature:
    the likelihood is the same without them, and free of effects that grow without end.
    """
    kept = null.mean * (1 - null.mean) > WEIGHTLESS
    if kept.all():
        return null, kept
    matrix = null.covariates[kept]
    return fit_null(null.y[kept], matrix[:, independent(matrix)]), kept


def score_test(values: np.ndarray, null: NullModel) -> Score:
    """Rao's score test of every feature at the null fit: one pass over the features.

    Parameters
    ----------
    values : float (n_features, n_samples), no NaN
    null : NullModel

    Returns
    -------
    Score
        float64 (n_features,) each; NaN where the feature is constant given the covariates.
    """
    weight = null.mean * (1 - null.mean)
    root = np.sqrt(weight)
    basis, _ = np.linalg.qr(null.covariates * root[:, None])
    columns = np.column_stack([basis * root[:, None], null.y - null.mean])
    products, squares = moments(values, columns, weight)
    variance = squares - (products[:, :-1] ** 2).sum(axis=1)
    variance = np.where(variance > 1e-9 * squares, variance, np.nan)
    gradient = products[:, -1]
    return Score(gradient**2 / variance, gradient / variance, 1 / np.sqrt(variance))


def blocks(n_features: int, n_samples: int) -> Iterator[slice]:
    """Slices of features whose matrices hold `CELLS` numbers."""
    size = max(1, CELLS // n_samples)
    for start in range(0, n_features, size):
        yield slice(start, min(start + size, n_features))


def pair_products(covariates: np.ndarray) -> np.ndarray:
    """Products of all pairs of covariates, float64 (n_samples, c * c).

    With them, c x c information matrices of a block of features are one matrix product.
    """
    n, c = covariates.shape
    return (covariates[:, :, None] * covariates[:, None, :]).reshape(n, c * c)


def information(
    weight: np.ndarray, x: np.ndarray, covariates: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Z' W Z of every feature of a block, Z = [covariates, feature].

    Parameters
    ----------
    weight, x : float64 (k, n_samples)
    covariates : float64 (n_samples, c)
    pairs : float64 (n_samples, c * c), `pair_products`

    Returns
    -------
    float64 (k, c + 1, c + 1)
    """
    k, c = len(x), covariates.shape[1]
    out = np.empty((k, c + 1, c + 1))
    out[:, :c, :c] = (weight @ pairs).reshape(k, c, c)
    weighted = weight * x
    out[:, :c, c] = out[:, c, :c] = weighted @ covariates
    out[:, c, c] = (weighted * x).sum(axis=1)
    return out


def fit_features(values: np.ndarray, null: NullModel) -> Fits:
    """Maximum likelihood fit of every feature beside the covariates; twice the gain over the null.

    Newton's method on blocks of features. ``converged`` is False where no finite maximum was reached
    (separation) or the feature is constant given the covariates.
    """
    pairs = pair_products(null.covariates)
    parts = [
        _fit_block(np.asarray(values[rows], np.float64), null, pairs)
        for rows in blocks(*values.shape)
    ]
    return join(parts)


def join(parts: list[Fits]) -> Fits:
    """Fits of consecutive blocks as one."""
    if not parts:
        return Fits(np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=bool))
    return Fits(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def solve(matrices: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solutions of many small systems, and which of them are sound (not singular)."""
    scale = np.sqrt(np.maximum(np.einsum("kii->ki", matrices), 1e-300))
    scaled = matrices / (scale[:, :, None] * scale[:, None, :])
    sound = np.isfinite(scaled).all(axis=(1, 2))
    scaled[~sound] = np.eye(matrices.shape[1])
    smallest = np.linalg.eigvalsh(scaled)[:, 0]
    sound &= smallest > 1e-10
    scaled[~sound] = np.eye(matrices.shape[1])
    result = np.linalg.solve(scaled, (vectors / scale)[:, :, None])[:, :, 0] / scale
    return np.where(sound[:, None], result, 0.0), sound


def _fit_block(x: np.ndarray, null: NullModel, pairs: np.ndarray) -> Fits:
    c = null.covariates.shape[1]
    k = len(x)
    effects = np.column_stack([np.tile(null.effects, (k, 1)), np.zeros(k)])
    value = np.full(k, null.log_likelihood)
    variance = np.full(k, np.nan)
    converged = np.zeros(k, dtype=bool)
    live = np.arange(k)
    for _ in range(STEPS):
        b, z = effects[live], x[live]
        eta = b[:, :c] @ null.covariates.T + b[:, c:] * z
        mean = sigmoid(eta)
        residual = null.y - mean
        gradient = np.column_stack([residual @ null.covariates, (residual * z).sum(axis=1)])
        matrices = information(mean * (1 - mean), z, null.covariates, pairs)
        step, sound = solve(matrices, gradient)
        decrement = (gradient * step).sum(axis=1)
        done = sound & (decrement < TOLERANCE)
        if done.any():
            last = np.zeros((int(done.sum()), c + 1))
            last[:, c] = 1
            variance[live[done]] = solve(matrices[done], last)[0][:, c]
            converged[live[done]] = True
            value[live[done]] = log_likelihood(null.y, eta[done])
            effects[live[done]] += step[done]  # the likelihood no longer feels it, the effect does
        go = sound & ~done
        live, step, eta, z, b = live[go], step[go], eta[go], z[go], b[go]
        if not live.size:
            break
        effects[live] = _uphill(b, step, z, null, log_likelihood(null.y, eta))
    return Fits(
        np.where(converged, effects[:, c], np.nan),
        np.sqrt(variance),
        np.where(converged, np.maximum(2 * (value - null.log_likelihood), 0.0), np.nan),
        converged,
    )


def _uphill(
    b: np.ndarray, step: np.ndarray, x: np.ndarray, null: NullModel, value: np.ndarray
) -> np.ndarray:
    """A step that does not lower the likelihood: halved where the whole one does."""
    c = null.covariates.shape[1]
    size = np.ones(len(b))
    for _ in range(8):
        trial = b + size[:, None] * step
        eta = trial[:, :c] @ null.covariates.T + trial[:, c:] * x
        worse = log_likelihood(null.y, eta) < value - 1e-9
        if not worse.any():
            break
        size[worse] /= 2
    return b + size[:, None] * step
