"""What a training form must offer, and pieces of the training objective that architectures share."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from feature_mining.sae.architectures.ranks import Ranks

AUX_WEIGHT = 1 / 32
_ROWS = 1024


class Outcome(NamedTuple):
    """Of one batch.

    mse : squared error over the variance of the inputs (fraction of variance unexplained)
    aux : the auxiliary loss, before its weight; 0 without dead features
    l0 : active features a row
    cut : smallest active value, training units; 0 without any
    fired : bool (d_sae)
    """

    mse: float
    aux: float
    l0: float
    cut: float
    fired: Tensor


class Architecture(Protocol):
    """The training form of an autoencoder, on inputs scaled to mean square norm ``d_in``."""

    def parameters(self) -> dict[str, Tensor]:
        """Trained tensors by name."""

    def buffers(self) -> dict[str, Tensor]:
        """Tensors that change while training without being trained; a checkpoint holds them."""

    def gradients(self, x: Tensor, dead: Tensor) -> Outcome:
        """Set ``.grad`` of all parameters for a batch ``(B, d_in)``; ``dead`` is bool ``(d_sae,)``.

        Where several processes train together, gradients and the figures of the outcome are of this
        process's part of the batch, in units of the whole batch, so that their sums are those of one process
        with all of it.
        """

    def constrain(self) -> None:
        """Bring parameters back to where they must lie, after a step of the optimiser."""

    def folded(self, scale: float, threshold: float) -> dict[str, Tensor]:
        """Tensors of the inference form for raw inputs; ``threshold`` is in training units."""


class AuxGradients(NamedTuple):
    """Loss, and gradients for the dead features: ``(n, d)``, ``(n, d)``, ``(n,)``."""

    loss: float
    decoder: Tensor
    encoder: Tensor
    bias: Tensor


def auxiliary(
    residual: Tensor,
    centred: Tensor,
    encoder: Tensor,
    bias: Tensor,
    decoder: Tensor,
    ranks: Ranks | None = None,
) -> AuxGradients:
    """Dead features learn to explain what is left over (Gao et al. 2024, arXiv 2406.04093).

    Parameters
    ----------
    residual : Tensor
        ``(B, d)``, input minus reconstruction; a constant here.
    centred : Tensor
        ``(B, d)``, input of the encoder.
    encoder, bias, decoder : Tensor
        ``(n, d)``, ``(n,)``, ``(n, d)``: rows of the dead features.
    ranks : Ranks, optional
        Processes that hold a part of the batch each; gradients are of the part, to be summed.

    Notes
    -----
    The ``d / 2`` strongest dead features of a row take part. The loss is divided by the variance of the
    residual and weighted ``1/32``, less when fewer than ``d / 2`` are dead.
    """
    count, width = encoder.shape
    most = max(1, width // 2)
    codes = torch.addmm(bias, centred, encoder.T).relu_()
    if count > most:
        best = codes.topk(most, dim=1, sorted=False)
        codes = torch.zeros_like(codes).scatter_(1, best.indices, best.values)
    spread = _spread(residual, ranks or Ranks())
    if spread <= 0:
        zero = torch.zeros_like(encoder)
        return AuxGradients(0.0, zero, zero, torch.zeros_like(bias))
    error = codes @ decoder - residual
    weight = AUX_WEIGHT * min(1.0, count / most)
    gradient = error * (2 * weight / spread)
    back = (gradient @ decoder.T).mul_(codes > 0)
    return AuxGradients(
        float(error.square().sum()) / spread,
        (codes.T @ gradient).float(),
        (back.T @ centred).float(),
        back.sum(dim=0, dtype=torch.float32),
    )


def across(gradient: Tensor, rows: Tensor) -> Tensor:
    """Take from ``gradient`` (m, d), in place, what lies along ``rows`` (m, d) of norm 1; returns it.

    A few rows at a time: a table of all products would be as large as the weights.
    """
    for part, along in zip(gradient.split(_ROWS), rows.split(_ROWS), strict=True):
        part.addcmul_((part * along).sum(dim=1, keepdim=True), along, value=-1)
    return gradient


def _spread(residual: Tensor, ranks: Ranks) -> float:
    """Squared distance of all rows from their mean, summed."""
    mean = ranks.sum(residual.sum(dim=0)) / (len(residual) * ranks.count)
    return ranks.total(float((residual - mean).square().sum()))
