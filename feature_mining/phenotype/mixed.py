"""Linear mixed model: y = covariates + feature + g + e, with g of covariance kinship.

The ratio lambda of the two variances is either estimated once without any feature (EMMAX, Kang et al.
2010) or anew for every feature (GEMMA, Zhou and Stephens 2012), both by restricted maximum likelihood.

In the coordinates of the kinship's eigenvectors the covariance is diagonal, H = lambda S + 1. What the
likelihood of one feature x needs beyond the null is two numbers, x'Px and x'Py, with P the projection
outside the covariates under H. As functions of t = log lambda they are smooth: their singularities lie at
distance pi from the real axis. So they are computed for all features at the Chebyshev nodes of a stretch
of t, which is a matrix product, and interpolated between; every feature then finds its own maximum at no
further cost in samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from feature_mining.phenotype.moments import moments
from feature_mining.phenotype.tails import t_tail

# Range of log lambda searched, GEMMA's.
LOWEST, HIGHEST = np.log(1e-5), np.log(1e5)

STRETCHES = 6
# Chebyshev nodes of a stretch: interpolation is right to about 1e-8 at this length and number.
NODES = 20

# Points of the whole range at which every feature's likelihood is looked at first.
SCAN = 24

# Features turned into eigenvector coordinates at a time.
BLOCK = 4096


@dataclass(frozen=True)
class Spectrum:
    """A kinship's eigenvalues, float64 (n,), and eigenvectors, float64 (n, n) in columns."""

    values: np.ndarray
    vectors: np.ndarray


def decompose(relatedness: np.ndarray) -> Spectrum:
    """Eigendecomposition of a kinship; negative rounding counts as 0.

    Raises
    ------
    ValueError
        Not square, not symmetric, not finite or not positive semidefinite.
    """
    k = np.asarray(relatedness, np.float64)
    if k.ndim != 2 or k.shape[0] != k.shape[1]:
        raise ValueError(f"kinship: shape {k.shape}, expected as many rows as columns")
    if not np.isfinite(k).all() or not np.allclose(k, k.T, atol=1e-6 * np.abs(k).max()):
        raise ValueError("kinship: not symmetric or not finite, expected a covariance of samples")
    values, vectors = np.linalg.eigh((k + k.T) / 2)
    if values[0] < -1e-3 * max(values[-1], 0.0) or values[-1] <= 0:
        raise ValueError(
            f"kinship: smallest eigenvalue {values[0]:.3g}, largest {values[-1]:.3g}, expected none below"
            " 0; a matrix of distances must be turned into similarities first"
        )
    return Spectrum(np.maximum(values, 0.0), vectors)


@dataclass(frozen=True)
class MixedModel:
    """The null model, fitted, in eigenvector coordinates.

    Attributes
    ----------
    spectrum : Spectrum
    y : float64 (n,)
        Trait, rotated.
    covariates : float64 (n, c)
        Covariates with intercept, rotated.
    log_ratio : float
        log of lambda = genetic over residual variance, REML without any feature.
    effects : float64 (c,)
        Of the covariates.
    residual_variance : float
        REML estimate at that ratio.
    """

    spectrum: Spectrum
    y: np.ndarray
    covariates: np.ndarray
    log_ratio: float
    effects: np.ndarray
    residual_variance: float


def fit_mixed(spectrum: Spectrum, y: np.ndarray, covariates: np.ndarray) -> MixedModel:
    """Fit the model without features.

    Parameters
    ----------
    spectrum : Spectrum of the samples' kinship
    y : float64 (n,)
    covariates : float64 (n, c), intercept included, full rank
    """
    rotated_y, rotated = spectrum.vectors.T @ y, spectrum.vectors.T @ covariates
    n, c = rotated.shape

    def loss(t: float) -> float:
        point = _Point.at(t, spectrum.values, rotated_y, rotated)
        return float((n - c) * np.log(point.yy) + point.log_determinant)

    grid = np.linspace(LOWEST, HIGHEST, 40)
    best = int(np.argmin([loss(t) for t in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    t = float(minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-8}).x)
    point = _Point.at(t, spectrum.values, rotated_y, rotated)
    return MixedModel(spectrum, rotated_y, rotated, t, point.effects, point.yy / (n - c))


def mixed_tests(
    values: np.ndarray, model: MixedModel, exact: bool = True, block: int = BLOCK
) -> pd.DataFrame:
    """Wald test of every feature under the mixed model.

    Parameters
    ----------
    values : float (n_features, n_samples), no NaN
    model : MixedModel
    exact : bool
        Estimate the variance ratio for each feature; else keep the null model's.
    block : int
        Features rotated at a time; memory is ``block * n_samples * 8`` bytes, three times over.

    Returns
    -------
    DataFrame, one row a feature: test ("lmm wald, ratio of each test" or "lmm wald, ratio of the null"),
    statistic (t), p (Student's t with n - c - 1 degrees of freedom; its square is GEMMA's F), minus_log10_p,
    beta, se, converged, log_ratio
    """
    run = _exact if exact else _at_null
    parts = []
    for start in range(0, len(values), block):
        chunk = np.asarray(values[start : start + block], np.float64)
        parts.append(run(chunk @ model.spectrum.vectors, model))
    beta, se, t = (np.concatenate(column) for column in zip(*parts, strict=True))
    n, c = model.covariates.shape
    tail = t_tail(beta / se, n - c - 1)
    return pd.DataFrame(
        {
            "test": "lmm wald, ratio of each test" if exact else "lmm wald, ratio of the null",
            "statistic": beta / se,
            "p": tail.p,
            "minus_log10_p": tail.minus_log10,
            "beta": beta,
            "se": se,
            "converged": ~np.isnan(beta),
            "log_ratio": t,
        }
    )


def null_phenotypes(model: MixedModel, count: int, seed: int = 0) -> np.ndarray:
    """Traits drawn from the fitted null model: float64 (n_samples, count), in sample coordinates."""
    random = np.random.default_rng(seed)
    n = len(model.y)
    spread = np.sqrt(model.residual_variance * (np.exp(model.log_ratio) * model.spectrum.values + 1))
    drawn = (model.covariates @ model.effects)[:, None] + spread[:, None] * random.normal(size=(n, count))
    found: np.ndarray = model.spectrum.vectors @ drawn
    return found


@dataclass(frozen=True)
class _Point:
    """Everything at one log ratio that does not depend on the feature."""

    weight: np.ndarray  # (n,) 1 / (lambda s + 1)
    basis: np.ndarray  # (n, c): x @ basis are the whitened products with the covariates
    residual: np.ndarray  # (n,): x @ residual is x'Py
    yy: float  # y'Py
    log_determinant: float  # log|H| + log|C'H^-1C|
    effects: np.ndarray

    @classmethod
    def at(cls, t: float, eigenvalues: np.ndarray, y: np.ndarray, c: np.ndarray) -> _Point:
        weight = 1 / (np.exp(t) * eigenvalues + 1)
        weighted = c * weight[:, None]
        lower = np.linalg.cholesky(c.T @ weighted)
        basis = np.linalg.solve(lower, weighted.T).T
        inside = basis.T @ y
        residual = weight * y - basis @ inside
        log_determinant = -np.log(weight).sum() + 2 * np.log(np.diag(lower)).sum()
        effects = np.linalg.solve(lower.T, inside)
        return cls(weight, basis, residual, float(residual @ y), float(log_determinant), effects)


def _products(points: list[_Point], x: np.ndarray, squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Products x'Px and x'Py of rotated features at several points, float64 (k, n_points) each.

    NaN where a feature is constant given the covariates.
    """
    k, c = len(x), points[0].basis.shape[1]
    columns = [np.column_stack([point.basis, point.residual]) for point in points]
    inside = (x @ np.concatenate(columns, axis=1)).reshape(k, len(points), c + 1)
    total = squared @ np.column_stack([point.weight for point in points])
    xx = total - (inside[:, :, :c] ** 2).sum(axis=2)
    return np.where(xx > 1e-9 * total, xx, np.nan), inside[:, :, c]


def _at_null(x: np.ndarray, model: MixedModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    point = _Point.at(model.log_ratio, model.spectrum.values, model.y, model.covariates)
    products, squares = moments(x, np.column_stack([point.basis, point.residual]), point.weight)
    xx = squares - (products[:, :-1] ** 2).sum(axis=1)
    xx = np.where(xx > 1e-9 * squares, xx, np.nan)
    beta, se = _wald(xx, products[:, -1], np.full(len(x), point.yy), model)
    return beta, se, np.full(len(x), model.log_ratio)


def _wald(xx: np.ndarray, xy: np.ndarray, yy: np.ndarray, model: MixedModel) -> tuple[np.ndarray, np.ndarray]:
    n, c = model.covariates.shape
    beta = xy / xx
    return beta, np.sqrt(np.maximum(yy - beta * xy, 0.0) / (n - c - 1) / xx)


def _restricted(
    xx: np.ndarray, xy: np.ndarray, yy: np.ndarray, log_determinant: np.ndarray, dof: int
) -> np.ndarray:
    """Restricted log likelihood (times 2, without its constant) with the feature in the model."""
    rest = np.maximum(yy - xy**2 / xx, 1e-300)
    value: np.ndarray = -(dof * np.log(rest) + log_determinant + np.log(xx))
    return value


def _exact(x: np.ndarray, model: MixedModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, c = model.covariates.shape
    dof = n - c - 1
    squared = x * x
    edges = np.linspace(LOWEST, HIGHEST, STRETCHES + 1)
    scan = np.linspace(LOWEST, HIGHEST, SCAN)
    points, xx, xy = _evaluate(scan, x, squared, model)
    values = _likelihoods(points, xx, xy, dof)
    known = ~np.isnan(values).any(axis=1)
    at = scan[np.where(known[:, None], values, -np.inf).argmax(axis=1)]
    beta, se, ratio = (np.full(len(x), np.nan) for _ in range(3))
    step = scan[1] - scan[0]
    stretch = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, STRETCHES - 1)
    for s in range(STRETCHES):
        rows = np.flatnonzero(known & (stretch == s))
        if not rows.size:
            continue
        # The maximum lies within one scan step of the best scanned point: the stretch is wide enough.
        low, high = max(edges[s] - step, LOWEST), min(edges[s + 1] + step, HIGHEST)
        whole = rows.size == len(x)
        part = (x, squared) if whole else (x[rows], squared[rows])
        found = _maximise(*part, low, high, model, dof)
        beta[rows], se[rows], ratio[rows] = found
    return beta, se, ratio


def _evaluate(
    at: np.ndarray, x: np.ndarray, squared: np.ndarray, model: MixedModel
) -> tuple[list[_Point], np.ndarray, np.ndarray]:
    points = [_Point.at(t, model.spectrum.values, model.y, model.covariates) for t in at]
    return points, *_products(points, x, squared)


def _likelihoods(points: list[_Point], xx: np.ndarray, xy: np.ndarray, dof: int) -> np.ndarray:
    yy = np.array([point.yy for point in points])
    log_determinant = np.array([point.log_determinant for point in points])
    return _restricted(xx, xy, yy, log_determinant, dof)


def _maximise(
    x: np.ndarray, squared: np.ndarray, low: float, high: float, model: MixedModel, dof: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    angles = (np.arange(NODES) + 0.5) * np.pi / NODES
    nodes = (low + high) / 2 + (high - low) / 2 * np.cos(angles)
    # Barycentric weights of the Chebyshev points of the first kind.
    barycentric = np.sin(angles) * (-1.0) ** np.arange(NODES)
    points, xx, xy = _evaluate(nodes, x, squared, model)
    # Logs of positive functions interpolate best; x'Py may change sign.
    log_xx = np.log(xx)
    log_yy = np.log([p.yy for p in points])
    determinant = np.array([p.log_determinant for p in points])

    def between(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        gap = t[:, None] - nodes
        gap[gap == 0] = 1e-300
        share = barycentric / gap
        share /= share.sum(axis=1, keepdims=True)
        return (
            np.exp((share * log_xx).sum(axis=1)),
            (share * xy).sum(axis=1),
            np.exp(share @ log_yy),
            share @ determinant,
        )

    # Nodes run from high to low; the bracket of each maximum is its two neighbours, or the end.
    top = _likelihoods(points, xx, xy, dof).argmax(axis=1)
    left = np.where(top + 1 < NODES, nodes[np.minimum(top + 1, NODES - 1)], low)
    right = np.where(top > 0, nodes[np.maximum(top - 1, 0)], high)
    t = _golden(lambda at: _restricted(*between(at), dof), left, right)
    xx_t, xy_t, yy_t, _ = between(t)
    beta, se = _wald(xx_t, xy_t, yy_t, model)
    return beta, se, t


def _golden(objective, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Golden-section maxima of many functions at once, brackets cut to 3e-7 of their length."""
    ratio = (np.sqrt(5) - 1) / 2
    a, b = left.copy(), right.copy()
    inner, outer = b - ratio * (b - a), a + ratio * (b - a)
    f_inner, f_outer = objective(inner), objective(outer)
    for _ in range(31):
        lower = f_inner >= f_outer
        b, a = np.where(lower, outer, b), np.where(lower, a, inner)
        new = np.where(lower, b - ratio * (b - a), a + ratio * (b - a))
        f_new = objective(new)
        inner, outer = np.where(lower, new, outer), np.where(lower, inner, new)
        f_inner, f_outer = np.where(lower, f_new, f_outer), np.where(lower, f_inner, f_new)
    return (a + b) / 2
