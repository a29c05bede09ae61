"""On what scale a feature's values are shown, and how rare one of them is on the genome.

Both from the calibration of the autoencoder, which knows the quantiles of each feature's active values, and
from the catalog, which knows how often it is active.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from feature_mining.sae.config import read_quantiles

if TYPE_CHECKING:
    from workbench.study.study import Study


class ValueScale(NamedTuple):
    """Scales of all features of a study.

    top : float64 (F), full scale: the 99.9 % quantile of a feature's active values; its largest value where
        the study has no quantile of it
    density : float64 (F), share of readings at which it is active
    levels : float64 (q), ascending; quantiles : float64 (F, q), of active values, NaN where there is none
    """

    top: np.ndarray
    density: np.ndarray
    levels: np.ndarray
    quantiles: np.ndarray

    def rarity(self, features: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Share of the genome's readings at which a feature is at least as strong, float64 (n).

        Straight lines between quantiles; never below the tail of the highest. A feature without quantiles
        gets its density.
        """
        tail = np.ones(len(features))
        for i, (feature, value) in enumerate(zip(features, values, strict=True)):
            known = self.quantiles[feature]
            if np.isfinite(known).all():
                tail[i] = np.interp(value, [0.0, *known], [1.0, *(1 - self.levels)])
        return self.density[features] * tail


def read_scale(study: Study, catalog: pd.DataFrame) -> ValueScale:
    """The scales of a study; of its catalog alone where it has no calibration."""
    ordered = catalog.iloc[np.argsort(catalog["feature"].to_numpy())]
    largest = ordered["max"].to_numpy(np.float64)
    try:
        levels, quantiles = read_quantiles(study.folder / "sae")
    except ValueError:  # an imported autoencoder, or a study made by hand
        levels, quantiles = np.zeros(1), np.full((len(largest), 1), np.nan)
    highest = quantiles[:, -1]
    top = np.where(highest > 0, highest, np.where(largest > 0, largest, 1.0))
    return ValueScale(top, ordered["density"].to_numpy(np.float64), levels, quantiles)
