"""A network whose answers are known: it writes C, unless a base is intended; GT makes it intend A."""

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

LAYER, WIDTH, VOCABULARY = "blocks.0", 8, 128
TOKENS = torch.tensor([65, 67, 71, 84])


class Constructed(DNAModel):
    """Activations: which base was read (4 channels), and which is intended next (4 channels).

    A base is intended by as much as its channel holds: of themselves only A, half of it for a G one base
    before, half for a T just read.
    """

    name, weights_hash, layers, context = "constructed", "c" * 64, ("embedding_layer", LAYER), 4096
    device, dtype = torch.device("cpu"), torch.float32

    def d_model(self, layer: str) -> int:
        return 4 if layer == "embedding_layer" else WIDTH

    def tokenize(self, sequences: Sequence[str]) -> Tokens:
        return encode(sequences)

    def base_tokens(self) -> Tensor:
        return TOKENS

    def _run(self, ids, offset, before, taps, until, edits, gradients) -> tuple[Forward, Tensor]:
        edits, read = edits or {}, {}
        with torch.set_grad_enabled(gradients):
            x = (ids[..., None] == TOKENS).float()
            logits = None
            for layer in self.layers:
                if layer == LAYER:
                    last = x
                    past = torch.cat([before, x[:, :-1]], dim=1)
                    intended = torch.zeros_like(x)
                    intended[..., 0] = 0.5 * past[..., 2] + 0.5 * x[..., 3]
                    x = torch.cat([x, intended], dim=-1)
                if layer in edits:
                    x = edits[layer](x, TapContext(layer, offset, ids))
                if layer in taps:
                    read[layer] = x
                if layer == until:
                    break
            else:
                logits = torch.full((*ids.shape, VOCABULARY), -30.0)
                logits[..., TOKENS] = 8 * x[..., 4:] + torch.tensor([0.0, 5.0, 0.0, 0.0])
                before = last[:, -1:]
        return Forward(Tokens(ids, torch.full((len(ids),), ids.shape[1])), logits, read, offset), before

    def forward(
        self,
        sequences: Sequence[str],
        taps: Sequence[str] = (),
        until: str | None = None,
        edits: Mapping[str, Edit] | None = None,
        gradients: bool = False,
        frozen: bool = False,
    ) -> Forward:
        ids = encode(sequences).ids
        return self._run(ids, 0, torch.zeros(len(ids), 1, 4), taps, until, edits, gradients)[0]

    def read(self, ids, state=None, taps=(), until=None, edits=None):
        offset, before = (0, torch.zeros(len(ids), 1, 4)) if state is None else state
        found, last = self._run(ids, offset, before, taps, until, edits, False)
        return found, (offset + ids.shape[1], last)

    def repeat(self, state, times):
        return state[0], state[1].repeat_interleave(times, 0)


def dictionary() -> Dictionary:
    """Feature ``k`` is 1 where base ``k`` was read, and writes that it is intended."""
    encoder, decoder = torch.zeros(WIDTH, 4), torch.zeros(4, WIDTH)
    for base in range(4):
        encoder[base, base], decoder[base, 4 + base] = 2.0, 1.0
    config = SAEConfig("relu_l1", WIDTH, 4, 1, apply_b_dec_to_input=False)
    sae = SparseAutoencoder(
        encoder, torch.full((4,), -1.0), decoder, torch.zeros(WIDTH), torch.zeros(4), config
    )
    return Dictionary(sae, (LAYER,), (LAYER,), torch.ones(4))


def concept(base: str) -> Concept:
    """The base as a concept: level 1 where it was read."""
    return Concept(f"base {base}", LAYER, {"ACGT".index(base): 1.0}, 1.0)
