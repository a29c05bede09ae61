"""Base of training forms: their tensors, and the way to the inference form."""

from __future__ import annotations

import torch
from torch import Tensor

from feature_mining.sae.architectures.initial_weights import Initialisation, require_k, unit_rows
from feature_mining.sae.model import fold

Parameters = dict[str, Tensor]


class Form:
    """Base of training forms.

    Attributes
    ----------
    encoder, decoder : Tensor
        ``(d_sae, d_in)`` and ``(d_sae, d_out)``, a row a feature; decoder rows of norm 1.
    b_enc, b_dec : Tensor
        ``(d_sae,)`` and ``(d_out,)``; ``b_dec`` starts as the mean of the data.
    k : int
    variance : float
        Mean squared distance of what is to be written from its mean, which the loss is measured in.
    """

    _names: tuple[str, ...] = ("encoder", "decoder", "b_enc", "b_dec")

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
        """Nothing changes beside the parameters."""
        return {}

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
