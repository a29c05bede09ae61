"""Calibration of p-values: genomic inflation, quantiles, and a warning where inflation is uninformative."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

# Independent tests below which the median statistic is no measure of inflation.
FEWEST_TESTS = 1000

MEDIAN = float(stats.chi2.ppf(0.5, 1))

TARGETED = (
    "inflation is uninformative here: {tests:.0f} independent tests, fewer than {bound}, cannot be mostly"
    " null when the regions were chosen for this trait; rely on the permutation within lineage"
)


def inflation(p: np.ndarray) -> float:
    """Genomic inflation: median chi-square of the p-values over that of chance (Devlin and Roeder 1999)."""
    p = p[~np.isnan(p)]
    return float(stats.chi2.isf(np.median(p), 1) / MEDIAN) if p.size else float("nan")


def calibration_row(name: str, p: np.ndarray) -> dict[str, object]:
    """Summary of a set of p-values.

    Returns
    -------
    dict: set, n_tests, inflation (lambda), share_below_05, uniform_p (Kolmogorov-Smirnov against uniform;
    too small where tests depend on each other)
    """
    p = p[~np.isnan(p)]
    return {
        "set": name,
        "n_tests": int(p.size),
        "inflation": inflation(p),
        "share_below_05": float((p <= 0.05).mean()) if p.size else float("nan"),
        "uniform_p": float(stats.kstest(p, "uniform").pvalue) if p.size else float("nan"),
    }


def by_frequency(p: np.ndarray, mac: np.ndarray, n: np.ndarray) -> pd.DataFrame:
    """`calibration_row` by minor frequency: below 1 %, to 5 %, to 20 %, above."""
    frequency = mac / n
    rows = []
    for low, high in ((0.0, 0.01), (0.01, 0.05), (0.05, 0.2), (0.2, 1.0)):
        inside = (frequency >= low) & (frequency < high)
        if inside.any():
            rows.append(calibration_row(f"minor frequency {low:g}-{high:g}", p[inside]))
    return pd.DataFrame(rows)


def quantiles(p: np.ndarray, points: int = 200) -> pd.DataFrame:
    """Points of a quantile plot, evenly spaced in log p.

    Returns
    -------
    DataFrame: expected, observed (-log10 p), low, high (95 % of the order statistic of independent tests)
    """
    p = np.sort(p[~np.isnan(p)])
    m = p.size
    if not m:
        return pd.DataFrame(columns=["expected", "observed", "low", "high"])
    rank = np.unique(np.geomspace(1, m, points).round().astype(int))
    return pd.DataFrame(
        {
            "expected": -np.log10(rank / (m + 1)),
            "observed": -np.log10(p[rank - 1]),
            "low": -np.log10(stats.beta.ppf(0.975, rank, m + 1 - rank)),
            "high": -np.log10(stats.beta.ppf(0.025, rank, m + 1 - rank)),
        }
    )


def warning(independent_tests: float) -> str:
    """The reason why lambda is uninformative; empty where it is informative."""
    if independent_tests >= FEWEST_TESTS:
        return ""
    return TARGETED.format(tests=independent_tests, bound=FEWEST_TESTS)
