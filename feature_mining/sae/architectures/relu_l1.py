"""ReLU with an L1 penalty on the codes (Cunningham et al. 2023, arXiv 2309.08600), for comparison.

The penalty is the sum of a row's codes over the spread of the inputs, so that one weight means the same in
any width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from feature_mining.sae.architectures.dense import Dense, Loss
from feature_mining.sae.architectures.form import Parameters
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.penalty import Weight


class ReLUL1(Dense):
    """Training form; ``weight`` is that of the penalty."""

    def __init__(self, init: Initialisation) -> None:
        super().__init__(init)
        self.weight = Weight(init.k, init.l1, init.steps)

    def buffers(self) -> Parameters:
        return {"weight": self.weight.state}

    def loss(self, p: Parameters, centred: Tensor, target: Tensor) -> Loss:
        codes = torch.addmm(p["b_enc"], centred, p["encoder"].T).relu()
        error = torch.addmm(p["b_dec"], codes, p["decoder"]) - target
        rows = len(target) * self.ranks.count
        l1 = codes.float().sum() / (rows * math.sqrt(self.variance))
        return Loss(self.share(error) + self.weight.value * l1, error, codes)

    def after_step(self, l0: float) -> None:
        self.weight.update(l0)

    def folded(self, scale: float, threshold: float) -> Parameters:
        """A feature is active above 0; ``threshold`` has no part."""
        return super().folded(scale, 0.0)
