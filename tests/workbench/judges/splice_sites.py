"""A judge of splice sites for tests alone: published networks of OpenSpliceAI, whose weights are GPL-3 data.

The architecture is SpliceAI's (Jaganathan et al. 2019, Cell 176:535): residual units of two dilated
convolutions, their outputs added up through 1x1 convolutions after every fourth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genomic_models.dna import base_codes

# Dilation of the units by the four that they are of, for flanks of 80 and 400 bases.
DILATION = (1, 4)
# Channels of the output.
NEITHER, ACCEPTOR, DONOR = range(3)


class SpliceSites:
    """Splice sites at every base: the last base of an exon is a donor, the first an acceptor."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights
        self.units = 1 + max(int(k.split(".")[1]) for k in weights if k.startswith("residual_units."))
        self.flank = {5: 80, 10: 400}[self.units]

    @classmethod
    def load(cls, path: Path) -> SpliceSites:
        """A file of weights, read as data."""
        return cls(torch.load(path, weights_only=True, map_location="cpu"))

    def random(self, seed: int) -> SpliceSites:
        """The same network with convolutions drawn at random, each of the spread of the trained one."""
        generator = torch.Generator().manual_seed(seed)
        drawn = {
            k: torch.randn(v.shape, generator=generator) * v.std() if "conv" in k and v.numel() > 1 else v
            for k, v in self.weights.items()
        }
        return SpliceSites(drawn)

    @torch.inference_mode()
    def read(self, letters: str) -> np.ndarray:
        """float32 (length, 3): neither, acceptor, donor; beyond the ends nothing is known."""
        codes = torch.from_numpy(base_codes(letters).astype(np.int64))
        one_hot = functional.one_hot(codes, 5)[:, :4].T.float()
        x = self._conv("initial_conv", functional.pad(one_hot, (self.flank // 2,) * 2)[None])
        skip = self._conv("initial_skip.conv", x)
        for i in range(self.units):
            name = f"residual_units.{i}"
            if i % 5 == 4:
                skip = skip + self._conv(f"{name}.conv", x)
                continue
            inner = x
            for part in (1, 2):
                inner = functional.leaky_relu(self._norm(f"{name}.batchnorm{part}", inner), 0.1)
                inner = self._conv(f"{name}.conv{part}", inner, DILATION[i // 5])
            x = x + inner
        logits = self._conv("final_conv", skip)[0, :, self.flank // 2 : -self.flank // 2]
        return logits.softmax(0).T.numpy()

    def _conv(self, name: str, x: Tensor, dilation: int = 1) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.conv1d(x, weight, bias, padding="same", dilation=dilation)

    def _norm(self, name: str, x: Tensor) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(self.weights[f"{name}.{part}"] for part in parts))
