"""Transcoders (Dunefsky et al. 2024, arXiv 2406.11944): read one activation, write another.

Selection is that of BatchTopK. A row is input and target side by side (``sites`` says where to cut). With a
skip (Paulo et al. 2025, arXiv 2501.18823) a linear map of the input is added to what the features write.
"""

from __future__ import annotations

import torch
from torch import Tensor

from feature_mining.sae.architectures.dense import Dense, Loss
from feature_mining.sae.architectures.form import Parameters
from feature_mining.sae.architectures.initial_weights import Initialisation, require_k, unit_rows
from feature_mining.sae.architectures.selection import keep_largest


class Transcoder(Dense):
    """Training form; ``centre`` ``(d_in,)`` is the mean of the inputs, and stays.

    Raises ``ValueError`` unless ``sites`` are two.
    """

    def __init__(self, init: Initialisation) -> None:
        if len(init.sites) != 2:
            raise ValueError(
                f"a transcoder reads one activation and writes another; found sites {init.sites}"
            )
        require_k(init.k, init.d_sae)
        d_in, d_out = init.sites
        device = init.mean.device
        self.k, self.ranks = init.k, init.ranks
        self.centre, self.b_dec = (part.clone() for part in init.mean.float().split([d_in, d_out]))
        # Scaled rows have mean square norm d; what the mean does not hold is variance.
        self.variance = max(d_out - float(self.b_dec.square().sum()), 1e-6 * d_out)
        self.decoder = unit_rows(init.d_sae, d_out, init.generator).to(device)
        read = unit_rows(init.d_sae, d_in, init.generator).to(device)
        self.encoder = self.decoder.clone() if d_in == d_out else read
        self.b_enc = torch.zeros(init.d_sae, device=device)

    def split(self, p: Parameters, x: Tensor) -> tuple[Tensor, Tensor]:
        inputs, target = x.split([len(self.centre), len(self.b_dec)], dim=1)
        return inputs - self.centre, target

    def loss(self, p: Parameters, centred: Tensor, target: Tensor) -> Loss:
        pre = torch.addmm(p["b_enc"], centred, p["encoder"].T)
        codes, _ = keep_largest(pre.relu(), self.k, self.ranks)
        error = torch.addmm(p["b_dec"], codes, p["decoder"]) + self.direct(p, centred) - target
        return Loss(self.share(error), error, codes)

    def direct(self, p: Parameters, centred: Tensor) -> Tensor:
        """What is written without any feature."""
        return centred.new_zeros(())

    def folded(self, scale: float, threshold: float) -> Parameters:
        """The centre of the inputs goes into the bias of the encoder."""
        tensors = super().folded(scale, threshold)
        shift = self.centre.double() @ self.encoder.T.double()
        tensors["b_enc"] = ((self.b_enc.double() - shift) / scale).float()
        return tensors


class SkipTranscoder(Transcoder):
    """Training form; ``skip`` ``(d_in, d_out)`` starts at 0."""

    _names = (*Transcoder._names, "skip")

    def __init__(self, init: Initialisation) -> None:
        super().__init__(init)
        self.skip = torch.zeros(len(self.centre), len(self.b_dec), device=self.b_dec.device)

    def direct(self, p: Parameters, centred: Tensor) -> Tensor:
        return centred @ p["skip"]

    def folded(self, scale: float, threshold: float) -> Parameters:
        """The centre times the skip goes into the bias of the decoder."""
        tensors = super().folded(scale, threshold)
        moved = self.centre.double() @ self.skip.double()
        tensors["b_dec"] = ((self.b_dec.double() - moved) / scale).float()
        return tensors | {"W_skip": self.skip.clone()}
