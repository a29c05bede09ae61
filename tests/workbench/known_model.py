"""A DNA model whose activations are known functions of the sequence, and what marks each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.contract import DNAModel, Edit, Forward, Tokens
from genomic_models.tokenizer import encode

# Bases before a base, out of reach of the composition model, that most channels are made from.
NEAR, FAR = 80, 200
WORD = "ACGTCA"
WIDTH = 9
DIRECTION = np.array([0, 0, 0, 0.5, -0.5, 0.5, 0.5, 0, 0], np.float32)
# What each feature of `write_sae` marks, where it is above 0; the last no channel marks alone.
FEATURES = ("gc", "word", "neuron", "direction", "pair")


def _far(coin: np.ndarray) -> np.ndarray:
    """Mean of fair coins over the bases ``NEAR`` to ``FAR`` before each, in standard deviations."""
    total = np.append(np.zeros(FAR + 1), np.cumsum(coin))
    at = np.arange(coin.size) + FAR + 1
    n = FAR - NEAR
    return (total[at - NEAR] - total[at - FAR] - n / 2) / np.sqrt(n / 4)


def activations(sequence: str) -> np.ndarray:
    """Float32 (n, WIDTH): GC, a word, a neuron, a direction among noise, and a pair of neurons."""
    letters = np.frombuffer(sequence.upper().encode(), np.uint8)
    purine, keto, amino = (np.isin(letters, np.frombuffer(some, np.uint8)) for some in (b"AG", b"GT", b"AC"))
    x = np.zeros((letters.size, WIDTH))
    x[:, 0] = 3 * (amino != purine)
    ends = [i + len(WORD) - 1 for i in range(letters.size) if sequence.startswith(WORD, i)]
    x[ends, 1] = 4
    x[:, 2] = _far(purine)
    code = sum(5**k * (np.roll(letters, k) % 5).astype(int) for k in range(4))
    noise = 2 * np.random.default_rng(0).normal(size=(5**4, WIDTH))[code]
    noise[:, [*range(3), *range(7, WIDTH)]] = 0
    x += noise - np.outer(noise @ DIRECTION, DIRECTION) + np.outer(5 * _far(keto), DIRECTION)
    x[:, 7] = _far(purine != np.roll(purine, 1))
    x[:, 8] = 1.3 * _far(amino != np.roll(amino, 2))
    return x.astype(np.float32)


def features(x: np.ndarray) -> np.ndarray:
    """Values float32 (n, 5) of the features before they are cut off at 0."""
    rows = [x[:, 0] - 1.5, x[:, 1] - 2, x[:, 2] - 1, x @ DIRECTION - 5]
    return np.stack([*rows, x[:, 7] + x[:, 8] / 1.3 - 1.5], axis=1)


def write_sae(folder: Path) -> None:
    """An autoencoder whose features are those of `features`."""
    encoder = torch.from_numpy(features(np.eye(WIDTH)) - features(np.zeros((1, WIDTH)))).float()
    SparseAutoencoder(
        W_enc=encoder,
        b_enc=torch.from_numpy(features(np.zeros((1, WIDTH)))[0]).float(),
        W_dec=(encoder / encoder.norm(dim=0)).T.contiguous(),
        b_dec=torch.zeros(WIDTH),
        threshold=torch.zeros(len(FEATURES)),
        config=SAEConfig("jump_relu", WIDTH, len(FEATURES), 2, apply_b_dec_to_input=False),
    ).save(folder)


class KnownModel(DNAModel):
    """`activations` as a model of one layer, which predicts nothing."""

    name, weights_hash, layers, context = "known", "0" * 64, ("blocks.0",), 1 << 20
    device, dtype = torch.device("cpu"), torch.float32

    def d_model(self, layer: str) -> int:
        return WIDTH

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        return encode(sequences)

    def base_tokens(self) -> torch.Tensor:
        return torch.tensor([65, 67, 71, 84])

    def forward(
        self,
        sequences: Sequence[str],
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
        gradients: bool = False,
        frozen: bool = False,
    ) -> Forward:
        tokens = encode(sequences)
        x = torch.zeros(*tokens.ids.shape, WIDTH)
        for row, sequence in zip(x, sequences, strict=True):
            row[: len(sequence)] = torch.from_numpy(activations(sequence.upper()))
        return Forward(tokens, None, dict.fromkeys(taps, x))
