"""OpenSpliceAI's network of 400 bases of context, with weights in ``weights.pt`` beside this file.

Architecture of Jaganathan et al. 2019 (Cell 176:535): residual units of two dilated convolutions, their
outputs added up through 1x1 convolutions after every fourth. ``--model file:openspliceai.py``.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from genomic_models import ModuleModel, Outputs

FLANK = 200
UNITS = (0, 1, 2, 3, 5, 6, 7, 8)


class Unit(nn.Module):
    """Batch norm, leaky ReLU and dilated convolution, twice, added to what came in."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.batchnorm1, self.batchnorm2 = nn.BatchNorm1d(32), nn.BatchNorm1d(32)
        self.conv1, self.conv2 = (nn.Conv1d(32, 32, 11, dilation=dilation, padding="same") for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv1(functional.leaky_relu(self.batchnorm1(x), 0.1))
        return x + self.conv2(functional.leaky_relu(self.batchnorm2(inner), 0.1))


class Skip(nn.Module):
    """What is added to the sum that the output is made from."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(32, 32, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Network(nn.Module):
    """One-hot letters ``(B, 4, L)`` to logits of neither, acceptor and donor ``(B, 3, L - 400)``."""

    def __init__(self) -> None:
        super().__init__()
        self.initial_conv, self.initial_skip = nn.Conv1d(4, 32, 1), Skip()
        units = [Unit(1 if i < 5 else 4) if i in UNITS else Skip() for i in range(10)]
        self.residual_units, self.final_conv = nn.ModuleList(units), nn.Conv1d(32, 3, 1)

    def forward(self, letters: Tensor) -> Tensor:
        x = self.initial_conv(letters)
        skip = self.initial_skip(x)
        for i, unit in enumerate(self.residual_units):
            if i in UNITS:
                x = unit(x)
            else:
                skip = skip + unit(x)
        return self.final_conv(skip)[:, :, FLANK:-FLANK]


def model() -> ModuleModel:
    """The network behind the contract."""
    return ModuleModel(
        build=Network,
        weights=Path(__file__).with_name("weights.pt"),
        taps=[f"residual_units.{i}" for i in UNITS],
        outputs=Outputs("classes", ("neither", "acceptor", "donor"), offset=FLANK),
        pad=FLANK,
    )
