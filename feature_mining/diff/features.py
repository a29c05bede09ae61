"""Features of one dictionary with two models: which appeared, vanished, moved, or fire more or less often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from feature_mining.diff.matching import sparse
from feature_mining.diff.null import FEWEST, against_null
from feature_mining.false_discovery import q_values
from feature_mining.feature_map import Csr

# Bases of the two sides together at which a feature has to be active to be compared.
LEAST_ACTIVE = 20
# Times as often, from which a feature appeared or vanished, and from which its density changed.
GONE, DENSER = 10.0, 2.0
# Correlation below which a feature that both have is another one.
ROTATED = 0.5
Q = 0.05


class FeatureSums:
    """Sums of a dictionary's features on the same bases with several models, the first one's beside each.

    Attributes
    ----------
    bases : int
    active : ndarray
        int64 ``(models, features)``, bases at which a feature is active.
    moments : ndarray
        float64 ``(models, 3, features)``: sums of values, of squares, of products with the first model's.
    """

    def __init__(self, models: int, features: int) -> None:
        self.bases = 0
        self.active = np.zeros((models, features), np.int64)
        self.moments = np.zeros((models, 3, features))

    def add(self, codes: Sequence[Csr]) -> None:
        """Add the same bases with every model."""
        first = sparse(codes[0])
        self.bases += first.shape[0]
        for i, code in enumerate(codes):
            own = sparse(code)
            self.active[i] += own.getnnz(axis=0)
            for moment, each in enumerate((own, own.multiply(own), own.multiply(first))):
                self.moments[i, moment] += np.asarray(each.sum(axis=0)).ravel()

    def correlation(self) -> np.ndarray:
        """Pearson's with the first model, float64 (models, features); NaN where a side is constant."""
        mean, square, product = (self.moments[:, i] / max(1, self.bases) for i in range(3))
        spread = np.sqrt(np.maximum(square - mean**2, 0))
        both = spread * spread[0]
        out = np.full(both.shape, np.nan)
        np.divide(product - mean * mean[0], both, out=out, where=both > 0)
        return out


def compare_features(sums: FeatureSums) -> pd.DataFrame:
    """Each feature with the second model against the first; models from the third on are the null.

    Returns
    -------
    DataFrame
        ``feature``; ``active_a, active_b`` in bases; ``ratio`` of densities, b to a, half a base added to
        each; ``correlation``, NaN where one side is silent; ``null_ratio, null_correlation``, means over the
        null; ``p, q`` of the change against the null, NaN where it was not tested; ``change``: ``silent``,
        ``kept``, ``appeared``, ``vanished``, ``rotated``, ``more`` or ``less``; ``counts``, whether it is
        more than the null's.
    """
    active = sums.active
    ratio = (active + 0.5) / (active[0] + 0.5)
    correlation = sums.correlation()
    table = pd.DataFrame(
        {
            "feature": np.arange(active.shape[1]),
            "active_a": active[0],
            "active_b": active[1],
            "ratio": ratio[1],
            "correlation": correlation[1],
        }
    )
    tested = active[0] + active[1] >= LEAST_ACTIVE
    table["null_ratio"], table["null_correlation"], table["p"] = np.nan, np.nan, np.nan
    if len(active) > 2:
        table["null_ratio"] = np.exp(np.log(ratio[2:]).mean(axis=0))
        table["null_correlation"] = np.nan_to_num(correlation[2:]).mean(axis=0)
    if len(active) > 3 and tested.sum() >= FEWEST:
        size = np.log(active[0] + 1.0)[tested, None]
        # Of two tests the smaller p, twice.
        scores = (np.log(ratio), np.arctanh(np.clip(np.nan_to_num(correlation), -0.999999, 0.999999)))
        found = [against_null(s[1][tested], s[2:][:, tested], size).p for s in scores]
        table.loc[tested, "p"] = np.minimum(1.0, 2 * np.minimum(*found))
    table["q"] = q_values(table["p"].to_numpy())
    table["change"] = _changes(table, tested)
    table["counts"] = table["q"] < Q
    return table


def _changes(table: pd.DataFrame, tested: np.ndarray) -> np.ndarray:
    ratio, correlation = table["ratio"].to_numpy(), table["correlation"].to_numpy()
    cases = {
        "silent": ~tested,
        "vanished": ratio < 1 / GONE,
        "appeared": ratio > GONE,
        "rotated": np.nan_to_num(correlation) < ROTATED,
        "less": ratio < 1 / DENSER,
        "more": ratio > DENSER,
    }
    return np.select(list(cases.values()), list(cases), "kept")
