"""Logistic regression of a binary trait: null model, score test, and many one-feature fits at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from feature_mining.phenotype.design import independent
from feature_mining.phenotype.moments import moments

# Numbers (features x samples) that a block of fits works on: what the caches hold.
CELLS = 100_000

# Norm of the inverse of a matrix (scaled to a diagonal of 1) at which it counts as singular.
UNSOUND = 1e10

STEPS = 50
TOLERANCE = 1e-12

# Variance of a fitted outcome below which a sample counts as fitted exactly.
WEIGHTLESS = 1e-7


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


# Factors between 1 and 2 that are multiplied before a logarithm is taken: their product stays finite.
RUN = 32


def log_likelihood(y: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Sum over the last axis of y eta - log(1 + exp(eta)), without overflow."""
    return fitted(y, eta)[1]


def fitted(y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fitted means and log likelihood (sum over the last axis), of one exponential a number.

    Logarithms are taken of products of `RUN` factors 1 + exp(-|eta|): fewer, and as exact.
    """
    small = np.exp(-np.abs(eta))
    factors = 1.0 + small
    mean = np.where(eta >= 0, 1.0, small)
    mean /= factors
    whole = eta.shape[-1] // RUN * RUN
    products = factors[..., :whole].reshape(*eta.shape[:-1], -1, RUN).prod(axis=-1)
    tail = np.log(products).sum(axis=-1) + np.log(factors[..., whole:]).sum(axis=-1)
    value: np.ndarray = (y * eta - np.maximum(eta, 0.0)).sum(axis=-1) - tail
    return mean, value


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
        mean, _ = fitted(y, base + covariates @ effects)
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
            mean, reached = fitted(y, eta)
            return NullModel(y, covariates, effects, mean, float(reached))
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
    """Products of all pairs of covariates, float64 (n_samples, c (c + 1) / 2): the upper triangle, by row.

    With them, c x c information matrices of a block of features are one matrix product.
    """
    upper = np.triu_indices(covariates.shape[1])
    return covariates[:, upper[0]] * covariates[:, upper[1]]


def information(weight: np.ndarray, x: np.ndarray, covariates: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Z' W Z of every feature of a block, Z = [covariates, feature].

    Parameters
    ----------
    weight : float64 (k, n_samples), or (1, n_samples) where it is the same for all
    x : float64 (k, n_samples)
    covariates : float64 (n_samples, c)
    pairs : float64, `pair_products`

    Returns
    -------
    float64 (k, c + 1, c + 1)
    """
    k, c = len(x), covariates.shape[1]
    out = np.empty((k, c + 1, c + 1))
    first, second = np.triu_indices(c)
    out[:, first, second] = out[:, second, first] = weight @ pairs
    weighted = weight * x
    out[:, :c, c] = out[:, c, :c] = weighted @ covariates
    out[:, c, c] = np.einsum("kn,kn->k", weighted, x)
    return out


def fit_features(values: np.ndarray, null: NullModel) -> Fits:
    """Maximum likelihood fit of every feature beside the covariates; twice the gain over the null.

    Newton's method on blocks of features. ``converged`` is False where no finite maximum was reached
    (separation) or the feature is constant given the covariates.
    """
    pairs = pair_products(null.covariates)
    parts = [_fit_block(np.asarray(values[rows], np.float64), null, pairs) for rows in blocks(*values.shape)]
    return join(parts)


def join(parts: list[Fits]) -> Fits:
    """Fits of consecutive blocks as one."""
    if not parts:
        return Fits(np.empty(0), np.empty(0), np.empty(0), np.empty(0, dtype=bool))
    return Fits(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def invert(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverses of many small positive definite matrices, and which of them are sound (not singular).

    The norm of the inverse of a matrix scaled to a diagonal of 1 is at least the reciprocal of its smallest
    eigenvalue; what is not sound comes back as the identity.
    """
    scale = np.sqrt(np.maximum(np.einsum("kii->ki", matrices), 1e-300))
    scaled = matrices / (scale[:, :, None] * scale[:, None, :])
    sound = np.isfinite(scaled).all(axis=(1, 2))
    scaled[~sound] = np.eye(matrices.shape[1])
    try:
        inverse = np.linalg.inv(scaled)
    except np.linalg.LinAlgError:  # one of them is exactly singular: find out which
        sound &= np.linalg.eigvalsh(scaled)[:, 0] > 1 / UNSOUND
        scaled[~sound] = np.eye(matrices.shape[1])
        inverse = np.linalg.inv(scaled)
    sound &= np.linalg.norm(inverse, axis=(1, 2)) < UNSOUND
    inverse /= scale[:, :, None] * scale[:, None, :]
    inverse[~sound] = np.eye(matrices.shape[1])
    return inverse, sound


def solve(matrices: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solutions of many small systems, 0 where they are not sound, and which of them are."""
    inverse, sound = invert(matrices)
    return np.where(sound[:, None], np.einsum("kij,kj->ki", inverse, vectors), 0.0), sound


def _fit_block(x: np.ndarray, null: NullModel, pairs: np.ndarray) -> Fits:
    covariates, c = null.covariates, null.covariates.shape[1]
    k = len(x)
    effects = np.column_stack([np.tile(null.effects, (k, 1)), np.zeros(k)])
    value = np.full(k, null.log_likelihood)
    variance = np.full(k, np.nan)
    converged = np.zeros(k, dtype=bool)
    live, z = np.arange(k), x
    eta = np.broadcast_to(covariates @ null.effects, x.shape)
    mean = null.mean[None]  # at the null all features have the same weights
    for _ in range(STEPS):
        matrices = information(mean * (1 - mean), z, covariates, pairs)
        residual = null.y - mean
        own = np.einsum("kn,kn->k", np.broadcast_to(residual, z.shape), z)
        shared = np.broadcast_to(residual @ covariates, (len(z), c))
        gradient = np.column_stack([shared, own])
        inverse, sound = invert(matrices)
        step = np.einsum("kij,kj->ki", inverse, gradient)
        done = sound & ((gradient * step).sum(axis=1) < TOLERANCE)
        converged[live[done]] = True
        variance[live[done]] = inverse[done, c, c]
        effects[live[done]] += step[done]  # the likelihood no longer feels it, the effect does
        go = sound & ~done
        if not go.all():
            live, step, eta, z = live[go], step[go], eta[go], z[go]
        if not live.size:
            break
        eta, mean, value[live], size = _uphill(eta, step, z, null, value[live])
        effects[live] += size[:, None] * step
    return Fits(
        np.where(converged, effects[:, c], np.nan),
        np.sqrt(variance),
        np.where(converged, np.maximum(2 * (value - null.log_likelihood), 0.0), np.nan),
        converged,
    )


def _uphill(
    eta: np.ndarray, step: np.ndarray, x: np.ndarray, null: NullModel, value: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A step that does not lower the likelihood, halved where the whole one does.

    Gives the new linear predictor, fitted means, log likelihood, and the share of each step that was taken.
    """
    c = null.covariates.shape[1]
    change = step[:, :c] @ null.covariates.T
    change += step[:, c:] * x
    size = np.ones(len(step))
    for _ in range(8):
        trial = eta + size[:, None] * change
        mean, reached = fitted(null.y, trial)
        worse = reached < value - 1e-9
        if not worse.any():
            break
        size[worse] /= 2
    return trial, mean, reached, size
