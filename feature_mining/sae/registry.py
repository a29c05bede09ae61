"""Which architectures can be trained, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from feature_mining.sae.batch_topk import BatchTopK
from feature_mining.sae.objective import Outcome
from feature_mining.sae.start import Start


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


ARCHITECTURES: dict[str, Callable[[Start], Architecture]] = {"batch_topk": BatchTopK}


def start(architecture: str, given: Start) -> Architecture:
    """A fresh training form. Raises ``ValueError`` for an unknown name."""
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ValueError(f"unknown SAE architecture {architecture!r}; expected one of {known}")
    return ARCHITECTURES[architecture](given)
