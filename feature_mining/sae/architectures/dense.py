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

from feature_mining.sae.architectures.initial_weights import Initialisation, require_k, unit_rows
from feature_mining.sae.architectures.objective import Outcome, across, auxiliary
from feature_mining.sae.model import fold

Parameters = dict[str, Tensor]


class Loss(NamedTuple):
    """Of one batch, all float32.

    total : what is minimised, this process's part of the sum
    error : (B, d_out), reconstruction minus target, of all features
    codes : (B, d_sae)
    """

    total: Tensor
    error: Tensor
    codes: Tensor


class Dense(ABC):
    """Base of training forms.

    Attributes
    ----------
    encoder, decoder : Tensor
        ``(d_sae, d_in)`` and ``(d_sae, d_out)``, a row a feature; decoder rows of norm 1.
    b_enc, b_dec : Tensor
        ``(d_sae,)`` and ``(d_out,)``; ``b_dec`` starts as the mean of the data.
    k : int
    variance : float
        Mean squared distance of what is to be written from its mean.
    """

    _names: tuple[str, ...] = ("encoder", "decoder", "b_enc", "b_dec")
    # The bias that decides whether a feature is active; the auxiliary loss moves it.
    _gate_bias = "b_enc"

    def __init__(self, init: Initialisation) -> None:
        require_k(init.k, init.d_sae)
        self.k, self.variance, self.ranks = init.k, init.variance, init.ranks
        device = init.mean.device
        self.decoder = unit_rows(init.d_sae, len(init.mean), init.generator).to(device)
        self.encoder = self.decoder.clone()
        self.b_enc = torch.zeros(init.d_sae, device=device)
        self.b_dec = init.mean.float().clone()

    def parameters(self) -> Parameters:
        """Trained tensors by name."""
        return {name: getattr(self, name) for name in self._names}

    def buffers(self) -> Parameters:
        """None here."""
        return {}

    # -- of each architecture -----------------------------------------------------------------------

    @abstractmethod
    def loss(self, p: Parameters, centred: Tensor, target: Tensor) -> Loss:
        """Loss of encoder inputs ``(B, d_in)`` and ``target`` ``(B, d_out)``."""

    def split(self, p: Parameters, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder inputs and targets of scaled rows."""
        return x - p["b_dec"], x

    def after_step(self, l0: float) -> None:  # noqa: B027 - a hook that most forms do not need
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

    def constrain(self) -> None:
        """Bring decoder rows back to norm 1."""
        self.decoder.div_(self.decoder.norm(dim=1, keepdim=True))

    def folded(self, scale: float, threshold: float) -> Parameters:
        """Tensors of the inference form for raw inputs; ``threshold`` is in training units."""
        return fold(
            self.encoder.T,
            self.b_enc,
            self.decoder,
            self.b_dec,
            torch.full_like(self.b_enc, threshold),
            scale,
        )
