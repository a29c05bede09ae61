"""How many tests were really made, and what a p is worth among them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.association.multiplicity import benjamini_hochberg
from feature_mining.phenotype.patterns import Patterns

LARGEST = 6000
"""Side of the largest matrix whose eigenvalues are taken."""

CELLS = 50_000_000
"""Numbers (features x samples) of a block that are held as float64 at a time."""


def effective_tests(values: np.ndarray) -> tuple[float, float]:
    """Effective number of independent tests among correlated features.

    Parameters
    ----------
    values : float (n_features, n_samples); NaN counts as the feature's mean, constant features for nothing

    Returns
    -------
    li_ji, galwey : float
        Sum over eigenvalues of the correlation matrix of [x >= 1] + frac(x) (Li and Ji 2005), and
        (sum sqrt x)² / sum x (Galwey 2009); neither above the rank, min(n_features, n_samples - 1).

    Notes
    -----
    The eigenvalues that are not zero are also those of the samples' Gram matrix, which is taken where
    there are more features than a block holds. Where there are more samples than `LARGEST` as well, the
    numbers of the blocks are added up: an upper bound.
    """
    n_features, n = values.shape
    size = max(1, min(LARGEST, CELLS // n))
    blocks = [values[i : i + size] for i in range(0, n_features, size)]
    if len(blocks) <= 1 or n > LARGEST:
        parts = [_standard(block) for block in blocks]
        spectra = [np.linalg.eigvalsh(x @ x.T) for x in parts]
        used = sum(len(x) for x in parts)
    else:
        gram, used = np.zeros((n, n)), 0
        for block in blocks:
            x = _standard(block)
            gram += x.T @ x
            used += len(x)
        spectra = [np.linalg.eigvalsh(gram)]
    rank = float(min(used, n - 1))
    counts = [_counts(spectrum) for spectrum in spectra if spectrum.size]
    return min(sum(c[0] for c in counts), rank), min(sum(c[1] for c in counts), rank)


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


def adjust(p: np.ndarray, patterns: Patterns, li_ji: float) -> pd.DataFrame:
    """q, Bonferroni and effective-number adjusted p of features, their patterns counted once.

    Parameters
    ----------
    p : float64 (n_features,), equal within a pattern, NaN where not tested
    patterns : Patterns
    li_ji : float
        Effective number of tests.

    Returns
    -------
    DataFrame, one row a feature: q (Benjamini-Hochberg over patterns), bonferroni (times the number of
    tested patterns), meff_p (Sidak with the effective number)
    """
    once = p[patterns.first]
    tested = int((~np.isnan(once)).sum())
    # expm1 and log1p: 1 - (1 - p)^M is all rounding for a small p.
    sidak = -np.expm1(max(li_ji, 1.0) * np.log1p(-np.minimum(p, 1 - 1e-16)))
    return pd.DataFrame(
        {
            "q": benjamini_hochberg(once)[patterns.of],
            "bonferroni": np.minimum(p * tested, 1.0),
            "meff_p": np.maximum(sidak, p),
        }
    )
