"""SAELens: ``cfg.json`` (of version 6 and later, or the flat one before) and ``sae_weights.safetensors``.

Folding follows what that library computes at inference: JumpReLU keeps what is above its threshold, TopK
and BatchTopK compare values times decoder norms where ``rescale_acts_by_decoder_norm`` says so, and Gated is
a JumpReLU: with magnitude ``m = exp(r_mag) * pi + b_mag`` the gate ``pi + b_gate > 0`` is
``m > b_mag - exp(r_mag) * b_gate``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from feature_mining.sae.formats.imported import (
    Imported,
    Parts,
    assemble,
    json_of,
    positive,
    take,
    tensors_of,
    write_json,
)
from feature_mining.sae.model import SparseAutoencoder, save_tensors

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
SCALER = "activation_scaler.json"
WRITTEN_VERSION = "6.0.0"
_RENAMED = {"hook_point": "hook_name", "activation_fn_str": "activation_fn"}

_Reader = Callable[[Path, dict[str, Any], dict[str, Tensor], bool], Parts]


def found(folder: Path) -> bool:
    """Whether a folder is of this format."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read(folder: Path) -> Imported:
    """Read a folder; raises ``ValueError`` for what is damaged or cannot be represented."""
    path = folder / CONFIG
    config = _modern(path, json_of(path))
    architecture = str(config.get("architecture"))
    if architecture not in _READERS:
        raise ValueError(
            f"{path}: architecture {architecture!r} cannot be represented; readable are"
            f" {', '.join(sorted(_READERS))}"
        )
    tensors = tensors_of(folder / WEIGHTS)
    _refuse(path, config, tensors)
    centred = bool(config.get("apply_b_dec_to_input", True))
    parts = _READERS[architecture](path, config, tensors, centred)
    metadata = config.get("metadata") or {}
    return assemble(
        folder / WEIGHTS,
        architecture,
        parts._replace(scale=_scale(folder, config)),
        "SAELens",
        str(metadata.get("model_name") or ""),
        str(metadata.get("hook_name") or ""),
    )


def write(sae: SparseAutoencoder, folder: Path) -> None:
    """Write what ``SAE.load_from_disk`` reads: ``topk``, ``standard`` (threshold 0) or ``jumprelu``."""
    tensors = {n: getattr(sae, n).cpu().contiguous() for n in ("W_enc", "b_enc", "W_dec", "b_dec")}
    floor = sae.threshold.cpu().clamp_min(0)
    extra: dict[str, Any] = {}
    if sae.config.row_topk:
        if bool((floor > 0).any()):
            raise ValueError("SAELens has no TopK with thresholds; this autoencoder has both")
        architecture = "topk"
        extra = {"k": sae.config.k, "rescale_acts_by_decoder_norm": False}
    elif bool((floor > 0).any()):
        architecture = "jumprelu"
        tensors["threshold"] = floor
    else:
        architecture = "standard"
    metadata = {
        "sae_lens_version": WRITTEN_VERSION,
        "training_architecture": sae.config.architecture,
        "model_name": sae.config.model,
        "hook_name": sae.config.layer,
        "weights_hash": sae.config.weights_hash,
    }
    write_json(
        folder / CONFIG,
        {
            "architecture": architecture,
            "d_in": sae.config.d_in,
            "d_sae": sae.config.d_sae,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": sae.config.apply_b_dec_to_input,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": metadata,
        }
        | extra,
    )
    save_tensors(folder / WEIGHTS, tensors, {})


def _modern(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration of version 6; older ones are flat and use other names."""
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and "architecture" in config:
        return config
    flat = {_RENAMED.get(name, name): value for name, value in config.items()}
    flat.setdefault("architecture", "standard")
    activation = flat.get("activation_fn", "relu")
    if activation == "topk":
        flat["architecture"] = "topk"
        flat["k"] = (flat.get("activation_fn_kwargs") or {}).get("k")
    elif activation != "relu":
        raise ValueError(f"{path}: activation {activation!r}; expected relu or topk")
    normalise = flat.get("normalize_activations")
    if normalise is None or isinstance(normalise, bool):
        flat["normalize_activations"] = "expected_average_only_in" if normalise else "none"
    flat["metadata"] = {name: flat.get(name) for name in ("model_name", "hook_name")}
    return flat


def _refuse(path: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    normalise = config.get("normalize_activations", "none")
    if normalise not in ("none", "expected_average_only_in"):
        raise ValueError(
            f"{path}: activations are normalised one by one ({normalise}), which no weights can stand"
            " for; only a constant scale can be folded in"
        )
    if config.get("reshape_activations", "none") != "none":
        raise ValueError(
            f"{path}: reshapes activations ({config['reshape_activations']}); only rows as they come"
            " can be represented"
        )
    for name in ("scaling_factor", "finetuning_scaling_factor"):
        factor = tensors.get(name)
        if factor is not None and not torch.allclose(factor, torch.ones_like(factor)):
            raise ValueError(f"{path}: scales features after encoding ({name}); fold it in first")


def _scale(folder: Path, config: dict[str, Any]) -> float:
    """Factor on activations; what SAELens saves beside a training run."""
    path = folder / SCALER
    if config.get("normalize_activations", "none") == "none":
        return 1.0
    if not path.is_file():
        raise ValueError(
            f"{folder / CONFIG}: activations were scaled to an average norm in training, but {SCALER},"
            " which holds the factor, is not in the folder"
        )
    factor = json_of(path).get("scaling_factor")
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 0:
        raise ValueError(f"{path}: scaling_factor is {factor!r}; expected a number above 0")
    return float(factor)


def _four(path: Path, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return four(path.with_name(WEIGHTS), tensors)


def four(path: Path, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Encoder and decoder with their biases, by the names that libraries without linear layers use."""
    W_enc, b_enc, W_dec, b_dec = take(path, tensors, "W_enc", "b_enc", "W_dec", "b_dec")
    return W_enc, b_enc, W_dec, b_dec


def _standard(
    path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool
) -> Parts:
    return Parts(*_four(path, tensors), centred)


def _jumprelu(
    path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool
) -> Parts:
    (threshold,) = take(path.with_name(WEIGHTS), tensors, "threshold")
    details = (config.get("metadata") or {}).get("training_architecture_details") or {}
    k = details.get("k")
    known = k if isinstance(k, int) and k > 0 else 0
    return Parts(*_four(path, tensors), centred, threshold, known)


def _topk(path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool) -> Parts:
    scaled = bool(config.get("rescale_acts_by_decoder_norm", False))
    k = positive(path, config, "k")
    return Parts(*_four(path, tensors), centred, None, k, row_topk=True, scaled=scaled)


def _batchtopk(
    path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool
) -> Parts:
    (threshold,) = take(path.with_name(WEIGHTS), tensors, "topk_threshold")
    scaled = bool(config.get("rescale_acts_by_decoder_norm", False))
    k = config.get("k")
    whole = k if isinstance(k, int) and k > 0 else 0
    return Parts(*_four(path, tensors), centred, threshold, whole, scaled=scaled)


def _gated(path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool) -> Parts:
    W_enc, b_gate, b_mag, r_mag, W_dec, b_dec = take(
        path.with_name(WEIGHTS), tensors, "W_enc", "b_gate", "b_mag", "r_mag", "W_dec", "b_dec"
    )
    return gated(W_enc, b_gate, b_mag, r_mag, W_dec, b_dec, centred)


def gated(
    W_enc: Tensor,
    b_gate: Tensor,
    b_mag: Tensor,
    r_mag: Tensor,
    W_dec: Tensor,
    b_dec: Tensor,
    centred: bool,
) -> Parts:
    """A gated encoder as one with thresholds."""
    gain = r_mag.double().exp()
    threshold = (b_mag.double() - gain * b_gate.double()).float()
    return Parts((W_enc.double() * gain).float(), b_mag, W_dec, b_dec, centred, threshold)


_READERS: dict[str, _Reader] = {
    "standard": _standard,
    "jumprelu": _jumprelu,
    "topk": _topk,
    "batchtopk": _batchtopk,
    "matryoshka_batchtopk": _batchtopk,
    "gated": _gated,
}
