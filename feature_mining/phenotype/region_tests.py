"""One p for a region: the aggregated Cauchy test, right however its features are correlated."""

from __future__ import annotations

import numpy as np
import pandas as pd


def acat(p: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Combined p of tests that may depend on each other (Liu and Xie 2020; Liu et al. 2019).

    Parameters
    ----------
    p : float64 (k,), NaN left out
    weights : float64 (k,), non-negative; equal if left out

    Returns
    -------
    float
        NaN if no p is known. A p of exactly 1 counts as 1 - 1/k, as the authors' implementation does.
    """
    p = np.asarray(p, np.float64)
    known = ~np.isnan(p)
    if not known.any():
        return float("nan")
    w = np.ones(p.size) if weights is None else np.asarray(weights, np.float64)
    p, w = p[known], w[known] / w[known].sum()
    p = np.where(p >= 1, 1 - 1 / max(p.size, 2), p)
    # tan near its pole loses every digit: cot(pi p) is 1/(pi p) there.
    term = np.where(p < 1e-15, 1 / (np.maximum(p, 1e-300) * np.pi), np.tan((0.5 - p) * np.pi))
    total = float(term @ w)
    if total > 1e15:
        return 1 / (total * np.pi)
    return float(0.5 - np.arctan(total) / np.pi)


def region_tests(tests: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """`acat` of the column ``p`` within each group of the columns `by`.

    Returns
    -------
    DataFrame: the columns of `by`, test ("acat"), n_tests, p, feature (that of the smallest p)
    """
    rows = []
    for key, group in tests.groupby(by, sort=True, observed=True):
        known = group[group["p"].notna()]
        if known.empty:
            continue
        strongest = known["minus_log10_p"].idxmax()
        rows.append(
            dict(zip(by, key, strict=True))
            | {
                "test": "acat",
                "n_tests": len(known),
                "p": acat(known["p"].to_numpy()),
                "feature": known.loc[strongest, "feature"],
            }
        )
    return pd.DataFrame(rows, columns=[*by, "test", "n_tests", "p", "feature"])
