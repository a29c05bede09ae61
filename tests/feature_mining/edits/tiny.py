"""A tiny network with activations that features notice, and an autoencoder of random weights."""

from __future__ import annotations

import torch

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena, initialise

LAYER, WIDTH, FEATURES = "blocks.1", 8, 12
UNIT = torch.arange(1.0, FEATURES + 1)


def autoencoder(d_in: int = WIDTH, d_out: int = 0, sites: tuple[int, ...] = (), **more) -> SparseAutoencoder:
    drawn = torch.Generator().manual_seed(3)
    decoder = torch.randn(FEATURES, d_out or d_in, generator=drawn)
    decoder /= decoder.norm(dim=1, keepdim=True)
    config = SAEConfig("relu_l1", d_in, FEATURES, 3, not d_out, d_out=d_out, sites=sites, **more)
    return SparseAutoencoder(
        torch.randn(d_in, FEATURES, generator=drawn),
        torch.randn(FEATURES, generator=drawn) * 0.1,
        decoder,
        torch.randn(d_out or d_in, generator=drawn) * 0.1,
        torch.full((FEATURES,), 0.05),
        config,
    )


def tiny_model() -> StripedHyenaModel:
    """Four blocks of random weights, 8 channels."""
    config = StripedHyenaConfig("evo2", "SH*D", WIDTH, 2, 16, groups=4, context=64)
    network = initialise(StripedHyena(config), 1)
    with torch.no_grad():
        network.embedding_layer.weight *= 40
    return StripedHyenaModel(network, "tiny")
