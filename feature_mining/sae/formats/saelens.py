"""SAELens: ``cfg.json`` of version 6 and later (read, too: the flat one before), ``sae_weights.safetensors``.

Folding follows what that library computes at inference: JumpReLU keeps what is above its threshold, TopK
and BatchTopK compare values times decoder norms where ``rescale_acts_by_decoder_norm`` says so, and Gated is
a JumpReLU: with magnitude ``m = exp(r_mag) * pi + b_mag`` the gate ``pi + b_gate > 0`` is
``m > b_mag - exp(r_mag) * b_gate``. What is done to activations first is in ``saelens_inputs``.
``sparsity.safetensors`` holds the densities of features. ``saelens_flat`` writes for versions before 6.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae.formats.imported import (
    Imported,
    Parts,
    assemble,
    json_of,
    own_rows,
    positive,
    take,
    tensors_of,
    write_json,
)
from feature_mining.sae.formats.saelens_inputs import FOLDED, NORM_NAMES
from feature_mining.sae.model import SparseAutoencoder, save_tensors

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
SPARSITY = "sparsity.safetensors"
_LEAST = 1e-10
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
    parts = FOLDED[config.get("normalize_activations", "none")](folder, parts)
    metadata = config.get("metadata") or {}
    return assemble(
        folder / WEIGHTS,
        architecture,
        parts,
        "SAELens",
        str(metadata.get("model_name") or ""),
        str(metadata.get("hook_name") or ""),
    )


def write(sae: SparseAutoencoder, folder: Path) -> None:
    """Write what ``SAE.load_from_disk`` reads: ``topk``, ``standard`` (threshold 0), ``jumprelu``, or one of
    its transcoders.
    """
    tensors = own_rows(sae, "SAELens", transcoders=True, row_norms=True)
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
    if sae.W_skip is not None and not sae.config.d_out:
        raise ValueError("SAELens has no skip beside an autoencoder: export this one as sparsify")
    if sae.config.d_out:
        architecture = _transcoder(architecture, sae, tensors)
        extra = {"d_out": sae.config.d_out}
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
            "normalize_activations": NORM_NAMES[sae.config.row_norm],
            "reshape_activations": "none",
            "metadata": metadata,
        }
        | extra,
    )
    save_tensors(folder / WEIGHTS, tensors, {})


def write_density(density: np.ndarray, folder: Path) -> None:
    """Write the share of positions at which each feature is active, ``(d_sae,)``, as its log10."""
    logs = np.log10(np.asarray(density, np.float64) + _LEAST).astype(np.float32)
    save_tensors(folder / SPARSITY, {"sparsity": torch.from_numpy(logs)}, {})


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
    if normalise not in FOLDED:
        raise ValueError(f"{path}: normalize_activations {normalise!r}; expected one of {', '.join(FOLDED)}")
    if config.get("reshape_activations", "none") != "none":
        raise ValueError(
            f"{path}: reshapes activations ({config['reshape_activations']}); only rows as they come"
            " can be represented"
        )
    for name in ("scaling_factor", "finetuning_scaling_factor"):
        factor = tensors.get(name)
        if factor is not None and not torch.allclose(factor, torch.ones_like(factor)):
            raise ValueError(f"{path}: scales features after encoding ({name}); fold it in first")


def _transcoder(architecture: str, sae: SparseAutoencoder, tensors: dict[str, Tensor]) -> str:
    """Name of a transcoder whose features are those of ``architecture``; adds its skip to ``tensors``."""
    stem = {"standard": "", "jumprelu": "jumprelu_"}.get(architecture)
    if stem is None:
        raise ValueError("SAELens has no TopK transcoder: export this one as sparsify")
    if sae.W_skip is None:
        return f"{stem}transcoder"
    tensors["W_skip"] = sae.W_skip.T.cpu().contiguous()
    return f"{stem}skip_transcoder"


def _four(path: Path, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return four(path.with_name(WEIGHTS), tensors)


def four(path: Path, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Encoder and decoder with their biases, by the names that libraries without linear layers use."""
    W_enc, b_enc, W_dec, b_dec = take(path, tensors, "W_enc", "b_enc", "W_dec", "b_dec")
    return W_enc, b_enc, W_dec, b_dec


def _standard(path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool) -> Parts:
    return Parts(*_four(path, tensors), centred)


def _jumprelu(path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool) -> Parts:
    (threshold,) = take(path.with_name(WEIGHTS), tensors, "threshold")
    details = (config.get("metadata") or {}).get("training_architecture_details") or {}
    k = details.get("k")
    known = k if isinstance(k, int) and k > 0 else 0
    return Parts(*_four(path, tensors), centred, threshold, known)


def _topk(path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool) -> Parts:
    k = positive(path, config, "k")
    compared = _norms(path, config, tensors)
    return Parts(*_four(path, tensors), centred, None, k, row_topk=True, compared=compared)


def _batchtopk(path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool) -> Parts:
    (threshold,) = take(path.with_name(WEIGHTS), tensors, "topk_threshold")
    k = config.get("k")
    whole = k if isinstance(k, int) and k > 0 else 0
    compared = _norms(path, config, tensors)
    return Parts(*_four(path, tensors), centred, threshold, whole, compared=compared)


def _norms(path: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> Tensor | None:
    """Norms of decoder rows, where values are multiplied by them while they are compared."""
    if not config.get("rescale_acts_by_decoder_norm", False):
        return None
    return _four(path, tensors)[2].double().norm(dim=1)


def _other(features: _Reader, skip: bool) -> _Reader:
    """A transcoder whose features are made as ``features`` says."""

    def parts(path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool) -> Parts:
        read = features(path, config, tensors, False)._replace(transcoder=True)
        if not skip:
            return read
        (matrix,) = take(path.with_name(WEIGHTS), tensors, "W_skip")
        return read._replace(W_skip=matrix.T)

    return parts


def _gated(path: Path, config: dict[str, Any], tensors: dict[str, Tensor], centred: bool) -> Parts:
    W_enc, b_gate, b_mag, r_mag, W_dec, b_dec = take(
        path.with_name(WEIGHTS), tensors, "W_enc", "b_gate", "b_mag", "r_mag", "W_dec", "b_dec"
    )
    return gated(W_enc, b_gate, b_mag, r_mag, W_dec, b_dec, centred)


def gated(
    W_enc: Tensor, b_gate: Tensor, b_mag: Tensor, r_mag: Tensor, W_dec: Tensor, b_dec: Tensor, centred: bool
) -> Parts:
    """A gated encoder as one with thresholds."""
    gain = r_mag.double().exp()
    threshold = b_mag.double() - gain * b_gate.double()
    return Parts(W_enc.double() * gain, b_mag, W_dec, b_dec, centred, threshold)


_READERS: dict[str, _Reader] = {
    "standard": _standard,
    "jumprelu": _jumprelu,
    "topk": _topk,
    "batchtopk": _batchtopk,
    "matryoshka_batchtopk": _batchtopk,
    "gated": _gated,
    "transcoder": _other(_standard, skip=False),
    "skip_transcoder": _other(_standard, skip=True),
    "jumprelu_transcoder": _other(_jumprelu, skip=False),
    "jumprelu_skip_transcoder": _other(_jumprelu, skip=True),
}
