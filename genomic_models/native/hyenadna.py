"""HyenaDNA: Hyena operators over single bases, their long filters made by a small network of the distance.

Keys and settings are those of LongSafari/hyenadna-*-hf.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from genomic_models.native.network import Exact, Network, Parts, Said, figure, require


class Filter(Exact):
    """A filter as long as the sequence: a network of the distance, under a decay of each channel's own."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, length = config["d_model"], config["max_seq_len"]
        inner, features = figure(config, "filter_order"), figure(config, "emb_dim")
        self.bias = nn.Parameter(torch.randn(width))
        self.pos_emb: Any = nn.Module()
        self.pos_emb.z = nn.Parameter(torch.zeros(1, length, features))
        self.pos_emb.register_buffer("t", torch.linspace(0, 1, length)[None, :, None])
        self.freq = nn.Parameter(torch.ones(1, inner))
        sizes = [features, *[inner] * (1 + int(config.get("num_inner_mlps", 2)))]
        layers = [nn.Linear(size, inner) for size in sizes[:-1]]
        layers.append(nn.Linear(inner, width, bias=False))
        self.implicit_filter = nn.ModuleDict({str(2 * i): layer for i, layer in enumerate(layers)})
        self.modulation: Any = nn.Module()
        self.modulation.register_buffer("deltas", torch.zeros(1, 1, width))

    def forward(self, length: int) -> Tensor:
        """Float32 ``(d, L)``."""
        first, *others = self.implicit_filter.values()
        shape = first(self.pos_emb.z[0, :length])
        for layer in others:
            shape = layer(torch.sin(self.freq * shape))
        decay = torch.exp(-self.pos_emb.t[0, :length] * self.modulation.deltas[0].abs())
        return (shape * (decay + 0.05)).T


class Mixer(nn.Module):
    """Hyena of order 2: a gated long convolution, by Fourier's transform in float32."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, short = config["d_model"], int(config.get("short_filter_order", 3))
        self.in_proj, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.short_filter = nn.Conv1d(3 * width, 3 * width, short, padding=2, groups=3 * width)
        self.filter_fn = Filter(config)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        mixed = self.short_filter(self.in_proj(x).transpose(1, 2))[..., :length]
        gate, inner_gate, value = mixed.chunk(3, 1)
        value = (value * inner_gate).float()
        size = 2 * length
        spectrum = torch.fft.rfft(value, size) * torch.fft.rfft(self.filter_fn(length), size)
        value = torch.fft.irfft(spectrum, size)[..., :length] + value * self.filter_fn.bias[:, None]
        return self.out_proj((value.to(x.dtype) * gate).transpose(1, 2))


class Block(nn.Module):
    """Hyena and feed-forward, each after its norm and added to the stream."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width = config["d_model"]
        inner = int(config.get("d_inner") or 4 * width)
        self.mixer, self.norm1, self.norm2 = Mixer(config), nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = Parts(fc1=nn.Linear(width, inner), fc2=nn.Linear(inner, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mixer(self.norm1(x))
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(x)), approximate="tanh"))


class HyenaDNA(Network):
    """The network with its head of the next base. It sees no base to the right, so none of the padding."""

    renamed = (
        (r"^hyena\.backbone\.", ""),
        (r"^layers\.", "blocks."),
        # One and the same at every sine.
        (r"implicit_filter\.\d+\.freq", "freq"),
    )
    tied: ClassVar = {r"^lm_head\.weight": "embeddings.word_embeddings.weight"}
    causal: ClassVar = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        require(config, "HyenaDNA", {"hyena_order": 2, "train_freq": True})
        self.width, self.context = figure(config, "d_model"), figure(config, "max_seq_len")
        several = int(config.get("pad_vocab_size_multiple", 8))
        vocabulary = -(-figure(config, "vocab_size") // several) * several
        self.embeddings = Parts(word_embeddings=nn.Embedding(vocabulary, self.width))
        self.blocks = nn.ModuleList(Block(self.config) for _ in range(figure(config, "n_layer")))
        self.ln_f = nn.LayerNorm(self.width, float(config.get("layer_norm_epsilon", 1e-5)))
        self.lm_head = nn.Linear(self.width, vocabulary, bias=False)

    def initialise(self) -> None:
        super().initialise()
        length, features = self.context, figure(self.config, "emb_dim")
        angles = 2 * torch.pi * torch.arange(length)[:, None] / length
        angles = angles * torch.linspace(1e-4, (features - 1) // 2 - 1, (features - 1) // 2)
        place = torch.linspace(0, 1, length)[:, None]
        for block in self.blocks:
            made: Any = block
            own = made.mixer.filter_fn
            own.pos_emb.z.data[0] = torch.cat([place, angles.cos(), -angles.sin()], -1)
            # Decay to a hundredth within 1.5 of the longest sequence in the first channel, 0.3 in the last.
            own.modulation.deltas[0, 0] = torch.linspace(1 / 1.5, 1 / 0.3, self.width) * math.log(0.01)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Said:
        x = self.embeddings["word_embeddings"](input_ids)
        for block in self.blocks:
            x = block(x)
        return Said(self.lm_head(self.ln_f(x)))
