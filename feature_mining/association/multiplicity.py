"""p-values of z and false discovery rates over a family of tests; NaN stays out of the family."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr


def enrichment_p(z: np.ndarray) -> np.ndarray:
    """One-sided p of an excess, float64, NaN kept; never below the smallest normal float64, 2.2e-308."""
    return np.maximum(ndtr(-np.asarray(z, np.float64)), np.finfo(np.float64).tiny)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """q-values under independence or positive dependence (Benjamini and Hochberg 1995)."""
    return _step_up(p, lambda family: 1.0)


def benjamini_yekutieli(p: np.ndarray) -> np.ndarray:
    """q-values under any dependence (Benjamini and Yekutieli 2001)."""
    return _step_up(p, lambda family: float((1 / np.arange(1, family + 1)).sum()))


def _step_up(p: np.ndarray, penalty: Callable[[int], float]) -> np.ndarray:
    p = np.asarray(p, np.float64)
    known = np.flatnonzero(~np.isnan(p))
    q = np.full(p.shape, np.nan)
    family = known.size
    if family:
        order = known[np.argsort(p[known], kind="stable")]
        raw = p[order] * family * penalty(family) / np.arange(1, family + 1)
        q[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q
