"""The architecture of a checkpoint: from an official configuration, from the released table, from shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from genomic_models.checkpoints.layout import ROTARY
from genomic_models.checkpoints.reader import find_entry
from genomic_models.contract import ModelError
from genomic_models.files import read_json
from genomic_models.released import RELEASED
from genomic_models.striped_hyena.config import Generation, StripedHyenaConfig

BLOCK = re.compile(r"blocks\.(\d+)\.")

KINDS: dict[Generation, dict[str, str]] = {
    "evo2": {"hcs_layer_idxs": "S", "hcm_layer_idxs": "D", "hcl_layer_idxs": "H", "attn_layer_idxs": "*"},
    "evo1": {"hyena_layer_idxs": "H", "attn_layer_idxs": "*"},
}
FIXED: dict[str, object] = {
    "vocab_size": 512,
    "short_filter_length": 3,
    "eps": 1e-6,
    "proj_groups": 1,
    "final_norm": True,
    "tie_embeddings": True,
    "mha_out_proj_bias": True,
    "hyena_flip_x1x2": False,
    "mlp_activation": "gelu",
}
# Switches of the official code that have one value in every released model, and only that here.
FIXED_BY_GENERATION: dict[Generation, dict[str, object]] = {
    "evo2": {
        "interleave": True,
        "column_split": True,
        "column_split_hyena": False,
        "evo2_style_activations": True,
        "hyena_out_proj_bias": True,
        "qkv_proj_bias": False,
        "short_filter_bias": False,
    },
    "evo1": {"column_split_hyena": True, "qkv_proj_bias": True, "short_filter_bias": True},
}

# The files of 7B ask for FP8 projections as well, but the model was made to run in bf16.
WIDTH_7B = 4096


def config_from_vortex(values: Mapping[str, Any]) -> StripedHyenaConfig:
    """Configuration from the keys of the official Evo 1 and Evo 2 files.

    Parameters
    ----------
    values : mapping
        Content of a ``config.json`` (Evo 1) or of the YAML file of an Evo 2 model.

    Raises
    ------
    ModelError
        A key missing, a block of no or two kinds, or a switch set to what no released model has.
    """
    generation: Generation = "evo2" if "hcl_layer_idxs" in values else "evo1"
    for key, wanted in (FIXED | FIXED_BY_GENERATION[generation]).items():
        if values.get(key) not in (None, wanted):
            raise ModelError(
                f"configuration: {key} is {values[key]!r}; only {wanted!r} is supported for {generation}"
            )
    try:
        width = values["hidden_size"]
        interpolated = bool(values.get("use_interpolated_rotary_pos_emb"))
        common: dict[str, Any] = {
            "generation": generation,
            "pattern": _pattern(values, generation),
            "width": width,
            "heads": values["num_attention_heads"],
            "inner": values.get("inner_mlp_size") or _inner(values),
            "state": values["state_size"],
            "rotary_base": float(values.get("rotary_emb_base") or 10000),
            "position_scale": float(values["rotary_emb_scaling_factor"]) if interpolated else 1.0,
            "context": values.get("max_seqlen") or values.get("max_sequence_len") or 8192,
        }
        if generation == "evo1":
            return StripedHyenaConfig(groups=width, **common)
        groups, medium = values["hcs_filter_groups"], values["hcm_filter_groups"]
        return StripedHyenaConfig(
            groups=groups,
            medium_groups=None if medium == groups else medium,
            short_filter=values["hcs_filter_length"],
            medium_filter=values["hcm_filter_length"],
            fp8_projections=bool(values.get("use_fp8_input_projections")) and width != WIDTH_7B,
            **common,
        )
    except KeyError as error:
        raise ModelError(f"configuration: key {error} is missing for {generation}") from error
    except (TypeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"configuration: {error}") from error


def _pattern(values: Mapping[str, Any], generation: Generation) -> str:
    letters: dict[int, str] = {}
    for key, letter in KINDS[generation].items():
        for index in values[key]:
            if index in letters:
                raise ModelError(f"configuration: block {index} has two kinds, one of them by {key}")
            letters[index] = letter
    depth = values["num_layers"]
    if sorted(letters) != list(range(depth)):
        raise ModelError(
            f"configuration: num_layers is {depth}, but kinds are given for blocks {sorted(letters)}"
        )
    return "".join(letters[i] for i in range(depth))


def _inner(values: Mapping[str, Any]) -> int:
    """Two thirds of four times the width, rounded up, as the official code does when no size is given."""
    multiple = values.get("inner_size_multiple_of") or 64
    return -(-int(2 * values["hidden_size"] * 4 / 3) // multiple) * multiple


def infer_config(state: Mapping[str, Tensor]) -> StripedHyenaConfig:
    """What the names and shapes of a checkpoint tell of its architecture.

    Position scale, rotary base, context length and the need for FP8 leave no mark on shapes: they are at
    their defaults here (``find_config`` knows better).

    Parameters
    ----------
    state : mapping of str to Tensor
        Under the network's names; for Evo 1 with ``inv_freq``, whose length is half a head.

    Raises
    ------
    ModelError
        A tensor missing without which a figure cannot be told.
    """
    try:
        return _infer(state)
    except (KeyError, IndexError) as error:
        raise ModelError(
            f"checkpoint: tensor {error} is missing or misshapen, so that the architecture cannot be"
            " told from the shapes: download the file again or put its config.json beside it"
        ) from error
    except ModelError:
        raise
    except ValueError as error:
        raise ModelError(f"checkpoint: the shapes fit no network of this kind ({error})") from error


def _infer(state: Mapping[str, Tensor]) -> StripedHyenaConfig:
    depth = 1 + max((int(m[1]) for name in state if (m := BLOCK.match(name))), default=-1)
    width = state["embedding_layer.weight"].shape[1]
    evo1 = any(name.endswith((".filter.poles", ".Wqkv.bias")) for name in state)
    pattern = "".join(_letter(state, i) for i in range(depth))
    first = {letter: f"blocks.{pattern.find(letter)}." for letter in set(pattern)}
    common: dict[str, Any] = {
        "generation": "evo1" if evo1 else "evo2",
        "pattern": pattern,
        "width": width,
        "heads": _heads(state, width),
        "inner": state["blocks.0.mlp.l1.weight"].shape[0],
    }
    if "H" in first:
        common["state"] = state[f"{first['H']}filter.residues"].shape[1]
    if evo1:
        return StripedHyenaConfig(groups=width, **common)
    taps = {kind: state[f"{first[kind]}filter.h"].shape for kind in "SD" if kind in first}
    medium = taps["D"][0] if "D" in taps else None
    groups = taps["S"][0] if "S" in taps else medium or width
    if "S" in taps:
        common["short_filter"] = taps["S"][2]
    if "D" in taps:
        common["medium_filter"] = taps["D"][2]
    return StripedHyenaConfig(groups=groups, medium_groups=None if medium == groups else medium, **common)


# The first of these tensors that a block has tells its kind.
MARKS = (
    ("inner_mha_cls.Wqkv.weight", "*"),
    ("filter.log_poles", "H"),
    ("filter.poles", "H"),
    ("filter.D", "D"),
    ("filter.h", "S"),
)


def _letter(state: Mapping[str, Tensor], index: int) -> str:
    for name, letter in MARKS:
        if f"blocks.{index}.{name}" in state:
            return letter
    raise KeyError(f"blocks.{index}.filter.h")


def _heads(state: Mapping[str, Tensor], width: int) -> int:
    for name, tensor in state.items():
        if name.endswith(ROTARY):
            return width // (2 * len(tensor))
    raise KeyError(f"blocks.N{ROTARY}")


def find_config(path: str | Path, state: Mapping[str, Tensor]) -> StripedHyenaConfig:
    """Full configuration of a checkpoint that is not asked for by a released model's name.

    Taken from the first of: ``config.json`` or ``STEM.config.json`` beside the file, in the official keys
    or this project's own; the released model of the file's name; the released models of the same shapes,
    if they agree with each other.

    Raises
    ------
    ModelError
        If none of them tells: positions would be read at the wrong scale.
    """
    entry = find_entry(Path(path))
    stem = entry.name.split(".")[0]
    for beside in (entry.parent / f"{stem}.config.json", entry.parent / "config.json"):
        if beside.is_file():
            return read_config(beside)
    if stem in RELEASED:
        return RELEASED[stem].config
    shapes = infer_config(state)
    alike = {release.config for release in RELEASED.values() if _same_shapes(release.config, shapes)}
    if len(alike) != 1:
        scales = ", ".join(f"{c.position_scale:g}" for c in alike) or "unknown"
        raise ModelError(
            f"{entry}: the position scale cannot be told from the weights (of released models with these"
            f" shapes: {scales}): put the model's config.json beside the file"
        )
    return alike.pop()


def _same_shapes(config: StripedHyenaConfig, shapes: StripedHyenaConfig) -> bool:
    unseen = {
        name: getattr(config, name)
        for name in ("rotary_base", "position_scale", "context", "fp8_projections")
    }
    return config == replace(shapes, **unseen)


def read_config(path: Path) -> StripedHyenaConfig:
    """Configuration from a JSON file, in the official keys or in this project's own.

    Raises ``ModelError`` if it cannot be read.
    """
    try:
        values = read_json(path)
        if "generation" in values:
            return StripedHyenaConfig.from_dict(values)
        return config_from_vortex(values)
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path}: not a configuration of an Evo model ({error})") from error
