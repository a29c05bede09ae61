"""JumpReLU (Rajamanoharan et al. 2024, arXiv 2407.14435): every feature learns its own threshold.

The threshold has no gradient of its own; a rectangle around it stands in for the jump. Sparsity is pulled
towards ``k`` by ``(L0 / k - 1)²``.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor

from feature_mining.sae.architectures.dense import Dense, Loss
from feature_mining.sae.architectures.form import Parameters
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.model import fold

# Width of the rectangle, as a share of the spread of a fresh feature's pre-activations.
BANDWIDTH = 0.5
# Share of the steps over which the penalty comes in.
WARMUP = 0.1


class JumpReLU(Dense):
    """Training form.

    Attributes
    ----------
    log_threshold : Tensor
        ``(d_sae,)``; starts where ``k`` of the features would be active were pre-activations normal.
    """

    _names = (*Dense._names, "log_threshold")

    def __init__(self, init: Initialisation) -> None:
        super().__init__(init)
        spread = math.sqrt(init.variance / len(init.mean))
        level = NormalDist().inv_cdf(min(max(1 - init.k / init.d_sae, 0.6), 1 - 1e-9))
        self.log_threshold = torch.full_like(self.b_enc, math.log(level * spread))
        self.bandwidth = BANDWIDTH * spread
        self.rise = max(1, round(init.steps * WARMUP))
        self.seen = torch.zeros(1, dtype=torch.int64)

    def buffers(self) -> Parameters:
        return {"seen": self.seen}

    def loss(self, p: Parameters, centred: Tensor, target: Tensor) -> Loss:
        pre = torch.addmm(p["b_enc"], centred, p["encoder"].T)
        codes, step = _Jump.apply(pre.float(), p["log_threshold"].exp(), self.bandwidth)
        error = torch.addmm(p["b_dec"], codes, p["decoder"]) - target
        rows = len(target) * self.ranks.count
        part = step.sum() / (rows * self.k)
        # The derivative of the squared distance, with the level of the whole batch taken as a constant.
        distance = self.ranks.total(float(part.detach())) - 1
        weight = min(1.0, int(self.seen) / self.rise)
        return Loss(self.share(error) + weight * 2 * distance * part, error, codes)

    def after_step(self, l0: float) -> None:
        self.seen += 1

    def folded(self, scale: float, threshold: float) -> Parameters:
        """Its own thresholds go into the inference form; ``threshold`` has no part."""
        own = self.log_threshold.exp()
        return fold(self.encoder.T, self.b_enc, self.decoder, self.b_dec, own, scale)


class _Jump(torch.autograd.Function):
    """``pre`` where it is above the threshold, and 1 there; a rectangle for the threshold's gradient."""

    @staticmethod
    def forward(ctx: Any, pre: Tensor, threshold: Tensor, width: float) -> tuple[Tensor, Tensor]:
        active = (pre > threshold).to(pre.dtype)
        ctx.save_for_backward(pre, threshold, active)
        ctx.width = width
        return pre * active, active

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        by_code, by_step = grads
        pre, threshold, active = ctx.saved_tensors
        near = (pre - threshold).abs() < ctx.width / 2
        jump = near * (by_code * threshold + by_step)
        return by_code * active, -jump.sum(dim=0) / ctx.width, None
