"""Families of DNA models that load through transformers: their cards, and a check of its arithmetic.

A library may load a network without a word and compute other logits (transformers 5 once zeroed the rotary
buffers of a family). So before a model is loaded, a network of its architecture, tiny and of weights known by
a rule, goes through the same loading, and its logits on fixed tokens are compared with the card's.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from genomic_models.errors import ModelError

# Tokens of the check, and the largest difference of a logit that rounding explains.
TOKENS = (5, 9, 3, 12, 7, 7, 4, 10, 6, 13, 8, 5)
TOLERANCE = 1e-4
# Releases that give the logits of the cards.
RIGHT = "4.57.1 and 5.23.0"
_DECODER = {
    "vocab_size": 16,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
}
_ENCODER = {
    "vocab_size": 16,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 1,
}
# The same network twice: Mistral's windows are longer than the check.
_LLAMA = (-0.312561, 0.535343, 0.529916, -0.320192, -0.659917, 0.052259)


@dataclass(frozen=True)
class Card:
    """An architecture of transformers.

    Attributes
    ----------
    architecture, config : str
        Names of its classes.
    families : tuple of str
        DNA models that have it.
    tiny : mapping
        Settings of the network of the check.
    logits : tuple of float
        Of the last token of ``TOKENS``, the first six of the vocabulary.
    """

    architecture: str
    config: str
    families: tuple[str, ...]
    tiny: Mapping[str, Any]
    logits: tuple[float, ...]


CARDS = {
    card.architecture: card
    for card in (
        Card(
            "EsmForMaskedLM",
            "EsmConfig",
            ("Nucleotide Transformer v1",),
            _ENCODER | {"mask_token_id": 2, "token_dropout": True, "position_embedding_type": "absolute"},
            (-0.693144, -1.647704, -0.232707, 1.497397, 1.012136, -0.768339),
        ),
        Card(
            "BertForMaskedLM",
            "BertConfig",
            ("GROVER",),
            _ENCODER,
            (1.261704, 2.218404, -0.110031, -2.216098, -0.968843, 1.501768),
        ),
        Card("LlamaForCausalLM", "LlamaConfig", ("GENERator", "Carbon"), _DECODER, _LLAMA),
        Card("MistralForCausalLM", "MistralConfig", ("GenomeOcean",), _DECODER, _LLAMA),
        Card(
            "MixtralForCausalLM",
            "MixtralConfig",
            ("Mistral-DNA",),
            _DECODER | {"num_local_experts": 3, "num_experts_per_tok": 2},
            (-0.301584, 0.506545, 0.507246, -0.300598, -0.629292, 0.045099),
        ),
    )
}


def architecture_of(config: Any) -> str:
    """Name of the class that a model's configuration asks for; empty where it names none."""
    return str((getattr(config, "architectures", None) or [""])[0])


def known_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Weights float32 that names in the file and places alone decide."""
    found = {}
    for name, shape in shapes.items():
        place = torch.arange(math.prod(shape), dtype=torch.float64)
        wave = torch.sin(0.7 * place + sum(name.encode()) % 97)
        size = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.3
        found[name] = (size * wave).float().reshape(shape)
    return found


def _published(name: str) -> str:
    """Name of a weight as published; transformers 5 saves layer norms of an ESM under older ones."""
    return name.replace(".gamma", ".weight").replace(".beta", ".bias")


def tiny_logits(architecture: str) -> Tensor:
    """Logits ``(tokens, vocabulary)`` float32 that the installed library gives for a card's network.

    Weights are put into a saved file under the names of published checkpoints, whatever the release's are.
    """
    import transformers
    from transformers.utils import logging

    card = CARDS[architecture]
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        network = getattr(transformers, architecture)(getattr(transformers, card.config)(**card.tiny))
        with tempfile.TemporaryDirectory() as folder:
            network.save_pretrained(folder)
            path = Path(folder) / "model.safetensors"
            shapes = {_published(name): tuple(values.shape) for name, values in load_file(path).items()}
            save_file(known_weights(shapes), path, {"format": "pt"})
            loaded = type(network).from_pretrained(folder, use_safetensors=True).eval()
    finally:
        if shown:
            logging.enable_progress_bar()
    with torch.inference_mode():
        logits: Tensor = loaded(input_ids=torch.tensor([TOKENS])).logits[0].float()
    return logits


@lru_cache(maxsize=16)
def check_architecture(architecture: str) -> None:
    """Raise ``ModelError`` where the installed library does not give the logits of an architecture's card.

    An architecture without a card passes: nothing is known of it.
    """
    if architecture not in CARDS:
        return
    import transformers

    expected = torch.tensor(CARDS[architecture].logits)
    apart = float((tiny_logits(architecture)[-1, : len(expected)] - expected).abs().max())
    if not apart <= TOLERANCE:
        raise ModelError(
            f"transformers {transformers.__version__} computes {architecture} wrongly: on a network of known"
            f" weights its logits are up to {apart:.2g} off; install another release (transformers"
            f" {RIGHT} are right)"
        )
