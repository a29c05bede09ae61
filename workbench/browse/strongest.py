"""Where each feature is strongest along sequence, piece by piece, and how rare that is on the genome."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.browse.value_scale import ValueScale


class Strongest:
    """The strongest base of each feature, and how often it is active.

    Parameters
    ----------
    features : int
        Of the autoencoder.
    warmup : int
        Letters that the study discards for want of context; bases with fewer before them do not count,
        unless a feature is active at no others.
    """

    def __init__(self, features: int, warmup: int) -> None:
        # First what has its context, then what is warm-up.
        self.warmup, shape = warmup, (2, features)
        self.largest = np.zeros(shape, np.float32)
        self.position = np.zeros(shape, np.int64)
        self.minus = np.zeros(shape, bool)
        self.bases = np.zeros(shape, np.int64)

    def add(
        self,
        features: np.ndarray,
        values: np.ndarray,
        positions: np.ndarray,
        minus: np.ndarray,
        context: np.ndarray,
    ) -> None:
        """Take letters at which features are active, each ``(n,)``: feature, value above 0, position, whether
        the minus strand was read, and letters before it in that reading. Of equal values the first counts.
        """
        warm = (context < self.warmup).astype(np.int64)
        cell = warm * self.bases.shape[1] + features
        self.bases += np.bincount(cell, minlength=self.bases.size).reshape(self.bases.shape)
        order = np.lexsort((-values, cell))
        best = order[np.diff(cell[order], prepend=-1) != 0]
        best = best[values[best] > self.largest.flat[cell[best]]]
        for own, given in ((self.largest, values), (self.position, positions), (self.minus, minus)):
            own.flat[cell[best]] = given[best]

    def table(self, catalog: pd.DataFrame, scale: ValueScale) -> pd.DataFrame:
        """A row a feature that is active.

        Parameters
        ----------
        catalog : DataFrame
            ``dead`` by feature.
        scale : ValueScale

        Returns
        -------
        DataFrame
            ``feature``, ``bases``, ``largest`` (no unit), ``strand``, ``position``, ``of_top`` (share of full
            scale, which may exceed 1), ``rarity`` (`ValueScale.rarity`) and ``aside``: why a row is not
            ranked, ``dead`` or ``warm-up`` (active there alone), else empty. Ranked rows first, the rarest
            value first.
        """
        features = np.flatnonzero(self.bases.any(axis=0))
        warm = (self.bases[0, features] == 0).astype(np.int64)
        at = warm, features
        values = self.largest[at].astype(np.float64)
        table = pd.DataFrame(
            {
                "feature": features,
                "bases": self.bases[at],
                "largest": self.largest[at],
                "strand": np.where(self.minus[at], "-", "+"),
                "position": self.position[at],
                "of_top": values / scale.top[features],
                "rarity": scale.rarity(features, values),
            }
        )
        dead = catalog["dead"].reindex(features).to_numpy(bool)
        table["aside"] = np.select([dead, warm == 1], ["dead", "warm-up"], "").astype(object)
        table["_last"] = table["aside"] != ""
        order = table.sort_values(["_last", "rarity", "of_top"], ascending=[True, True, False], kind="stable")
        return order.drop(columns="_last").reset_index(drop=True)
