"""Hits of one part of a cohort, tested again in the other."""

from __future__ import annotations

import numpy as np
import pandas as pd


def split_samples(column: pd.Series, discovery: str) -> np.ndarray:
    """Which samples are for discovery, bool (n_samples,).

    Raises
    ------
    ValueError
        No sample has that value, or all have.
    """
    chosen = (column.astype(str) == discovery).to_numpy()
    if chosen.all() or not chosen.any():
        values = ", ".join(sorted(column.astype(str).unique())[:10])
        raise ValueError(
            f"column {column.name}: {int(chosen.sum())} of {len(chosen)} samples are {discovery!r}, expected"
            f" some but not all; its values are {values}"
        )
    return chosen


def compare(discovery: pd.DataFrame, replication: pd.DataFrame, level: float = 0.05) -> pd.DataFrame:
    """Whether what was found is found again.

    Parameters
    ----------
    discovery, replication : tables of `scan`, the same features in the same order

    Returns
    -------
    DataFrame, one row a feature: discovery_p, discovery_beta, discovery_q, replication_p,
    replication_beta, same_direction, replicated (discovery q <= level; then, in the other part, the same
    direction and a one-sided p at or below level divided by the number of patterns tested again)
    """
    found = (discovery["q"] <= level).to_numpy()
    retested = discovery.loc[found, "pattern"].nunique()
    same = np.sign(discovery["beta"]) == np.sign(replication["beta"])
    one_sided = np.where(same, replication["p"] / 2, 1 - replication["p"] / 2)
    return pd.DataFrame(
        {
            "discovery_p": discovery["p"],
            "discovery_beta": discovery["beta"],
            "discovery_q": discovery["q"],
            "replication_p": replication["p"],
            "replication_beta": replication["beta"],
            "same_direction": same & discovery["beta"].notna() & replication["beta"].notna(),
            "replicated": found & (one_sided <= level / max(retested, 1)),
        }
    )
