"""Nucleotide Transformer v2: an ESM with rotary positions and a gated feed-forward, of 6-mers.

The published class is code of the repository, since the ESM of transformers has no gate; keys and settings
are those of InstaDeepAI/nucleotide-transformer-v2-*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from genomic_models.native.attention import attend, heads, padding_bias, turned
from genomic_models.native.network import Network, Parts, Said, figure, require


class Block(nn.Module):
    """Attention and gated feed-forward, each after its norm and added to the stream."""

    def __init__(self, width: int, inner: int, count: int, biased: bool, epsilon: float) -> None:
        super().__init__()
        self.count = count
        names = ("query", "key", "value")
        self.attention = Parts(
            LayerNorm=nn.LayerNorm(width, epsilon),
            self=Parts(**{name: nn.Linear(width, width) for name in names}),
            output=Parts(dense=nn.Linear(width, width)),
        )
        self.LayerNorm = nn.LayerNorm(width, epsilon)
        self.intermediate = Parts(dense=nn.Linear(width, 2 * inner, bias=biased))
        self.output = Parts(dense=nn.Linear(inner, width, bias=biased))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        read, own = self.attention["LayerNorm"](x), self.attention["self"]
        query, key, value = (heads(own[name](read), self.count) for name in ("query", "key", "value"))
        x = x + self.attention["output"]["dense"](attend(turned(query), turned(key), value, bias))
        gate, up = self.intermediate["dense"](self.LayerNorm(x)).chunk(2, -1)
        return x + self.output["dense"](functional.silu(gate) * up)


class NucleotideTransformer2(Network):
    """The network with its head of masked tokens."""

    renamed = (
        (r"^lm_head\.bias", "lm_head.decoder.bias"),
        (r"^esm\.", ""),
        (r"^encoder\.", ""),
        (r"^layer\.", "blocks."),
    )
    tied: ClassVar = {r"^lm_head\.decoder\.weight": "embeddings.word_embeddings.weight"}
    unused = r"rotary_embeddings|position_(ids|embeddings)|^(contact_head|pooler)\."

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        require(
            config,
            "Nucleotide Transformer v2",
            {"position_embedding_type": "rotary", "token_dropout": False, "hidden_act": "gelu"},
        )
        self.width, epsilon = figure(config, "hidden_size"), float(config.get("layer_norm_eps", 1e-12))
        self.context = figure(config, "max_position_embeddings")
        vocabulary = figure(config, "vocab_size")
        inner, count = figure(config, "intermediate_size"), figure(config, "num_attention_heads")
        biased = bool(config["add_bias_fnn"])
        self.embeddings = Parts(word_embeddings=nn.Embedding(vocabulary, self.width))
        if config.get("emb_layer_norm_before"):
            self.embeddings["layer_norm"] = nn.LayerNorm(self.width, epsilon)
        self.blocks = nn.ModuleList(
            Block(self.width, inner, count, biased, epsilon)
            for _ in range(figure(config, "num_hidden_layers"))
        )
        self.emb_layer_norm_after = nn.LayerNorm(self.width, epsilon)
        self.lm_head = Parts(
            dense=nn.Linear(self.width, self.width),
            layer_norm=nn.LayerNorm(self.width, epsilon),
            decoder=nn.Linear(self.width, vocabulary),
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Said:
        x = self.embeddings["word_embeddings"](input_ids)
        if "layer_norm" in self.embeddings:
            x = self.embeddings["layer_norm"](x)
        bias = padding_bias(attention_mask)
        for block in self.blocks:
            x = block(x, bias)
        x = functional.gelu(self.lm_head["dense"](self.emb_layer_norm_after(x)))
        return Said(self.lm_head["decoder"](self.lm_head["layer_norm"](x)))
