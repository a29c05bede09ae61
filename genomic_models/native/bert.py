"""What BERTs of byte pairs share: what enters the stream, the head of masked tokens, published names."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional

from genomic_models.native.network import Network, Parts, Said, figure


class Bert(Network):
    """A BERT without its blocks, which a family makes of `block`."""

    renamed = (
        (r"^cls\.predictions\.bias", "head.decoder.bias"),
        (r"^cls\.predictions\.", "head."),
        (r"^bert\.", ""),
        (r"^encoder\.layer\.", "blocks."),
        (r"^encoder\.", ""),
    )
    tied: ClassVar = {r"^head\.decoder\.weight": "embeddings.word_embeddings.weight"}
    unused = r"^pooler\.|position_ids|token_type_ids|alibi$|^cls\.seq_relationship\."

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.width, self.epsilon = figure(config, "hidden_size"), float(config.get("layer_norm_eps", 1e-12))
        self.context = figure(config, "max_position_embeddings")
        vocabulary = figure(config, "vocab_size")
        self.inner, self.count = figure(config, "intermediate_size"), figure(config, "num_attention_heads")
        self.embeddings = Parts(
            word_embeddings=nn.Embedding(vocabulary, self.width),
            token_type_embeddings=nn.Embedding(figure(config, "type_vocab_size"), self.width),
            LayerNorm=nn.LayerNorm(self.width, self.epsilon),
        )
        self.blocks = nn.ModuleList(self.block() for _ in range(figure(config, "num_hidden_layers")))
        self.head = Parts(
            transform=Parts(
                dense=nn.Linear(self.width, self.width), LayerNorm=nn.LayerNorm(self.width, self.epsilon)
            ),
            decoder=nn.Linear(self.width, vocabulary),
        )

    @abstractmethod
    def block(self) -> nn.Module:
        """A block of the network."""

    def entered(self, input_ids: Tensor) -> Tensor:
        """Words and the first kind of token, before positions and norm."""
        first = self.embeddings["token_type_embeddings"].weight[0]
        found: Tensor = self.embeddings["word_embeddings"](input_ids) + first
        return found

    def say(self, x: Tensor) -> Said:
        """Logits of the last stream."""
        transform = self.head["transform"]
        return Said(self.head["decoder"](transform["LayerNorm"](functional.gelu(transform["dense"](x)))))
