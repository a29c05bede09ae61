"""DNABERT-2: a BERT of byte pairs without positions, of which distance costs attention (ALiBi), gated.

The published class is code of the repository (MosaicBERT's); keys and settings are those of
zhihan1996/DNABERT-2-117M.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from genomic_models.native.attention import attend, distance_bias, heads, padding_bias
from genomic_models.native.network import Network, Parts, Said, figure, require


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


class DNABert2(Network):
    """The network with its head of masked tokens."""

    renamed = (
        (r"^cls\.predictions\.bias", "head.decoder.bias"),
        (r"^cls\.predictions\.", "head."),
        (r"^bert\.", ""),
        (r"^encoder\.layer\.", "blocks."),
    )
    tied: ClassVar = {r"^head\.decoder\.weight": "embeddings.word_embeddings.weight"}
    unused = r"^pooler\.|position_ids|token_type_ids|alibi$"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        require(config, "DNABERT-2", {"hidden_act": "gelu"})
        self.width, epsilon = figure(config, "hidden_size"), float(config.get("layer_norm_eps", 1e-12))
        self.context = figure(config, "max_position_embeddings")
        vocabulary = figure(config, "vocab_size")
        inner, count = figure(config, "intermediate_size"), figure(config, "num_attention_heads")
        self.embeddings = Parts(
            word_embeddings=nn.Embedding(vocabulary, self.width),
            token_type_embeddings=nn.Embedding(figure(config, "type_vocab_size"), self.width),
            LayerNorm=nn.LayerNorm(self.width, epsilon),
        )
        self.blocks = nn.ModuleList(
            Block(self.width, inner, count, epsilon) for _ in range(figure(config, "num_hidden_layers"))
        )
        self.head = Parts(
            transform=Parts(
                dense=nn.Linear(self.width, self.width), LayerNorm=nn.LayerNorm(self.width, epsilon)
            ),
            decoder=nn.Linear(self.width, vocabulary),
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Said:
        of_first = self.embeddings["token_type_embeddings"](torch.zeros_like(input_ids))
        x = self.embeddings["LayerNorm"](self.embeddings["word_embeddings"](input_ids) + of_first)
        count = self.config["num_attention_heads"]
        bias = padding_bias(attention_mask) + distance_bias(count, input_ids.shape[1], x.device)
        for block in self.blocks:
            x = block(x, bias)
        transform = self.head["transform"]
        return Said(self.head["decoder"](transform["LayerNorm"](functional.gelu(transform["dense"](x)))))
