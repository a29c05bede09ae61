"""A crosscoder of two sides: which of its features belong to both, to one, or point elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from feature_mining.sae.measures.dictionary import unit
from feature_mining.sae.model import SparseAutoencoder

# Share of a feature's length on one side from which it belongs to that side alone.
ALONE = 0.9
# Cosine of its two directions below which a feature of both is turned.
TURNED = 0.5


class Sides(NamedTuple):
    """Sums over held-out bases, of each side; additive.

    bases : int
    active : int64 (features)
    mean : float64 (width), of activations side by side; square : float64 (2), of their lengths
    lost : float64 (2), squared distances of what is reconstructed
    """

    bases: int
    active: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    lost: np.ndarray

    def plus(self, other: Sides) -> Sides:
        """Both together."""
        return Sides(
            self.bases + other.bases, self.active + other.active, self.mean + other.mean,
            self.square + other.square, self.lost + other.lost,
        )  # fmt: skip


def measure_sides(crosscoder: SparseAutoencoder, rows: Tensor) -> Sides:
    """Sums of activations ``(n, d_a + d_b)`` and of what the crosscoder makes of them."""
    codes = crosscoder.encode_sparse(rows)
    apart = rows.cpu() - crosscoder.decode(codes).cpu()
    widths = list(crosscoder.config.sites)
    return Sides(
        len(rows),
        np.bincount(codes.indices, minlength=codes.n_features),
        rows.double().sum(0).cpu().numpy(),
        _squares(rows, widths),
        _squares(apart, widths),
    )


def _squares(rows: Tensor, widths: list[int]) -> np.ndarray:
    return np.array([float((part.double() ** 2).sum()) for part in rows.cpu().split(widths, dim=1)])


def explained(sides: Sides, widths: tuple[int, ...]) -> np.ndarray:
    """Share of each side's variance that the crosscoder explains, float64 (2)."""
    return 1 - sides.lost / _variance(sides, widths)


def _variance(sides: Sides, widths: tuple[int, ...]) -> np.ndarray:
    means = np.split(sides.mean**2 / sides.bases, np.cumsum(widths)[:-1])
    return np.maximum(sides.square - np.array([each.sum() for each in means]), np.finfo(float).tiny)


def describe_crosscoder(crosscoder: SparseAutoencoder, sides: Sides) -> pd.DataFrame:
    """Each feature of a crosscoder of two sides.

    Returns
    -------
    DataFrame
        ``feature, active`` (held-out bases); ``share_b``: length on side b, of both lengths, each in units of
        its side's spread; ``cosine`` of its two directions, NaN where the sides differ in width; ``side``:
        ``a``, ``b``, ``both``, ``turned`` or ``silent``.
    """
    widths = crosscoder.config.sites
    spread = np.sqrt(_variance(sides, widths) / sides.bases)
    length = crosscoder.site_norms().cpu().numpy() / spread
    share = length[:, 1] / np.maximum(length.sum(axis=1), np.finfo(float).tiny)
    cosine = np.full(len(share), np.nan)
    if widths[0] == widths[1]:
        a, b = (unit(part.numpy()) for part in crosscoder.W_dec.cpu().split(list(widths), dim=1))
        cosine = (a * b).sum(axis=1)
    cases = {
        "silent": sides.active == 0,
        "a": share < 1 - ALONE,
        "b": share > ALONE,
        "turned": np.nan_to_num(cosine, nan=1.0) < TURNED,
    }
    side = np.select(list(cases.values()), list(cases), "both")
    return pd.DataFrame(
        {
            "feature": np.arange(len(share)),
            "active": sides.active,
            "share_b": share,
            "cosine": cosine,
            "side": side,
        }
    )
