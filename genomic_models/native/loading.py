"""A published folder or repository of one of our families: its files are found, read as data and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from genomic_models.errors import ModelError
from genomic_models.families import TOKENS, TOLERANCE, known_weights
from genomic_models.files import expanded, read_json
from genomic_models.kmers import FILES as VOCABULARIES
from genomic_models.kmers import KmerTokenizer
from genomic_models.native.network import Network, last_line
from genomic_models.native.registry import FAMILIES, Family
from genomic_models.stack import StackModel

CONFIG = "config.json"
# Files of weights, in the order in which they are looked for.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# Settings that say how many modules are made.
DEPTHS = ("n_layer", "n_layers", "num_hidden_layers", "num_inner_mlps")
# Ids of the tokenizers of HyenaDNA and Caduceus, whose letters follow.
SPECIAL = ("[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]")

Find = Callable[[str], Path | None]


def load_native(source: str, name: str, device: str, dtype: torch.dtype) -> StackModel | None:
    """The model of a folder or a repository of the hub; None where it is of no family of ours.

    Raises
    ------
    ModelError
        Settings that this code does not compute, no or other weights, a tokenizer that cannot be read, or
        arithmetic of the installed PyTorch that gives other logits than the family's card.
    """
    find = _finder(source)
    path = find(CONFIG)
    try:
        config = {} if path is None else read_json(path)
    except ValueError as error:
        raise ModelError(f"model {name}: {error}") from error
    family = next((family for family in FAMILIES if isinstance(config, dict) and family.reads(config)), None)
    if family is None:
        return None
    check_family(family)
    state = _weights(find, name)
    network = _planned(family, config, len(state), name)
    network.fill(state, name)
    network = network.to(device=device, dtype=dtype).requires_grad_(False)
    tokenizer, longest = (
        _letters(find, name) if family.tokenizer is None else _tokenizer(source, name, family.tokenizer)
    )
    context = min(network.context, longest or network.context)
    try:
        return StackModel(network, tokenizer, name, network.blocks, network.width, context)
    except (RuntimeError, IndexError) as error:
        raise ModelError(
            f"model {name}: its network does not read its tokens ({last_line(error)})"
        ) from error


def _planned(family: Family, config: Mapping[str, Any], tensors: int, name: str) -> Network:
    """The network of the settings without memory for its numbers: what a file says it needs may be wrong."""
    for key in DEPTHS:
        if isinstance(depth := config.get(key), int) and depth > tensors:
            raise ModelError(f"model {name}: config.json has {key} = {depth:,}, the file {tensors:,} tensors")
    try:
        with torch.device("meta"):
            return family.network(config)
    except ModelError as error:
        raise ModelError(f"model {name}: {error}") from error
    except (RuntimeError, TypeError, ValueError, ArithmeticError, AttributeError, KeyError) as error:
        raise ModelError(
            f"model {name}: config.json holds no settings of {family.name} ({last_line(error)})"
        ) from error


@lru_cache(maxsize=16)
def check_family(family: Family) -> None:
    """Raise ``ModelError`` where a network of known weights gives other logits than its family's card."""
    expected = torch.tensor(family.logits)
    apart = float((tiny_logits(family)[-1, : len(expected)] - expected).abs().max())
    if not apart <= TOLERANCE:
        raise ModelError(
            f"PyTorch {torch.__version__} computes {family.name} wrongly: on a network of known weights its"
            f" logits are up to {apart:.2g} off; install another release"
        )


def tiny_logits(family: Family) -> Tensor:
    """Logits ``(tokens, vocabulary)`` of the card's network of known weights."""
    network = family.network(family.tiny)
    shapes = {
        name: tuple(values.shape)
        for name, values in network.state_dict().items()
        if not any(re.search(pattern, name) for pattern in network.tied)
    }
    network.fill(known_weights(shapes), family.name)
    ids = torch.tensor([TOKENS])
    with torch.inference_mode():
        logits: Tensor = network.eval()(ids, torch.ones_like(ids)).logits[0].float()
    return logits


def _finder(source: str) -> Find:
    """Paths of a source's files by their names; None for one that it has not."""
    folder = expanded(source)
    if folder.is_dir():
        return lambda name: path if (path := folder / name).is_file() else None
    try:
        from transformers.utils import cached_file
    except ImportError:
        return lambda name: None  # what is missing is said by those who need it

    def find(name: str) -> Path | None:
        quiet = {
            "_raise_exceptions_for_missing_entries": False,
            "_raise_exceptions_for_connection_errors": False,
            "_raise_exceptions_for_gated_repo": False,
        }
        try:
            found = cached_file(source, name, **quiet)
        except (OSError, ValueError):
            return None
        return None if found is None else Path(found)

    return find


def _weights(find: Find, name: str) -> Mapping[str, Tensor]:
    path = next((path for file in WEIGHTS if (path := find(file)) is not None), None)
    if path is None:
        raise ModelError(f"model {name}: no weights found, expected {' or '.join(WEIGHTS)} beside {CONFIG}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError, SafetensorError) as error:
        raise ModelError(f"model {name}: {path} cannot be read as data ({last_line(error)})") from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ModelError(f"model {name}: {path} holds no tensors by name")
    return found


def _letters(find: Find, name: str) -> tuple[KmerTokenizer, int | None]:
    """A token a base, whose tokenizer comes as code: its letters and its longest sequence are data."""
    if other := next((path for file in VOCABULARIES if (path := find(file)) is not None), None):
        raise ModelError(
            f"model {name}: {other.name} holds a vocabulary of its own; expected the letters of HyenaDNA and"
            " Caduceus, whose tokenizers have no such file"
        )
    path = find("tokenizer_config.json")
    try:
        settings: Any = {} if path is None else read_json(path)
        letters = settings.get("characters") or ("A", "C", "G", "T", "N")
        vocabulary = {word: i for i, word in enumerate((*SPECIAL, *letters))}
    except (ValueError, AttributeError, TypeError) as error:
        raise ModelError(f"model {name}: {path}: not a tokenizer's settings ({error})") from error
    longest = settings.get("model_max_length")
    return KmerTokenizer(vocabulary, 1), longest if isinstance(longest, int) and longest > 0 else None


def _tokenizer(source: str, name: str, kind: str) -> tuple[Any, int | None]:
    try:
        import transformers
    except ImportError as error:
        raise ModelError(
            f"model {name} needs the transformers library: pip install 'genomics-workbench[hf]'"
        ) from error
    try:
        found = getattr(transformers, kind).from_pretrained(source)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"model {name}: its tokenizer cannot be read ({last_line(error)})") from error
    longest = getattr(found, "model_max_length", None)
    return found, longest if isinstance(longest, int) and longest < 10**9 else None
