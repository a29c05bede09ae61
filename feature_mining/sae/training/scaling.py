"""Scale, centre, variance and outlier norm, measured on the first batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from feature_mining.sae.model import require_finite

# Positions whose norm is more than this many times the median are shortened to it.
OUTLIER = 10.0
_CONSTANT = 1e-10


class Scaling(NamedTuple):
    """Transformation of raw activations to training units.

    scale : factor that makes the mean squared norm ``d_in``
    longest : raw norm above which a row is shortened
    mean : ``(d_in,)`` float32, of scaled rows
    variance : mean squared distance of scaled rows from ``mean``
    """

    scale: float
    longest: float
    mean: Tensor
    variance: float

    def apply(self, rows: Tensor) -> tuple[Tensor, int]:
        """Scaled rows ``(B, d_in)`` float32, and how many were shortened."""
        norms = rows.norm(dim=1)
        long = norms > self.longest
        count = int(long.sum())
        scaled = rows * self.scale
        if count:
            scaled[long] *= (self.longest / norms[long])[:, None]
        return scaled, count


def measure_scaling(batches: Sequence[Tensor]) -> Scaling:
    """Scaling from the first batches ``(B, d_in)``, in float64.

    Raises ``ValueError`` for activations that are all zero, constant, or not finite.
    """
    norms = []
    for rows in batches:
        require_finite(rows)
        norms.append(rows.double().norm(dim=1))
    together = torch.cat(norms)
    median = float(together.median())
    if not float(together.max()) > 0:
        raise ValueError("the activations are all zero: the layer writes nothing for these sequences")
    longest = OUTLIER * median if median > 0 else float(together.max())
    count = len(together)
    total = torch.zeros(batches[0].shape[1], dtype=torch.float64, device=together.device)
    square = 0.0
    for rows, lengths in zip(batches, norms, strict=True):
        short = rows.double() * (longest / lengths.clamp_min(longest))[:, None]
        total += short.sum(dim=0)
        square += float(short.square().sum())
    mean = total / count
    spread = 0.0
    for rows, lengths in zip(batches, norms, strict=True):
        short = rows.double() * (longest / lengths.clamp_min(longest))[:, None]
        spread += float((short - mean).square().sum())
    if spread <= _CONSTANT * square:
        raise ValueError("the activations are the same at every position: there is nothing to learn")
    scale = (len(mean) * count / square) ** 0.5
    return Scaling(scale, longest, (mean * scale).float(), spread / count * scale**2)
