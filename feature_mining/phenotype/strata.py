"""A feature's effect in each group of samples by itself, and whether the groups disagree."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import chi2, norm

from feature_mining.phenotype.design import Phenotype, independent
from feature_mining.phenotype.firth import fit_firth
from feature_mining.phenotype.linear import ols
from feature_mining.phenotype.logistic import fit_null

# Samples, and samples of each class, that a group needs.
SAMPLES, EACH_CLASS = 50, 10
Z95 = float(ndtri(0.975))
COLUMNS = (
    *("row", "group", "n", "n_case", "carriers", "test", "beta", "se", "ci_low", "ci_high", "p"),
)  # fmt: skip


class Heterogeneity(NamedTuple):
    """Cochran's Q over groups: mean effect by inverse variance, Q, p of Q, share of Q beyond chance (I²)."""

    beta: float
    q: float
    p: float
    i2: float


def large_enough(phenotype: Phenotype, groups: np.ndarray) -> list[str]:
    """Groups with enough samples (and, of a binary trait, of each class) to be tested alone, sorted."""
    found = []
    for name in np.unique(groups[phenotype.known]):
        y = phenotype.values[(groups == name) & phenotype.known]
        fewest = min(y.sum(), y.size - y.sum()) if phenotype.binary else EACH_CLASS
        if y.size >= SAMPLES and fewest >= EACH_CLASS and np.ptp(y) > 0:
            found.append(str(name))
    return found


def effects_by_group(
    values: np.ndarray, phenotype: Phenotype, covariates: np.ndarray, groups: np.ndarray
) -> pd.DataFrame:
    """Wald effects of some features in every group that is `large_enough`.

    Parameters
    ----------
    values : float (k, n_samples), NaN where missing
    phenotype : Phenotype
    covariates : float64 (n_samples, c), intercept included
    groups : str (n_samples,)

    Returns
    -------
    DataFrame
        A row a (feature, group) in which the feature varies: `COLUMNS`; ``row`` is the feature's place in
        `values`, ``carriers`` the samples whose value is not the most common one, ``p`` two-sided of beta /
        se. Binary traits: Firth's penalised fit, so that an effect is finite where a group is separated;
        others: least squares.
    """
    rows = []
    for name in large_enough(phenotype, groups):
        inside = (groups == name) & phenotype.known
        for i, own in enumerate(values):
            here = inside & ~np.isnan(own)
            x = np.asarray(own[here], np.float64)
            y = phenotype.values[here]
            if x.size == 0 or np.ptp(x) == 0 or np.ptp(y) == 0:
                continue
            design = covariates[here]
            design = design[:, independent(design)]
            beta, se, test = _fit(x[None], replace(phenotype, values=y), design)
            if not np.isfinite(beta + se):
                continue
            counts = np.unique(x, return_counts=True)[1]
            p = 2 * float(norm.sf(abs(beta) / se)) if se > 0 else np.nan
            cases = int(y.sum()) if phenotype.binary else -1
            size = (int(here.sum()), cases, int(x.size - counts.max()))
            ends = (beta - Z95 * se, beta + Z95 * se)
            rows.append((i, name, *size, test, beta, se, *ends, p))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _fit(x: np.ndarray, phenotype: Phenotype, design: np.ndarray) -> tuple[float, float, str]:
    if not phenotype.binary:
        found = ols(x, phenotype.values, design)
        return float(found["beta"].iloc[0]), float(found["se"].iloc[0]), "ols wald"
    try:
        fits = fit_firth(x, fit_null(phenotype.values, design))
    except ValueError:  # covariates that tell all cases of the group from its controls
        return float("nan"), float("nan"), "firth wald"
    return float(fits.beta[0]), float(fits.se[0]), "firth wald"


def heterogeneity(beta: np.ndarray, se: np.ndarray) -> Heterogeneity:
    """Whether effects of groups differ by more than their errors; NaN with fewer than two groups."""
    known = np.isfinite(beta) & np.isfinite(se) & (se > 0)
    beta, weight = beta[known], se[known] ** -2.0
    if beta.size < 2:
        mean = float(beta[0]) if beta.size else float("nan")
        return Heterogeneity(mean, float("nan"), float("nan"), float("nan"))
    mean = float((weight * beta).sum() / weight.sum())
    q = float((weight * (beta - mean) ** 2).sum())
    dof = beta.size - 1
    return Heterogeneity(mean, q, float(chi2.sf(q, dof)), max(0.0, (q - dof) / q) if q else 0.0)
