"""Permutation within lineage: p of single features, and of the best of a short list."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from feature_mining.phenotype.design import Phenotype
from feature_mining.phenotype.logistic import fit_null


class Permuted(NamedTuple):
    """Score statistics under permutation.

    Attributes
    ----------
    z : float64 (n_features,)
        Observed.
    null : float64 (n_features, count)
        Under each permutation.
    """

    z: np.ndarray
    null: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """(1 + permutations at least as extreme) / (1 + permutations), of each feature by itself."""
        extreme = (np.abs(self.null) >= np.abs(self.z)[:, None] - 1e-12).sum(axis=1)
        p: np.ndarray = (1 + extreme) / (1 + self.null.shape[1])
        return np.where(np.isnan(self.z), np.nan, p)

    @property
    def family_p(self) -> np.ndarray:
        """The same of the smallest p of all features: the family-wise error rate (Westfall and Young)."""
        top = np.nanmax(np.abs(self.null), axis=0)
        extreme = (top >= np.abs(self.z)[:, None] - 1e-12).sum(axis=1)
        p: np.ndarray = (1 + extreme) / (1 + self.null.shape[1])
        return np.where(np.isnan(self.z), np.nan, p)


def shuffle_within(groups: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Orders of the samples that leave each in its group: int64 (count, n_samples)."""
    random = np.random.default_rng(seed)
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    home = np.argsort(codes, kind="stable")
    orders = np.empty((count, len(codes)), np.int64)
    for row in orders:
        # Sorted by group, ties broken at random: a permutation within every group at once.
        row[home] = np.lexsort((random.random(len(codes)), codes))
    return orders


def permute_scores(
    values: np.ndarray,
    phenotype: Phenotype,
    covariates: np.ndarray,
    groups: np.ndarray,
    count: int = 999,
    seed: int = 0,
) -> Permuted:
    """Score statistics of features when residuals of the trait change places within groups.

    Parameters
    ----------
    values : float (n_features, n_samples)
        A short list, or a sample of all; NaN counts as the mean of the feature's group.
    phenotype : Phenotype
    covariates : float64 (n_samples, c), intercept included
    groups : (n_samples,)
        Lineage, or whatever may not be exchanged.
    count, seed : int

    Notes
    -----
    Residuals of the fit to the covariates are permuted (Freedman and Lane 1983) and fitted to the
    covariates again. Each statistic is divided by its own standard deviation over features' residual
    variance within groups, so that the largest |z| belongs to the smallest p.
    """
    known = phenotype.known
    x, y = np.asarray(values[:, known], np.float64), phenotype.values[known]
    c, codes = covariates[known], np.asarray(groups)[known]
    x = _fill_within(x, codes)
    if phenotype.binary:
        null = fit_null(y, c)
        weight, residual = null.mean * (1 - null.mean), y - null.mean
    else:
        basis, _ = np.linalg.qr(c)
        weight, residual = np.ones(len(y)), y - basis @ (basis.T @ y)
        residual /= np.sqrt(residual @ residual / (len(y) - c.shape[1]))
    root = np.sqrt(weight)
    basis, _ = np.linalg.qr(c * root[:, None])
    # The feature outside the covariates, in the metric of the fit: its product with any residual is the
    # score after that residual has been fitted to the covariates again.
    outside = x - ((x * root) @ basis) @ (basis / np.maximum(root, 1e-12)[:, None]).T
    variance = (outside**2) @ weight
    sd = np.sqrt(np.where(variance > 1e-9 * (x**2 @ weight), variance, np.nan))[:, None]
    orders = shuffle_within(codes, count, seed)
    permuted = outside @ residual[orders].T / sd
    return Permuted((outside @ residual) / sd[:, 0], permuted)


def _fill_within(x: np.ndarray, codes: np.ndarray) -> np.ndarray:
    missing = np.isnan(x)
    if not missing.any():
        return x
    filled = x.copy()
    for code in np.unique(codes):
        here = codes == code
        part, gone = filled[:, here], missing[:, here]
        known = np.maximum((~gone).sum(axis=1), 1)
        mean = np.where(gone, 0.0, part).sum(axis=1) / known
        filled[:, here] = np.where(gone, mean[:, None], part)
    return filled
