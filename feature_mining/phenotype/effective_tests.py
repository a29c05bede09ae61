"""Effective numbers of tests, and adjusted p-values."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.false_discovery import q_values

# Side of the largest matrix whose eigenvalues are taken.
LARGEST = 6000

# Numbers (features x samples) of a block that are held as float64 at a time.
CELLS = 50_000_000


class Effective(NamedTuple):
    """Effective numbers of tests.

    li_ji : sum over eigenvalues x of [x >= 1] + frac(x) (Li and Ji 2005)
    galwey : (sum sqrt x)² / sum x (Galwey 2009)
    """

    li_ji: float
    galwey: float


class EffectiveTests:
    """Effective number of independent tests among correlated features, from blocks of them.

    Parameters
    ----------
    n_samples : int

    Notes
    -----
    Eigenvalues are those of the features' correlation matrix while there are fewer features than samples,
    else of the samples' Gram matrix, to which every block adds its part: all that are not 0 agree. Where
    there are more samples than `LARGEST`, the numbers of blocks are added up instead: an upper bound.
    """

    def __init__(self, n_samples: int) -> None:
        self._n = n_samples
        self._most = min(n_samples, max(1, CELLS // n_samples))
        self._waiting: list[np.ndarray] = []
        self._gram: np.ndarray | None = None
        self._spectra: list[np.ndarray] = []
        self._used = 0

    def add(self, values: np.ndarray) -> None:
        """Count features (k, n_samples); NaN counts as the feature's mean, constant ones for nothing."""
        for start in range(0, len(values), self._most):
            x = _standard(values[start : start + self._most])
            if sum(map(len, self._waiting)) + len(x) > self._most:
                self._fold()
            self._waiting.append(x)
            self._used += len(x)

    def _fold(self) -> None:
        x = np.concatenate(self._waiting)
        self._waiting = []
        if self._n > LARGEST:
            self._spectra.append(np.linalg.eigvalsh(x @ x.T))
        else:
            self._gram = x.T @ x + (0.0 if self._gram is None else self._gram)

    def counts(self) -> Effective:
        """Both numbers, neither above the rank, min(n_features, n_samples - 1)."""
        if not self._used:
            return Effective(0.0, 0.0)
        waiting = np.concatenate([np.empty((0, self._n)), *self._waiting])
        if self._gram is not None:
            spectra = [np.linalg.eigvalsh(self._gram + waiting.T @ waiting)]
        else:
            spectra = [*self._spectra, np.linalg.eigvalsh(waiting @ waiting.T)]
        found = [_counts(spectrum) for spectrum in spectra if spectrum.size]
        rank = float(min(self._used, self._n - 1))
        return Effective(*(min(sum(column), rank) for column in zip(*found, strict=True)))


def _standard(values: np.ndarray) -> np.ndarray:
    """Features with a mean of 0 and a length of 1; constant ones left out."""
    x = np.array(values, dtype=np.float64)
    missing = np.isnan(x)
    if missing.any():
        x[missing] = 0.0
        x -= x.sum(axis=1, keepdims=True) / np.maximum((~missing).sum(axis=1, keepdims=True), 1)
        x[missing] = 0.0
    else:
        x -= x.mean(axis=1, keepdims=True)
    length = np.linalg.norm(x, axis=1)
    varies = length > 1e-12
    standard: np.ndarray = x[varies] / length[varies, None]
    return standard


def _counts(eigenvalues: np.ndarray) -> tuple[float, float]:
    # Rounded: a 2.9999999999 that is a 3 must not count as two tests.
    x = np.round(np.maximum(eigenvalues, 0.0), 8)
    return float(((x >= 1) + x - np.floor(x)).sum()), float(np.sqrt(x).sum() ** 2 / x.sum())


def adjust(p: np.ndarray, patterns: np.ndarray, li_ji: float) -> pd.DataFrame:
    """q, Bonferroni and effective-number adjusted p of features, their patterns counted once.

    Parameters
    ----------
    p : float64 (n_features,), equal within a pattern, NaN where not tested
    patterns : (n_features,)
        Features with one value are one pattern.
    li_ji : float
        Effective number of tests.

    Returns
    -------
    DataFrame, one row a feature: q (Benjamini-Hochberg over patterns), bonferroni (times the number of
    tested patterns), meff_p (Sidak with the effective number)
    """
    _, first, of = np.unique(patterns, return_index=True, return_inverse=True)
    once = p[first]
    tested = int((~np.isnan(once)).sum())
    # expm1 and log1p: 1 - (1 - p)^M is all rounding for a small p.
    sidak = -np.expm1(max(li_ji, 1.0) * np.log1p(-np.minimum(p, 1 - 1e-16)))
    return pd.DataFrame(
        {"q": q_values(once)[of], "bonferroni": np.minimum(p * tested, 1.0), "meff_p": np.maximum(sidak, p)}
    )
