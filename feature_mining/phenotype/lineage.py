"""Is it the locus or the lineage: what of a hit remains once lineages are held fixed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.phenotype.moments import moments

LEVEL = 0.05


# Samples below which lineages are put together as "other".
SMALLEST = 10


def indicators(groups: np.ndarray) -> pd.DataFrame:
    """One column of 0 and 1 for each lineage, the largest left out (it is what the others are held against).

    No columns, a row a sample, where there is one lineage alone, or small ones alone.

    Parameters
    ----------
    groups : str (n_samples,)
        Lineages of fewer than `SMALLEST` samples become one, "other".
    """
    names = pd.Series(np.asarray(groups, dtype=str))
    names = names.where(names.map(names.value_counts()) >= SMALLEST, "other")
    columns = names.value_counts().index[1:]
    found = {f"lineage {c}": (names == c).astype(np.float64) for c in sorted(columns)}
    return pd.DataFrame(found, index=names.index)


def lineage_share(values: np.ndarray, lineages: pd.DataFrame) -> pd.DataFrame:
    """How much of each feature is lineage.

    Parameters
    ----------
    values : float (n_features, n_samples); NaN counts as the feature's mean
    lineages : columns of indicators or principal components, (n_samples, k)

    Returns
    -------
    DataFrame, one row a feature: lineage (column that it correlates with most), lineage_correlation,
    lineage_r2 (share of its variance that all of them explain); empty, NaN and NaN where there are none
    """
    if not lineages.shape[1]:
        nothing = {"lineage": "", "lineage_correlation": np.nan, "lineage_r2": np.nan}
        return pd.DataFrame(nothing, index=range(len(values)))
    filled = _filled(values)
    columns = lineages.to_numpy(np.float64)
    n = len(columns)
    centred = columns - columns.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    basis, _ = np.linalg.qr(np.column_stack([np.ones(n), columns]))
    one = np.ones((n, 1)) / np.sqrt(n)
    side = np.column_stack([centred / np.where(length > 0, length, 1), basis, one])
    products, squares = moments(filled, side, np.ones(n))
    k = columns.shape[1]
    variance = squares - products[:, -1] ** 2
    variance = np.where(variance > 1e-9 * squares, variance, np.nan)
    correlation = products[:, :k] / np.sqrt(variance)[:, None]
    best = np.abs(np.nan_to_num(correlation)).argmax(axis=1)
    explained = (products[:, k:-1] ** 2).sum(axis=1) - products[:, -1] ** 2
    return pd.DataFrame(
        {
            "lineage": np.asarray(lineages.columns, dtype=object)[best],
            "lineage_correlation": correlation[np.arange(len(best)), best],
            "lineage_r2": np.clip(explained / variance, 0.0, 1.0),
        }
    )


def locus_or_lineage(unadjusted: np.ndarray, adjusted: np.ndarray, tests: int) -> np.ndarray:
    """The word on each feature, str (n_features,).

    "locus": significant with lineages held fixed; "lineage": only without; "": neither. Significant is a
    p at or below 0.05 after Bonferroni's correction for `tests`.
    """
    bound = LEVEL / max(tests, 1)
    words = np.where(unadjusted <= bound, "lineage", "").astype(object)
    words[adjusted <= bound] = "locus"
    return words


def _filled(values: np.ndarray) -> np.ndarray:
    missing = np.isnan(values)
    if not missing.any():
        return values
    mean = np.nan_to_num(np.nansum(values, axis=1) / np.maximum((~missing).sum(axis=1), 1))
    return np.where(missing, mean[:, None], values)
