"""Caduceus: Mamba in both directions over single bases; ``ps`` reads the reverse complement beside it.

In ``ps`` (``rcps``) the stream has two halves of d channels: of a sequence's reverse complement it is the
same one with bases and channels turned round. Keys and settings are those of kuleshov-group/caduceus-*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from genomic_models.errors import ModelError
from genomic_models.native.network import Network, Parts, Said, figure, require
from genomic_models.native.selective_scan import Mamba


def both(part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A part applied to either half of ``(B, L, 2 d)``, to the second as its reverse complement."""
    forward, turned = x.chunk(2, -1)
    return torch.cat([part(forward), part(turned.flip(-2, -1)).flip(-2, -1)], -1)


class Block(nn.Module):
    """Mamba from either end, the sum added to the stream.

    Where norm and sum were fused, the published code lets the two halves change places in every block.
    """

    def __init__(self, config: Mapping[str, Any], norm: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.equivariant = bool(config.get("rcps", False))
        self.changes = self.equivariant and bool(config.get("fused_add_norm", True))
        settings = config.get("ssm_cfg") or {}
        self.norm = norm()
        self.mixer = Parts(
            mamba_fwd=Mamba(config["d_model"], settings), mamba_rev=Mamba(config["d_model"], settings)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.changes:
            x = torch.cat(x.chunk(2, -1)[::-1], -1)
        if not self.equivariant:
            return x + self._mixed(self.norm(x), mask)
        halves = both(self.norm, x).chunk(2, -1)
        turned = self._mixed(halves[1].flip(-2, -1), mask.flip(-1)).flip(-2, -1)
        return x + torch.cat([self._mixed(halves[0], mask), turned], -1)

    def _mixed(self, x: Tensor, mask: Tensor) -> Tensor:
        back = self.mixer["mamba_rev"](x.flip(1), mask.flip(1)).flip(1)
        return self.mixer["mamba_fwd"](x, mask) + back


class Caduceus(Network):
    """The network with its head of masked bases."""

    renamed = (
        (r"^caduceus\.backbone\.", ""),
        (r"^layers\.", "blocks."),
        (r"\.submodule\.", "."),
        (r"word_embeddings\.embedding\.", "word_embeddings."),
        (r"^lm_head\.lm_head\.", "lm_head."),
    )
    tied: ClassVar = {
        r"^lm_head\.weight": "embeddings.word_embeddings.weight",
        r"mamba_rev\.(in|out)_proj": r"mamba_fwd.\1_proj",
    }
    unused = "complement_map$"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        require(
            config,
            "Caduceus",
            {"bidirectional": True, "bidirectional_strategy": "add", "model_type": "caduceus"},
        )
        one, self.equivariant = figure(config, "d_model"), bool(config.get("rcps", False))
        self.width = 2 * one if self.equivariant else one
        several = int(config.get("pad_vocab_size_multiple", 8))
        size = -(-figure(config, "vocab_size") // several) * several
        self.context = int(config.get("max_seq_len") or 131_072)
        epsilon = float(config.get("norm_epsilon", 1e-5))
        kind: Callable[..., nn.Module] = nn.RMSNorm if config.get("rms_norm", True) else nn.LayerNorm

        def norm() -> nn.Module:
            return kind(one, eps=epsilon)

        self.embeddings = Parts(word_embeddings=nn.Embedding(size, one))
        self.blocks = nn.ModuleList(Block(self.config, norm) for _ in range(figure(config, "n_layer")))
        self.norm_f = norm()
        self.lm_head = nn.Linear(one, size, bias=False)
        partners = config.get("complement_map") or {}
        self.partners = {int(key): int(value) for key, value in partners.items()}
        if self.equivariant and not self.partners:
            raise ModelError("Caduceus: config.json has rcps and no complement_map, expected one")

    def initialise(self) -> None:
        super().initialise()
        for module in self.modules():
            if isinstance(module, Mamba):
                steps = torch.exp(
                    torch.empty(module.dt_proj.bias.shape).uniform_(math.log(1e-3), math.log(0.1))
                )
                module.dt_proj.bias.data = steps + torch.log(-torch.expm1(-steps))
                nn.init.uniform_(module.dt_proj.weight, -(module.rank**-0.5), module.rank**-0.5)
                nn.init.kaiming_uniform_(module.out_proj.weight, math.sqrt(5))
                module.out_proj.weight.data /= math.sqrt(len(self.blocks))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Said:
        embed = self.embeddings["word_embeddings"]
        x = embed(input_ids)
        partner = torch.arange(embed.num_embeddings, device=x.device)
        for token, other in self.partners.items():
            partner[token] = other
        if self.equivariant:
            x = torch.cat([x, embed(partner[input_ids]).flip(-1)], -1)
        for block in self.blocks:
            x = block(x, attention_mask)
        if not self.equivariant:
            return Said(self.lm_head(self.norm_f(x)))
        forward, turned = both(self.norm_f, x).chunk(2, -1)
        return Said(self.lm_head(forward) + functional.linear(turned.flip(-1), self.lm_head.weight[partner]))
