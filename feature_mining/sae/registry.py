"""Which architectures can be trained, by name."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from feature_mining.sae.batch_topk import BatchTopK
from feature_mining.sae.objective import Outcome


class Architecture(Protocol):
    """The training form of an autoencoder, on inputs scaled to mean square norm ``d_in``."""

    def parameters(self) -> dict[str, Tensor]:
        """Trained tensors by name."""

    def gradients(self, x: Tensor, dead: Tensor) -> Outcome:
        """Set ``.grad`` of all parameters for a batch ``(B, d_in)``; ``dead`` is bool ``(d_sae,)``."""

    def constrain(self) -> None:
        """Bring parameters back to where they must lie, after a step of the optimiser."""

    def folded(self, scale: float, threshold: float) -> dict[str, Tensor]:
        """Tensors of the inference form for raw inputs; ``threshold`` is in training units."""


class Start(NamedTuple):
    """What a fresh one is made from: ``mean`` (d_in) and ``variance`` (summed over d_in) of scaled inputs."""

    d_sae: int
    k: int
    mean: Tensor
    variance: float
    generator: torch.Generator


ARCHITECTURES = {"batch_topk": BatchTopK}


def start(architecture: str, given: Start) -> Architecture:
    """A fresh training form. Raises ``ValueError`` for an unknown name."""
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ValueError(f"unknown SAE architecture {architecture!r}; expected one of {known}")
    return ARCHITECTURES[architecture](*given)
