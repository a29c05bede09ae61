"""Ordinary least squares of a quantitative trait on every feature, covariates held fixed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.phenotype.moments import moments
from feature_mining.phenotype.tails import t_tail

# A feature whose square outside the covariates is below this share of its square is not tested.
CONSTANT = 1e-9


def ols(values: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> pd.DataFrame:
    """Effect of each feature on `y` beside the covariates.

    Parameters
    ----------
    values : float (n_features, n_samples), no NaN
    y : float64 (n_samples,)
    covariates : float64 (n_samples, c), intercept included, full rank

    Returns
    -------
    DataFrame, one row a feature: test ("ols t"), statistic (t), p, minus_log10_p, beta, se, converged
    (False, and NaN everywhere, where the feature is constant given the covariates)

    Notes
    -----
    Frisch-Waugh-Lovell: `y` is made orthogonal to the covariates once; of a feature only its products
    with their orthonormal basis and with that residual are needed.
    """
    basis, _ = np.linalg.qr(covariates)
    residual = y - basis @ (basis.T @ y)
    residual -= basis @ (basis.T @ residual)
    products, squares = moments(values, np.column_stack([basis, residual]), np.ones(len(y)))
    inside = (products[:, :-1] ** 2).sum(axis=1)
    xx = squares - inside
    varies = xx > CONSTANT * squares
    xx = np.where(varies, xx, np.nan)
    beta = products[:, -1] / xx
    dof = len(y) - covariates.shape[1] - 1
    # A trait that a feature explains wholly leaves rounding, not a negative sum of squares.
    rss = np.maximum(residual @ residual - beta * products[:, -1], 0.0)
    with np.errstate(divide="ignore"):
        se = np.sqrt(rss / dof / xx)
        t = beta / se
    tail = t_tail(t, dof)
    return pd.DataFrame(
        {
            "test": "ols t",
            "statistic": t,
            "p": tail.p,
            "minus_log10_p": tail.minus_log10,
            "beta": beta,
            "se": se,
            "converged": varies,
        }
    )


def robust(values: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> pd.DataFrame:
    """Standard errors that hold where the trait's variance is not the same for all (HC3).

    Parameters
    ----------
    values : float (k, n_samples), no NaN; a matrix of that size is made in float64
    y, covariates
        As for `ols`.

    Returns
    -------
    DataFrame, one row a feature: se_hc3, p_hc3 (two-sided, t); NaN where `ols` does not test

    Notes
    -----
    MacKinnon and White 1985: residuals over one less the leverage of the whole design, feature included.
    """
    basis, _ = np.linalg.qr(covariates)
    x = np.asarray(values, np.float64)
    x = x - (x @ basis) @ basis.T
    xx = (x**2).sum(axis=1)
    xx = np.where(xx > CONSTANT * (np.asarray(values, np.float64) ** 2).sum(axis=1), xx, np.nan)
    residual = y - basis @ (basis.T @ y)
    beta = x @ residual / xx
    leverage = (basis**2).sum(axis=1) + x**2 / xx[:, None]
    error = (residual - beta[:, None] * x) / np.maximum(1 - leverage, 1e-12)
    se = np.sqrt((x**2 * error**2).sum(axis=1)) / xx
    with np.errstate(divide="ignore"):
        tail = t_tail(beta / se, len(y) - covariates.shape[1] - 1)
    return pd.DataFrame({"se_hc3": se, "p_hc3": tail.p})
