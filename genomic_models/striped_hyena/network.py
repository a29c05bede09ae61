"""The StripedHyena network: embedding, blocks, final norm, tied output.

Written from the published architecture (Evo 1: Nguyen et al. 2024; Evo 2: Brixi et al. 2025) in plain
PyTorch; runs wherever PyTorch runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genomic_models.striped_hyena.config import VOCABULARY, StripedHyenaConfig
from genomic_models.striped_hyena.layers import (
    Attention,
    Embedding,
    GatedMLP,
    Grown,
    HyenaFilter,
    Linear,
    LongFilter,
    MediumFilter,
    Probe,
    RMSNorm,
    ShortFilter,
    State,
)

# Parameters that stay fp32 whatever the dtype of the rest.
FP32_PARAMETERS = ("log_poles", "residues", "poles")


def _no_probe(name: str, x: Tensor) -> Tensor:
    return x


class Block(nn.Module):
    """Mixer and MLP, each behind a norm and added to the residual stream."""

    def __init__(self, config: StripedHyenaConfig, index: int) -> None:
        super().__init__()
        self.name = f"blocks.{index}"
        self.pre_norm = RMSNorm(config.width)
        self.post_norm = RMSNorm(config.width)
        gelu = config.generation == "evo1" or index == 0
        self.mlp = GatedMLP(config.width, config.inner_width(index), gelu)

    def mix(self, x: Tensor, state: State | None, probe: Probe, keep: bool) -> tuple[Tensor, State]:
        """Mix along the sequence; subclasses say how."""
        raise TypeError("Block is abstract: use HyenaBlock or AttentionBlock")

    def parts(self) -> tuple[str, ...]:
        """Names of the mixer's taps, in order."""
        raise TypeError("Block is abstract: use HyenaBlock or AttentionBlock")

    def taps(self) -> tuple[str, ...]:
        """Names of the taps, in order."""
        parts = ("pre_norm", *self.parts(), "post_norm", "mlp.l1", "mlp.l2", "mlp.l3", "mlp")
        return (*(f"{self.name}.{part}" for part in parts), self.name)

    def forward(self, u: Tensor, state: State | None, probe: Probe, keep: bool) -> tuple[Tensor, State]:
        name = self.name
        x = probe(f"{name}.pre_norm", self.pre_norm(u))
        y, state = self.mix(x, state, probe, keep)
        u = y + u
        x = probe(f"{name}.post_norm", self.post_norm(u))
        u = probe(f"{name}.mlp", self.mlp(x, probe, f"{name}.mlp")) + u
        return probe(name, u), state


class HyenaBlock(Block):
    """A Hyena operator of any filter kind."""

    def __init__(self, config: StripedHyenaConfig, index: int, kind: type[HyenaFilter]) -> None:
        super().__init__(config, index)
        width, inside = config.width, config.mixer_width(index)
        self.projections = Linear(width, 3 * inside, bias=config.generation == "evo1")
        self.filter = kind(config, index)
        self.out_filter_dense = Linear(inside, width)

    def parts(self) -> tuple[str, ...]:
        return ("projections", "filter", "out_filter_dense")

    def mix(self, x: Tensor, state: State | None, probe: Probe, keep: bool) -> tuple[Tensor, State]:
        z = probe(f"{self.name}.projections", self.projections(x))
        y, state = self.filter(z, state, keep)
        y = probe(f"{self.name}.filter", y)
        return probe(f"{self.name}.out_filter_dense", self.out_filter_dense(y)), state


class AttentionBlock(Block):
    """Multi-head attention."""

    def __init__(self, config: StripedHyenaConfig, index: int) -> None:
        super().__init__(config, index)
        self.inner_mha_cls = Attention(config, index)

    def parts(self) -> tuple[str, ...]:
        return ("inner_mha_cls.Wqkv", "inner_mha_cls.out_proj", "inner_mha_cls")

    def mix(self, x: Tensor, state: State | None, probe: Probe, keep: bool) -> tuple[Tensor, State]:
        name = f"{self.name}.inner_mha_cls"
        remembered = cast("tuple[Grown, Grown] | None", state)
        y, state = self.inner_mha_cls(x, remembered, probe, name)
        return probe(name, y), state


_FILTERS = {"S": ShortFilter, "D": MediumFilter, "H": LongFilter}


class AbsentBlock(nn.Module):
    """A block that was taken out: the stream as it is, under the block's name."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.name = f"blocks.{index}"

    def taps(self) -> tuple[str, ...]:
        """Names of the taps, in order."""
        return (self.name,)

    def forward(self, u: Tensor, state: State | None, probe: Probe, keep: bool) -> tuple[Tensor, State]:
        return probe(self.name, u), ()


def _block(config: StripedHyenaConfig, index: int) -> Block | AbsentBlock:
    letter = config.pattern[index]
    if letter == "-":
        return AbsentBlock(index)
    if letter == "*":
        return AttentionBlock(config, index)
    return HyenaBlock(config, index, _FILTERS[letter])


class StripedHyena(nn.Module):
    """The whole network; ``(B, L)`` int64 ids to ``(B, L, 512)`` logits.

    Parameter names and shapes equal the released checkpoints', so ``load_state_dict`` takes them as
    they are. Fresh parameters are uninitialised: see ``initialise``.
    """

    def __init__(self, config: StripedHyenaConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding_layer = Embedding(VOCABULARY, config.width)
        self.blocks = nn.ModuleList(_block(config, i) for i in range(config.depth))
        self.norm = RMSNorm(config.width)
        self.places: list[torch.device] | None = None

    def tap_names(self) -> tuple[str, ...]:
        """Every tap, in the order in which a pass meets them."""
        names = ["embedding_layer"]
        for block in self.blocks:
            assert isinstance(block, Block | AbsentBlock)
            names += block.taps()
        return (*names, "norm", "unembed")

    def tap_width(self, name: str) -> int:
        """Channels of a tap."""
        if name == "unembed":
            return VOCABULARY
        config = self.config
        if name.endswith((".projections", ".Wqkv", ".filter", ".l1", ".l2")):
            index = int(name.split(".")[1])
            if name.endswith((".l1", ".l2")):
                return config.inner_width(index)
            return config.mixer_width(index) * (1 if name.endswith(".filter") else 3)
        return config.width

    def forward(
        self,
        ids: Tensor,
        states: Sequence[State | None] | None = None,
        probe: Probe = _no_probe,
        keep: bool = False,
        begin: tuple[int, Tensor] | None = None,
    ) -> tuple[Tensor, list[State]]:
        """Logits, and the states after ``ids`` where ``keep`` asks for them.

        ``states`` are those a former call kept; ``ids`` then continue its sequence. ``begin``: a block's
        index and what it gives, ``(B, L, d)``: neither it nor what is before it is computed.
        """
        first = 0
        if begin is None:
            x = probe("embedding_layer", self.embedding_layer(ids))
        else:
            first = begin[0] + 1
            x = probe(f"blocks.{begin[0]}", begin[1])
        after: list[State] = []
        for i, block in enumerate(self.blocks):
            if i < first:
                continue
            if self.places is not None:
                x = x.to(self.places[i])
            x, state = block(x, None if states is None else states[i], probe, keep)
            if keep:
                after.append(state)
        x = probe("norm", self.norm(x.to(self.norm.scale.device)))
        return probe("unembed", F.linear(x, self.embedding_layer.weight)), after


def initialise(network: StripedHyena, seed: int) -> StripedHyena:
    """Random weights for training or for a random-weights control.

    Linear and embedding weights are normal with deviation 0.02 (those that write to the residual stream
    divided by ``sqrt(2 depth)``), short filters start near the identity, and the modes of long filters
    decay over 1 to 1,000 bases, spread evenly on a logarithmic scale.
    """
    config = network.config
    generator = torch.Generator().manual_seed(seed)
    residual = 0.02 / (2 * config.depth) ** 0.5
    with torch.no_grad():
        for name, p in network.named_parameters():
            leaf = name.rsplit(".", 2)
            if name.endswith(".bias"):
                p.zero_()
            elif name.endswith((".l3.weight", "out_proj.weight", "out_filter_dense.weight")):
                p.normal_(0, residual, generator=generator)
            elif name.endswith(".weight"):
                p.normal_(0, 0.02 if "embedding" in name else p.shape[-1] ** -0.5, generator=generator)
            elif leaf[-1] == "short_filter_weight" or (
                leaf[-1] == "h" and p.shape[-1] == config.short_filter
            ):
                p.normal_(0, 0.3, generator=generator)
                p[..., -1] += 1
            elif leaf[-1] == "h":
                decay = torch.logspace(0, 2, p.shape[0])[:, None, None]
                p.normal_(0, 0.3, generator=generator)
                p.mul_(torch.exp(-torch.arange(p.shape[-1]) / decay))
            elif leaf[-1] == "D":
                p.normal_(0, 0.5, generator=generator)
            elif leaf[-1] == "log_poles":
                spans = torch.logspace(0, 3, config.state)
                p.copy_((-1 / spans)[None, :, None].expand_as(p))
                p.mul_(torch.empty_like(p).uniform_(0.7, 1.4, generator=generator))
            elif leaf[-1] == "poles":
                angle = torch.empty(p.shape[:-1]).uniform_(-3.1, 3.1, generator=generator)
                radius = torch.exp(-1 / torch.logspace(0, 3, config.state))[None, :, None]
                p.copy_(torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1))
            elif leaf[-1] == "residues":
                p.normal_(0, 0.3 / config.state**0.5, generator=generator)
    return network
