"""GENA-LM: a BERT of byte pairs whose blocks norm what they read, not what they give.

The published class is code of the repository under the name of transformers' own, which has other norms; keys
and settings are those of AIRI-Institute/gena-lm-bert-*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genomic_models.native.attention import attend, heads, padding_bias
from genomic_models.native.bert import Bert
from genomic_models.native.network import Parts, Said, require


class Block(nn.Module):
    """Attention and feed-forward, each after its norm and added to the stream."""

    def __init__(self, width: int, inner: int, count: int, epsilon: float) -> None:
        super().__init__()
        self.count = count
        names = ("query", "key", "value")
        self.pre_attention_ln = nn.LayerNorm(width, epsilon)
        self.attention = Parts(
            self=Parts(**{name: nn.Linear(width, width) for name in names}),
            output=Parts(dense=nn.Linear(width, width)),
        )
        self.post_attention_ln = nn.LayerNorm(width, epsilon)
        self.intermediate = Parts(dense=nn.Linear(width, inner))
        self.output = Parts(dense=nn.Linear(inner, width))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        read, own = self.pre_attention_ln(x), self.attention["self"]
        query, key, value = (heads(own[name](read), self.count) for name in ("query", "key", "value"))
        x = x + self.attention["output"]["dense"](attend(query, key, value, bias))
        inside = functional.gelu(self.intermediate["dense"](self.post_attention_ln(x)))
        return x + self.output["dense"](inside)


class GENA(Bert):
    """The network with its head of masked tokens."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        expected = {"hidden_act": "gelu", "position_embedding_type": "absolute", "sparse_config_cls": None}
        require(config, "GENA-LM", expected)
        super().__init__(config)
        self.embeddings["position_embeddings"] = nn.Embedding(self.context, self.width)
        # As the published class has it: there unless the settings say that it is not.
        last = bool(config.get("last_layer_norm", True))
        self.last_layer_ln = nn.LayerNorm(self.width, self.epsilon) if last else nn.Identity()

    def block(self) -> nn.Module:
        return Block(self.width, self.inner, self.count, self.epsilon)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Said:
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.entered(input_ids) + self.embeddings["position_embeddings"](places)
        x = self.embeddings["LayerNorm"](x)
        bias = padding_bias(attention_mask)
        for block in self.blocks:
            x = block(x, bias)
        return self.say(self.last_layer_ln(x))
