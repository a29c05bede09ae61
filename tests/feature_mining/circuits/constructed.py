"""Networks written by hand, whose circuit is known: which base or feature feeds what, over which distance.

Channels 0 to 3 of the stream are the letter, A, C, G, T; a mixer copies channels from a distance, since its
gates are constant; an MLP multiplies two channels. Output is tied to the letters' channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena

WIDTH = 16
A, C, G, T = range(4)


@dataclass(frozen=True)
class Both:
    """A feature of a block: active where both channels are there; it writes into a third."""

    block: int
    reads: tuple[int, int]
    writes: int


def network(pattern: str) -> StripedHyena:
    """A network in which nothing happens yet: letters are embedded and told apart, no more."""
    config = StripedHyenaConfig("evo2", pattern, WIDTH, 1, 8, groups=WIDTH, context=256, position_scale=1e9)
    made = StripedHyena(config)
    with torch.no_grad():
        for name, p in made.named_parameters():
            p.fill_(1.0) if name.endswith("scale") else p.zero_()
        for channel, letter in enumerate("ACGT"):
            made.embedding_layer.weight[ord(letter), channel] = 1
    return made.double()


def _constant() -> Tensor:
    """What reads the sum of the letters' channels: one wherever there is nothing but a letter."""
    found = torch.zeros(WIDTH, dtype=torch.float64)
    found[:4] = WIDTH**-0.5
    return found


def copy_by_filter(made: StripedHyena, block: int, lag: int, source: int, to: int) -> None:
    """Copy a channel from ``lag`` bases before."""
    mixer = made.blocks[block]
    kernel = mixer.filter.h
    at = lag if made.config.pattern[block] == "D" else kernel.shape[-1] - 1 - lag
    with torch.no_grad():
        mixer.projections.weight[3 * to] = _constant()
        mixer.projections.weight[3 * to + 1] = _constant()
        mixer.projections.weight[3 * to + 2, source] = WIDTH**-0.5
        mixer.filter.short_filter_weight[:, 0, -1] = 1
        kernel[to, 0, at] = 1
        mixer.out_filter_dense.weight[to, to] = 1


def copy_by_head(made: StripedHyena, block: int, key: int, source: int, to: int) -> None:
    """Copy a channel from wherever the channel ``key`` is."""
    attention = made.blocks[block].inner_mha_cls
    with torch.no_grad():
        attention.Wqkv.weight[0] = 40 * _constant()
        attention.Wqkv.weight[WIDTH, key] = 1
        attention.Wqkv.weight[2 * WIDTH + to, source] = 1
        attention.out_proj.weight[to, to] = 1


def multiply(made: StripedHyena, number: int, feature: Both) -> None:
    """Have the MLP write the product of two channels; ``number`` is its inner channel."""
    mlp = made.blocks[feature.block].mlp
    with torch.no_grad():
        mlp.l1.weight[number, feature.reads[0]] = 1
        mlp.l2.weight[number, feature.reads[1]] = 1
        mlp.l3.weight[feature.writes, number] = 1


def transcoders(
    model: StripedHyenaModel, sequence: str, features: dict[Both, int]
) -> dict[str, SparseAutoencoder]:
    """A transcoder a block that writes what its MLP does, at the places given for its features.

    A feature is on where both of its channels are as large as there, and is then as large as their product.
    """
    taps = [f"blocks.{i}.post_norm" for i in range(len(model.block_outputs))]
    read = model.forward([sequence], taps=taps).taps
    made = {}
    for block, tap in enumerate(taps):
        own = [feature for feature in features if feature.block == block]
        encoder, decoder = torch.zeros(WIDTH, 4), torch.zeros(4, WIDTH)
        bias = torch.full((4,), -1.0)
        for number, feature in enumerate(own):
            here = read[tap][0, features[feature]]
            first, second = (float(here[channel]) for channel in feature.reads)
            value = first * second
            for channel, size in zip(feature.reads, (first, second), strict=True):
                encoder[channel, number] += value / size
            bias[number] = -value
            decoder[number, feature.writes] = 1
        config = SAEConfig("skip_transcoder", WIDTH, 4, 1, apply_b_dec_to_input=False, d_out=WIDTH)
        made[f"blocks.{block}"] = SparseAutoencoder(
            encoder, bias, decoder, torch.zeros(WIDTH), torch.full((4,), 1e-3), config
        )
    return made
