"""Gated (Rajamanoharan et al. 2024, arXiv 2404.16014): gate and magnitude are separate.

With ``z = (x - b_dec) @ encoderᵀ`` a feature is active where ``z + b_gate > 0``, and is then
``relu(exp(r_mag) z + b_mag)``. Only the gate is penalised, so sizes do not shrink; a second reconstruction,
by the gate through a frozen decoder, trains it.

The gate needs no encoder of its own at inference. As ``exp(r_mag) > 0``, ``z > -b_gate`` is the same as
``exp(r_mag) z + b_mag > b_mag - exp(r_mag) b_gate``: a jump threshold on the magnitude's pre-activation.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from feature_mining.sae.architectures.dense import Dense, Loss
from feature_mining.sae.architectures.form import Parameters
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.penalty import Weight
from feature_mining.sae.model import fold


class Gated(Dense):
    """Training form; ``b_gate``, ``b_mag`` and ``r_mag`` are ``(d_sae,)``."""

    _names = ("encoder", "decoder", "b_gate", "b_mag", "r_mag", "b_dec")
    _gate_bias = "b_gate"

    def __init__(self, init: Initialisation) -> None:
        super().__init__(init)
        self.b_gate, self.b_mag, self.r_mag = (torch.zeros_like(self.b_enc) for _ in range(3))
        self.weight = Weight(init.k, init.l1, init.steps)

    def buffers(self) -> Parameters:
        return {"weight": self.weight.state}

    def loss(self, p: Parameters, centred: Tensor, target: Tensor) -> Loss:
        shared = centred @ p["encoder"].T
        gate = (shared + p["b_gate"]).relu()
        codes = (shared * p["r_mag"].exp() + p["b_mag"]).relu() * (gate > 0)
        error = torch.addmm(p["b_dec"], codes, p["decoder"]) - target
        frozen = torch.addmm(p["b_dec"].detach(), gate, p["decoder"].detach()) - target
        rows = len(target) * self.ranks.count
        l1 = gate.float().sum() / (rows * math.sqrt(self.variance))
        total = self.share(error) + self.share(frozen) + self.weight.value * l1
        return Loss(total, error, codes)

    def after_step(self, l0: float) -> None:
        self.weight.update(l0)

    def folded(self, scale: float, threshold: float) -> Parameters:
        """Magnitudes with the gate as their threshold; ``threshold`` has no part."""
        size = self.r_mag.double().exp()
        return fold(
            self.encoder.T.double() * size,
            self.b_mag,
            self.decoder,
            self.b_dec,
            self.b_mag.double() - size * self.b_gate.double(),
            scale,
        )
