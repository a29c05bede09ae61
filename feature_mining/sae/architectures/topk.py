"""TopK (Gao et al. 2024, arXiv 2406.04093): the ``k`` largest values of each position are active.

Training is that of ``batch_topk`` but for the choice of active pairs. At inference the choice is the same,
row by row, so that L0 is ``k`` and no threshold is needed.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae import kernels
from feature_mining.sae.architectures.batch_topk import BatchTopK, Pairs
from feature_mining.sae.model import BLOCK


class TopK(BatchTopK):
    """Training form; attributes are those of ``Form``."""

    def folded(self, scale: float, threshold: float) -> dict[str, Tensor]:
        # A row keeps its k largest values whatever the threshold: any positive one may be among them.
        return super().folded(scale, 0.0)

    def _select(self, centred: Tensor) -> Pairs:
        """The ``k`` largest positive values of each row; of equal ones at the cut, the first."""
        k = self.k
        indices = np.empty((len(centred), k), np.int32)
        values = np.empty((len(centred), k), np.float32)
        counts = np.empty(len(centred), np.int64)
        for start in range(0, len(centred), BLOCK):
            part = slice(start, start + BLOCK)
            piece = self._before_activation(centred[part])
            kernels.top_rows(piece.numpy(), k, counts[part], indices[part], values[part])
        used = np.arange(k) < counts[:, None]
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return Pairs(indptr, indices[used], values[used])

    def _keep(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        best = codes.topk(self.k, dim=1, sorted=False)
        return torch.zeros_like(codes).scatter_(1, best.indices, best.values), best.values.flatten()
