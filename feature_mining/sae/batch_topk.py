"""BatchTopK (Bussmann et al. 2024): the k largest features a position, on average over a batch.

Training form only. Inference uses a calibrated threshold, so that a value does not depend on the batch.
Dead features are revived by an auxiliary loss on the residual (Gao et al. 2024).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

AUXILIARY = 1 / 32
_CANDIDATES = 4
"""Row candidates of the batch selection, as a multiple of k."""


class Step(NamedTuple):
    """What one batch gave: loss to minimise, mean squared error, active features (bool d_sae), mean L0."""

    loss: Tensor
    mse: Tensor
    fired: Tensor
    l0: float


class BatchTopK(nn.Module):
    """Encoder and decoder, trained on activations scaled to a mean square of 1 a channel.

    Parameters
    ----------
    d_in, d_sae, k : int
    b_dec : Tensor
        ``(d_in)``, mean of the scaled activations.
    seed : int
        Decoder rows start as random directions of unit norm, the encoder as their transpose.
    """

    def __init__(self, d_in: int, d_sae: int, k: int, b_dec: Tensor, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(d_sae, d_in, generator=generator)
        rows /= rows.norm(dim=1, keepdim=True)
        self.k = min(k, d_sae)
        self.W_dec = nn.Parameter(rows)
        self.W_enc = nn.Parameter(rows.T.contiguous().clone())
        self.b_enc = nn.Parameter(torch.zeros(d_sae))
        self.b_dec = nn.Parameter(b_dec.clone())

    def pre_activations(self, x: Tensor) -> Tensor:
        """``(B, d_sae)`` after ReLU, before selection."""
        return torch.addmm(self.b_enc, x - self.b_dec, self.W_enc).relu()

    def batch_threshold(self, pre: Tensor) -> Tensor:
        """Value of the ``B k``-th largest entry, from candidates of each row; no sort of ``B x d_sae``."""
        most = min(pre.shape[1], _CANDIDATES * self.k)
        candidates = pre.topk(most, dim=1, sorted=False).values.flatten()
        rank = candidates.numel() - pre.shape[0] * self.k + 1
        return candidates.kthvalue(max(1, rank)).values

    def forward(self, x: Tensor, dead: Tensor) -> Step:
        """Losses of a scaled batch ``(B, d_in)``; ``dead`` bool (d_sae) marks features to revive."""
        pre = self.pre_activations(x)
        with torch.no_grad():
            threshold = self.batch_threshold(pre)
        f = torch.where(pre >= threshold.clamp(min=1e-12), pre, 0.0)
        residual = x - (f @ self.W_dec + self.b_dec)
        mse = residual.square().mean()
        active = f > 0
        loss = mse + self._auxiliary(pre, residual.detach(), dead)
        return Step(loss, mse.detach(), active.any(dim=0), float(active.sum() / len(x)))

    def _auxiliary(self, pre: Tensor, residual: Tensor, dead: Tensor) -> Tensor:
        count = int(dead.sum())
        if not count:
            return pre.new_zeros(())
        wanted = max(1, residual.shape[1] // 2)
        rows = torch.where(dead, pre, 0.0)
        values, index = rows.topk(min(wanted, count), dim=1, sorted=False)
        f = torch.zeros_like(pre).scatter(1, index, values)
        spread = (residual - residual.mean(dim=0)).square().mean()
        error = (residual - f @ self.W_dec).square().mean() / spread.clamp(min=1e-12)
        return AUXILIARY * min(1.0, count / wanted) * error

    @torch.no_grad()
    def project_gradient(self) -> None:
        """Take the part along each row off the decoder's gradient: norms are fixed."""
        if self.W_dec.grad is not None:
            along = (self.W_dec.grad * self.W_dec).sum(dim=1, keepdim=True)
            self.W_dec.grad -= along * self.W_dec

    @torch.no_grad()
    def normalise(self) -> None:
        """Bring decoder rows back to unit norm."""
        self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)

    @torch.no_grad()
    def export(self, scale: float) -> dict[str, Tensor]:
        """Tensors of the inference form for unscaled activations; exact, since ReLU is homogeneous.

        The threshold is 0; ``calibrate`` sets it.
        """
        return {
            "W_enc": self.W_enc.detach().clone(),
            "b_enc": self.b_enc.detach() * scale,
            "W_dec": self.W_dec.detach().clone(),
            "b_dec": self.b_dec.detach() * scale,
            "threshold": torch.zeros_like(self.b_enc),
        }
