"""Whether a feature says the same of a base on both strands.

The two readings of a base see different sides of it, so a causal model need not agree with itself base by
base; sums over neighbouring bases tolerate different positions of the two readings on a motif.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from feature_mining.feature_map import Csr

# Neighbouring bases summed for the second correlation.
BIN = 64


class StrandSums(NamedTuple):
    """Sums over pairs of readings, float64; ``merge`` adds two parts.

    n : pairs; plus, minus : (F) sums; plus_square, minus_square, product : (F) of squares and products
    """

    n: float
    plus: np.ndarray
    minus: np.ndarray
    plus_square: np.ndarray
    minus_square: np.ndarray
    product: np.ndarray

    def merge(self, other: StrandSums) -> StrandSums:
        """Both together."""
        return StrandSums(self.n + other.n, *(np.add(a, b) for a, b in zip(self[1:], other[1:], strict=True)))

    def correlation(self) -> np.ndarray:
        """Pearson correlation float64 (F); NaN for a feature that is constant on a strand."""
        product = self.n * self.product - self.plus * self.minus
        plus = self.n * self.plus_square - self.plus**2
        minus = self.n * self.minus_square - self.minus**2
        spread = np.sqrt(np.maximum(plus, 0) * np.maximum(minus, 0))
        return np.divide(product, spread, out=np.full(len(spread), np.nan), where=spread > 0)


def strand_sums(plus: Csr, minus: Csr, use: np.ndarray) -> tuple[StrandSums, StrandSums]:
    """Sums of one stretch, base by base and over bins of ``BIN`` bases.

    Parameters
    ----------
    plus, minus : Csr
        Row ``r`` is the same base in both.
    use : bool (n)
        Bases with a value on both strands; the others count nowhere. A bin with one of them is left out.

    Raises
    ------
    ValueError
        Stretches of different lengths.
    """
    if not plus.n_rows == minus.n_rows == len(use):
        raise ValueError(
            f"strands of {plus.n_rows} and {minus.n_rows} bases, a mask of {len(use)}: they must be equal"
        )
    a, b = _matrix(plus), _matrix(minus)
    whole = len(use) // BIN
    rows = np.arange(whole * BIN)
    pool = csr_matrix((np.ones(len(rows)), (rows // BIN, rows)), shape=(whole, len(use)))
    full = use[: whole * BIN].reshape(whole, BIN).all(axis=1)
    return _sums(a[use], b[use]), _sums((pool @ a)[full], (pool @ b)[full])


def _matrix(features: Csr) -> csr_matrix:
    shape = (features.n_rows, features.n_features)
    values = features.values.astype(np.float64)
    return csr_matrix((values, features.indices, features.indptr), shape=shape)


def _sums(a: csr_matrix, b: csr_matrix) -> StrandSums:
    parts = (a, b, a.multiply(a), b.multiply(b), a.multiply(b))
    return StrandSums(float(a.shape[0]), *(np.asarray(p.sum(axis=0)).ravel() for p in parts))
