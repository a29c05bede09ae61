"""Matching pursuit (Mallat and Zhang 1993) with the dictionary of a trained autoencoder, as another encoder.

One linear layer and a threshold take a feature for present when others like it are. Pursuit takes the feature
that explains most of what is left, takes its part off, and looks again, so that likenesses are paid for once.
It needs no training of its own: any dictionary with rows of norm 1 will do. A row is encoded by itself,
whatever else is in the batch. It costs one product with the dictionary and, for each step, one row of its
Gram matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from feature_mining.feature_map import Csr, from_dense
from feature_mining.sae.model import BLOCK, SparseAutoencoder, require_finite
from feature_mining.threads import use_threads

# Steps of a row, at most, as a multiple of ``k``.
_STEPS = 2
# Features whose Gram matrix is still held (1 GiB).
LARGEST = 16_384


class Stop(NamedTuple):
    """Where pursuit ends, from held-out activations.

    level : gain below which nothing more is taken, in units of the activations
    l0 : features a row on the sample
    rows : of the sample
    """

    level: float
    l0: float
    rows: int


class Pursuit:
    """Encodes by matching pursuit; decodes as ``sae`` does.

    Parameters
    ----------
    sae : SparseAutoencoder
        Its decoder is the dictionary and ``b_dec`` the centre; its encoder and thresholds have no part.
    level : float
        Gain (length of what a feature takes off the residual) below which a row is done.
    steps : int
        Most steps of a row; 0 for twice the ``k`` of ``sae``.

    Raises
    ------
    ValueError
        A transcoder, activations normalised one by one, over ``LARGEST`` features, no ``k`` and no steps.
    """

    def __init__(self, sae: SparseAutoencoder, level: float, steps: int = 0) -> None:
        config = sae.config
        if config.d_out or sae.W_skip is not None or config.row_norm:
            raise ValueError("pursuit needs an autoencoder that writes what it reads, as it reads it")
        if config.d_sae > LARGEST:
            raise ValueError(
                f"{config.d_sae:,} features; pursuit holds all their products with each other, so it takes"
                f" at most {LARGEST:,}"
            )
        self.sae, self.level = sae, level
        self.steps = steps or _STEPS * config.k
        if self.steps < 1:
            raise ValueError("the autoencoder has no k of its own: say how many steps")

    def encode(self, x: Tensor | np.ndarray) -> Tensor:
        """Features ``(n, d_sae)`` float32 of activations ``(n, d_in)``."""
        codes, _ = self._pursue(x)
        return torch.from_numpy(codes)

    def encode_sparse(self, x: Tensor | np.ndarray) -> Csr:
        """The same, sparse."""
        codes, _ = self._pursue(x)
        return from_dense(codes)

    def decode(self, features: Tensor | Csr) -> Tensor:
        """Reconstruction ``(n, d_in)``, of the autoencoder."""
        return self.sae.decode(features)

    @cached_property
    def _gram(self) -> np.ndarray:
        return (self.sae.W_dec @ self.sae.W_dec.T).cpu().numpy()

    def _pursue(self, x: Tensor | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes ``(n, m)``, and gains of each step ``(n, steps)`` in order, 0 after the last."""
        rows = torch.from_numpy(np.ascontiguousarray(x)) if isinstance(x, np.ndarray) else x
        require_finite(rows)
        sae = self.sae
        codes = np.zeros((len(rows), sae.config.d_sae), np.float32)
        gains = np.zeros((len(rows), self.steps), np.float32)
        block = sae.W_dec.new_zeros(BLOCK, sae.config.d_in)
        use_threads()
        for start in range(0, len(rows), BLOCK):
            piece = rows[start : start + BLOCK].to(block)
            # Blocks of one shape: not even rounding depends on the rest of the batch.
            block[: len(piece)] = piece - sae.b_dec
            likeness = (block @ sae.W_dec.T).cpu().numpy()[: len(piece)]
            part = slice(start, start + len(piece))
            _match(likeness, self._gram, np.float32(self.level), codes[part], gains[part])
        return codes, gains


def calibrate_stop(
    sae: SparseAutoencoder, batches: Iterable[Tensor | np.ndarray], k: float = 0.0, steps: int = 0
) -> Stop:
    """The level at which rows take ``k`` steps on average (0: those of ``sae``) on held-out activations.

    Raises ``ValueError`` for no rows, or where not one feature is like any of them.
    """
    free = Pursuit(sae, 0.0, steps)
    lows = []
    for batch in batches:
        gains = free._pursue(batch)[1]
        # A row is done when a gain is below the level for the first time, whatever would come after.
        lows.append(np.minimum.accumulate(gains, axis=1))
    together = np.concatenate(lows) if lows else np.zeros((0, 1), np.float32)
    if not together.any():
        raise ValueError("no feature is like any of the held-out activations")
    rows, values = len(together), together[together > 0]
    wanted = round((k or sae.config.k) * rows)
    level = 0.0
    if wanted < len(values):
        level = float(np.partition(values, len(values) - wanted - 1)[len(values) - wanted - 1])
    return Stop(level, float((values > level).sum()) / rows, rows)


@numba.njit(cache=True, nogil=True, parallel=True)
def _match(likeness, gram, level, codes, gains):
    """Pursue each row of ``likeness`` (n, m), overwriting it; adds to ``codes`` (n, m), sets ``gains``."""
    for row in numba.prange(likeness.shape[0]):
        left = likeness[row]
        for step in range(gains.shape[1]):
            best = np.argmax(left)
            gain = left[best]
            if gain <= level or gain <= 0:
                break
            codes[row, best] += gain
            gains[row, step] = gain
            for j in range(left.size):
                left[j] -= gain * gram[best, j]
