"""DNABERT-2: a BERT of byte pairs without positions, of which distance costs attention (ALiBi), gated.

The published class is code of the repository (MosaicBERT's); keys and settings are those of
zhihan1996/DNABERT-2-117M.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from genomic_models.native.attention import attend, distance_bias, heads, padding_bias
from genomic_models.native.bert import Bert
from genomic_models.native.network import Parts, Said, require


class Block(nn.Module):
    """Attention and gated feed-forward, each added to the stream, which is then normed."""

    def __init__(self, width: int, inner: int, count: int, epsilon: float) -> None:
        super().__init__()
        self.count = count
        self.attention = Parts(
            self=Parts(Wqkv=nn.Linear(width, 3 * width)),
            output=Parts(dense=nn.Linear(width, width), LayerNorm=nn.LayerNorm(width, epsilon)),
        )
        self.mlp = Parts(
            gated_layers=nn.Linear(width, 2 * inner, bias=False),
            wo=nn.Linear(inner, width),
            layernorm=nn.LayerNorm(width, epsilon),
        )

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        query, key, value = (
            heads(part, self.count) for part in self.attention["self"]["Wqkv"](x).chunk(3, -1)
        )
        output = self.attention["output"]
        x = output["LayerNorm"](x + output["dense"](attend(query, key, value, bias)))
        gate, up = self.mlp["gated_layers"](x).chunk(2, -1)
        return self.mlp["layernorm"](x + self.mlp["wo"](functional.gelu(gate) * up))


class DNABert2(Bert):
    """The network with its head of masked tokens."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        require(config, "DNABERT-2", {"hidden_act": "gelu"})
        super().__init__(config)

    def block(self) -> nn.Module:
        return Block(self.width, self.inner, self.count, self.epsilon)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Said:
        x = self.embeddings["LayerNorm"](self.entered(input_ids))
        bias = padding_bias(attention_mask) + distance_bias(self.count, input_ids.shape[1], x.device)
        for block in self.blocks:
            x = block(x, bias)
        return self.say(x)
