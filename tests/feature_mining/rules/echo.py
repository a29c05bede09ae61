"""A network whose features are known functions of the last three letters, and which repeats ACGT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from feature_mining.concepts.concept import Concept
from feature_mining.edits.apply import Dictionary
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.contract import DNAModel, Edit, Forward, TapContext, Tokens
from genomic_models.tokenizer import encode

LAYER = "blocks.0"
# Features 0 to 3: the letter. 4: the last three are TAA. 5: never active, and makes the next base an A.
TAA, PUSH, WIDTH = 4, 5, 6


class EchoModel(DNAModel):
    """After A it writes C, after C G, after G T, after T A."""

    name, weights_hash, layers, context = "echo", "e" * 64, (LAYER,), 1 << 20
    device, dtype = torch.device("cpu"), torch.float32

    def d_model(self, layer: str) -> int:
        return WIDTH

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        return encode(sequences)

    def base_tokens(self) -> Tensor:
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
        return self.read(encode(sequences).ids, None, taps, until, edits)[0]

    def read(
        self,
        ids: Tensor,
        state: object | None = None,
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
    ) -> tuple[Forward, object]:
        before, offset = (torch.zeros(len(ids), 2, dtype=ids.dtype), 0) if state is None else state
        whole = torch.cat([before, ids], dim=1)
        x = torch.zeros(*ids.shape, WIDTH)
        x[..., :4] = (ids[..., None] == self.base_tokens()).float()
        last = torch.stack([whole[:, i : i + ids.shape[1]] for i in range(3)], dim=-1)
        x[..., TAA] = (last == torch.tensor([84, 65, 65])).all(-1).float()
        if edits and LAYER in edits:
            x = edits[LAYER](x, TapContext(LAYER, offset, ids))
        logits = torch.zeros(*ids.shape, 512)
        logits[..., self.base_tokens().roll(-1)] = 50 * x[..., :4]
        logits[..., 65] += 500 * x[..., PUSH]
        forward = Forward(Tokens(ids, torch.full((len(ids),), ids.shape[1])), logits, {LAYER: x}, offset)
        return forward, (whole[:, -2:], offset + ids.shape[1])

    def repeat(self, state: object, times: int) -> object:
        before, offset = state
        return before.repeat_interleave(times, 0), offset


def dictionary() -> Dictionary:
    """Every channel a feature, in units of 1."""
    eye, config = torch.eye(WIDTH), SAEConfig("relu_l1", WIDTH, WIDTH, 3, False)
    zeros = torch.zeros(WIDTH)
    sae = SparseAutoencoder(eye, zeros, eye, zeros, zeros, config)
    return Dictionary(sae, (LAYER,), (LAYER,), torch.ones(WIDTH))


def concept(feature: int, name: str, **more: str) -> Concept:
    return Concept.of_feature(feature, LAYER, more.get("model", ""), more.get("autoencoder", ""), name)
