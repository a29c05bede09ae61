"""Firth's penalised logistic regression: finite effects under separation, little bias for rare features."""

from __future__ import annotations

import numpy as np

from feature_mining.phenotype.logistic import (
    Fits,
    NullModel,
    blocks,
    fitted,
    information,
    join,
    pair_products,
    solve,
)

STEPS = 100
# Largest change of an effect (of a feature scaled to range 1) in one step.
LONGEST = 5.0
TOLERANCE = 1e-14


def fit_firth(values: np.ndarray, null: NullModel) -> Fits:
    """Penalised fit of every feature, and the penalised likelihood ratio statistic.

    Parameters
    ----------
    values : float (n_features, n_samples), no NaN
    null : NullModel

    Notes
    -----
    Maximises l(b) + log|I(b)| / 2 (Firth 1993). The null of the ratio holds the feature's effect at 0
    under the penalty of the full model (Heinze and Schemper 2002). The standard error is that of the
    information at the maximum.
    """
    pairs = pair_products(null.covariates)
    return join(
        [_fit_block(np.asarray(values[rows], np.float64), null, pairs) for rows in blocks(*values.shape)]
    )


def _fit_block(x: np.ndarray, null: NullModel, pairs: np.ndarray) -> Fits:
    c = null.covariates.shape[1]
    low = x.min(axis=1, keepdims=True)
    span = np.ptp(x, axis=1)
    usable = span > 0
    width = np.where(usable, span, 1.0)
    # Range 1 from 0: shifts go into the intercept, so the effect only changes its unit.
    z = (x - low) / width[:, None]
    start = np.column_stack([np.tile(null.effects, (len(x), 1)), np.zeros(len(x))])
    held, _, held_value, held_done = _climb(start, z, null, pairs, c)
    effects, variance, value, done = _climb(held, z, null, pairs, c + 1)
    converged = held_done & done & usable & ~np.isnan(variance)
    return Fits(
        np.where(converged, effects[:, c] / width, np.nan),
        np.where(converged, np.sqrt(variance) / width, np.nan),
        np.where(converged, np.maximum(2 * (value - held_value), 0.0), np.nan),
        converged,
    )


def _penalised(
    b: np.ndarray, x: np.ndarray, null: NullModel, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Penalised log likelihood, fitted means and information of a block."""
    c = null.covariates.shape[1]
    mean, likelihood = fitted(null.y, b[:, :c] @ null.covariates.T + b[:, c:] * x)
    matrices = information(mean * (1 - mean), x, null.covariates, pairs)
    sign, log_determinant = np.linalg.slogdet(matrices)
    penalty = np.where(sign > 0, log_determinant / 2, -np.inf)
    return likelihood + penalty, mean, matrices


def _climb(
    start: np.ndarray, x: np.ndarray, null: NullModel, pairs: np.ndarray, free: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Maximise over the first `free` effects: effects, variance of the feature's, value, converged."""
    covariates, c = null.covariates, null.covariates.shape[1]
    effects = start.copy()
    variance = np.full(len(x), np.nan)
    value, mean, matrices = _penalised(effects, x, null, pairs)
    converged = np.zeros(len(x), dtype=bool)
    live = np.flatnonzero(np.isfinite(value))
    mean, matrices = mean[live], matrices[live]
    for _ in range(STEPS):
        if not live.size:
            break
        z = x[live]
        inverse = np.linalg.inv(matrices)
        # Leverages w z'Iz: the quadratic form over the covariates is a product with their pairs.
        first, second = np.triu_indices(c)
        twice = np.where(first == second, 1.0, 2.0)
        form = (inverse[:, first, second] * twice) @ pairs.T
        form += 2 * z * (inverse[:, :c, c] @ covariates.T) + z * z * inverse[:, c, c][:, None]
        leverage = mean * (1 - mean) * form
        residual = null.y - mean + leverage * (0.5 - mean)
        gradient = np.column_stack([residual @ covariates, (residual * z).sum(axis=1)])[:, :free]
        step, sound = solve(matrices[:, :free, :free], gradient)
        done = sound & ((gradient * step).sum(axis=1) < TOLERANCE)
        converged[live[done]] = True
        variance[live[done]] = inverse[done, c, c]
        go = sound & ~done
        live, step, z = live[go], step[go], z[go]
        if not live.size:
            break
        longest = np.abs(step).max(axis=1)
        size = np.minimum(1.0, LONGEST / np.maximum(longest, 1e-300))
        full = np.zeros((len(live), c + 1))
        full[:, :free] = step
        for _ in range(12):
            trial = effects[live] + size[:, None] * full
            found, mean, matrices = _penalised(trial, z, null, pairs)
            worse = ~(found >= value[live] - 1e-10)
            if not worse.any():
                break
            size[worse] /= 2
        effects[live], value[live] = trial, found
    return effects, variance, value, converged
