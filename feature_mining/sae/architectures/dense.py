"""Base of training forms whose gradients come from autograd.

``codes = activate((x - b_dec) @ encoderᵀ + b_enc)`` and ``x̂ = codes @ decoder + b_dec``; a form says how
codes are made of pre-activations, what its loss is, and what is penalised. Losses are in units of the
variance of what is written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from feature_mining.sae.architectures.form import Form, Parameters
from feature_mining.sae.architectures.objective import Outcome, across, auxiliary


class Loss(NamedTuple):
    """Of one batch, all float32.

    total : what is minimised, this process's part of the sum
    error : (B, d_out), reconstruction minus target, of all features
    codes : (B, d_sae)
    """

    total: Tensor
    error: Tensor
    codes: Tensor


class Dense(Form, ABC):
    """Base of training forms; attributes are those of ``Form``."""

    # The bias that decides whether a feature is active; the auxiliary loss moves it.
    _gate_bias = "b_enc"

    # -- of each architecture -----------------------------------------------------------------------

    @abstractmethod
    def loss(self, p: Parameters, centred: Tensor, target: Tensor) -> Loss:
        """Loss of encoder inputs ``(B, d_in)`` and ``target`` ``(B, d_out)``."""

    def split(self, p: Parameters, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder inputs and targets of scaled rows."""
        return x - p["b_dec"], x

    def after_step(self, l0: float) -> None:
        """Update state from ``l0``, active features a position of the whole batch."""

    # -- shared ----------------------------------------------------------------------

    def share(self, error: Tensor) -> Tensor:
        """Squared error over the variance of the whole batch."""
        rows = len(error) * self.ranks.count
        return error.float().square().sum() / (rows * self.variance)

    def gradients(self, x: Tensor, dead: Tensor) -> Outcome:
        """Set ``.grad`` of all parameters; see ``objective.Architecture``."""
        leaves = {n: t.detach().requires_grad_() for n, t in self.parameters().items()}
        with torch.enable_grad():
            centred, target = self.split(leaves, x)
            found = self.loss(leaves, centred, target)
            grads = torch.autograd.grad(found.total, list(leaves.values()), allow_unused=True)
        for (name, tensor), grad in zip(self.parameters().items(), grads, strict=True):
            tensor.grad = torch.zeros_like(tensor) if grad is None else grad.contiguous()
            assert tensor.grad.shape == tensor.shape, name
        error, codes = found.error.detach().float(), found.codes.detach()
        aux = self._revive(error, centred.detach(), dead) if dead.any() else 0.0
        assert self.decoder.grad is not None
        across(self.decoder.grad, self.decoder)
        active = codes > 0
        kept = codes[active]
        rows = len(x) * self.ranks.count
        l0 = int(active.sum()) / rows
        self.after_step(self.ranks.total(l0))
        return Outcome(
            float(self.share(error)), aux, l0, float(kept.min()) if len(kept) else 0.0, active.any(dim=0)
        )

    def _revive(self, error: Tensor, centred: Tensor, dead: Tensor) -> float:
        """Add the gradients of the auxiliary loss for dead features."""
        who = dead.nonzero()[:, 0]
        bias = getattr(self, self._gate_bias)
        part = auxiliary(-error, centred, self.encoder[who], bias[who], self.decoder[who], self.ranks)
        for tensor, grad in ((self.decoder, part.decoder), (self.encoder, part.encoder), (bias, part.bias)):
            assert tensor.grad is not None
            tensor.grad.index_add_(0, who, grad.to(tensor.grad))
        return part.loss
