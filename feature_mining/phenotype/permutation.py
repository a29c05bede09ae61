"""Permutation within lineage: p of single features, and of the best of a short list."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from feature_mining.phenotype.design import Phenotype, independent
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
        return self._share(extreme)

    @property
    def largest(self) -> np.ndarray:
        """Largest |z| of all features under each permutation, float64 (count,); 0 without features."""
        return np.nan_to_num(np.abs(self.null)).max(axis=0, initial=0.0)

    def family_p(self, largest: np.ndarray) -> np.ndarray:
        """P of the smallest p of a family whose `largest` are given (Westfall and Young's min-P)."""
        return self._share((largest >= np.abs(self.z)[:, None] - 1e-12).sum(axis=1))

    def _share(self, extreme: np.ndarray) -> np.ndarray:
        p: np.ndarray = (1 + extreme) / (1 + self.null.shape[1])
        return np.where(np.isnan(self.z), np.nan, p)


def shuffle_within(groups: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Orders of the samples that leave each in its group: int32 (count, n_samples)."""
    random = np.random.default_rng(seed)
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    home = np.argsort(codes, kind="stable")
    orders = np.empty((count, len(codes)), np.int32)
    for row in orders:
        # Sorted by group, ties broken at random: a permutation within every group at once.
        row[home] = np.lexsort((random.random(len(codes)), codes))
    return orders


class Permutation:
    """Residuals of a trait that change places within groups, ready for block after block of features.

    Parameters
    ----------
    phenotype : Phenotype
    covariates : float64 (n_samples, c), intercept included
    groups : (n_samples,)
        Lineage, or whatever may not be exchanged.
    count, seed : int

    Notes
    -----
    Residuals of the fit to the covariates are permuted (Freedman and Lane 1983) and fitted to the
    covariates again. Each statistic is divided by the standard deviation that the null fit gives it, so that
    the largest |z| belongs to the smallest p.
    """

    def __init__(
        self,
        phenotype: Phenotype,
        covariates: np.ndarray,
        groups: np.ndarray,
        count: int = 999,
        seed: int = 0,
    ) -> None:
        known = phenotype.known
        y, c = phenotype.values[known], covariates[known]
        c = c[:, independent(c)]
        self._known, self._codes = known, np.asarray(groups)[known]
        if phenotype.binary:
            null = fit_null(y, c)
            self._weight, residual = null.mean * (1 - null.mean), y - null.mean
        else:
            basis, _ = np.linalg.qr(c)
            self._weight, residual = np.ones(len(y)), y - basis @ (basis.T @ y)
            residual = residual / np.sqrt(residual @ residual / (len(y) - c.shape[1]))
        self._root = np.sqrt(self._weight)
        self._basis, _ = np.linalg.qr(c * self._root[:, None])
        orders = shuffle_within(self._codes, count, seed)
        self._columns = np.vstack([residual[None], residual[orders]]).T
        self._columns = np.ascontiguousarray(self._columns)

    def scores(self, values: np.ndarray) -> Permuted:
        """Statistics of features (k, n_samples); NaN counts as the mean of the feature's group."""
        x = _fill_within(np.asarray(values[:, self._known], np.float64), self._codes)
        # The feature outside the covariates, in the metric of the fit: its product with any residual is
        # the score after that residual has been fitted to the covariates again.
        back = (self._basis / np.maximum(self._root, 1e-12)[:, None]).T
        outside = x - ((x * self._root) @ self._basis) @ back
        variance = (outside**2) @ self._weight
        varies = variance > 1e-9 * (x**2 @ self._weight)
        z = outside @ self._columns / np.sqrt(np.where(varies, variance, np.nan))[:, None]
        return Permuted(z[:, 0], z[:, 1:])


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
