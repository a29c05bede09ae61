"""Tied weights: the encoder is the transpose of the decoder."""

from __future__ import annotations

from torch import Tensor

from feature_mining.sae.architectures.objective import Architecture, Outcome, across


class Tied:
    """A training form whose ``encoder`` and ``decoder`` stay the same rows of norm 1.

    Wraps any form in which both have one shape. Raises ``ValueError`` for one in which they have not.
    """

    def __init__(self, inner: Architecture) -> None:
        parameters = inner.parameters()
        self.inner = inner
        self.encoder, self.decoder = parameters["encoder"], parameters["decoder"]
        if self.encoder.shape != self.decoder.shape:
            raise ValueError("tied weights need inputs and outputs of one width")
        self.constrain()

    def parameters(self) -> dict[str, Tensor]:
        """Those of the inner form without its encoder."""
        return {n: t for n, t in self.inner.parameters().items() if n != "encoder"}

    def buffers(self) -> dict[str, Tensor]:
        return self.inner.buffers() | {"encoder": self.encoder}

    def gradients(self, x: Tensor, dead: Tensor) -> Outcome:
        outcome = self.inner.gradients(x, dead)
        assert self.encoder.grad is not None and self.decoder.grad is not None
        self.decoder.grad += across(self.encoder.grad, self.decoder)
        self.encoder.grad = None
        return outcome

    def constrain(self) -> None:
        self.inner.constrain()
        self.encoder.copy_(self.decoder)

    def folded(self, scale: float, threshold: float) -> dict[str, Tensor]:
        return self.inner.folded(scale, threshold)
