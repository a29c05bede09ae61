"""Initial state of training forms."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from feature_mining.sae.architectures.ranks import Ranks


class Initialisation(NamedTuple):
    """Sizes, data statistics and randomness from which a training form is initialised.

    d_sae, k : features; how many are meant to be active a position
    mean : (d_in), of scaled inputs
    variance : mean squared distance of scaled inputs from ``mean``
    generator : source of the initial dictionary
    steps : planned batches
    l1 : weight of the sparsity penalty; 0 lets forms that have one adapt it to reach ``k``
    sites : widths of the parts that an input is made of; () for one part
    ranks : processes that train together
    """

    d_sae: int
    k: int
    mean: Tensor
    variance: float
    generator: torch.Generator
    steps: int = 1000
    l1: float = 0.0
    sites: tuple[int, ...] = ()
    ranks: Ranks = Ranks()


def unit_rows(count: int, width: int, generator: torch.Generator) -> Tensor:
    """Random directions ``(count, width)`` of norm 1."""
    rows = torch.randn(count, width, generator=generator)
    return rows / rows.norm(dim=1, keepdim=True)


def require_k(k: int, d_sae: int) -> None:
    """Raise ``ValueError`` unless ``1 <= k <= d_sae``."""
    if not 1 <= k <= d_sae:
        raise ValueError(f"k {k} must lie between 1 and the {d_sae} features")
