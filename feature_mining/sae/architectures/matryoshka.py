"""Matryoshka-BatchTopK (Bussmann et al. 2025, arXiv 2503.17547): the first features must reconstruct alone.

The features are cut into nested prefixes; each reconstructs by itself, and the loss is the mean over them.
Early features learn general concepts, late ones specific ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from feature_mining.sae.architectures.dense import Dense, Loss
from feature_mining.sae.architectures.form import Parameters
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.selection import keep_largest

# Shares of the features in each prefix.
FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


def prefix_ends(d_sae: int) -> list[int]:
    """How many features each prefix has, ascending."""
    return sorted({max(1, round(d_sae * share)) for share in FRACTIONS})


class Matryoshka(Dense):
    """Training form; ``ends`` holds how many features each prefix has."""

    def __init__(self, init: Initialisation) -> None:
        super().__init__(init)
        self.ends = prefix_ends(init.d_sae)

    def loss(self, p: Parameters, centred: Tensor, target: Tensor) -> Loss:
        pre = torch.addmm(p["b_enc"], centred, p["encoder"].T)
        codes, _ = keep_largest(pre.relu(), self.k, self.ranks)
        error = p["b_dec"] - target
        total = torch.zeros((), device=target.device)
        begin = 0
        for end in self.ends:
            error = error + codes[:, begin:end] @ p["decoder"][begin:end]
            total = total + self.share(error) / len(self.ends)
            begin = end
        return Loss(total, error, codes)
