"""From a library's tensors to our inference form, and what every reader needs."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from feature_mining.sae.model import SAEConfig, SparseAutoencoder, fold

_SAME_NORM = 1e-4


class Imported(NamedTuple):
    """An autoencoder that was read.

    ``shape`` is None where it is ready; else its threshold is yet to be calibrated, in the proportions
    ``(d_sae,)`` of ``shape``.
    """

    sae: SparseAutoencoder
    shape: Tensor | None = None


class Parts(NamedTuple):
    """A dictionary in its library's own units.

    Attributes
    ----------
    W_enc, b_enc, W_dec, b_dec : Tensor
        ``(d_in, d_sae)``, ``(d_sae,)``, ``(d_sae, d_in)``, ``(d_in,)``.
    centred : bool
        Whether ``b_dec`` is taken off the input.
    threshold : Tensor, optional
        ``(d_sae,)`` or a scalar; none is 0.
    k : int
        Active features a base; 0 where unknown.
    row_topk : bool
        Whether the ``k`` largest of a base are kept.
    scaled : bool
        Whether features are compared (with each other, with the threshold) after multiplication by the norm
        of their decoder row.
    scale : float
        Factor that the library multiplies activations with before, and divides reconstructions by.
    """

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    centred: bool
    threshold: Tensor | None = None
    k: int = 0
    row_topk: bool = False
    scaled: bool = False
    scale: float = 1.0


def assemble(
    path: Path,
    architecture: str,
    parts: Parts,
    origin: str,
    model: str = "",
    layer: str = "",
) -> Imported:
    """Our inference form of ``parts``: norms and scale folded in, shapes and values checked.

    A feature of the result is the library's times the norm of its decoder row, divided by ``scale``, so
    that the reconstruction is the same.

    Raises
    ------
    ValueError
        Shapes that do not fit, values that are not finite, or a TopK whose choice would change when decoder
        rows are brought to norm 1; the message begins with ``path``.
    """
    W_enc, b_enc, W_dec, b_dec = (t.float() for t in parts[:4])
    if W_enc.ndim != 2:
        raise ValueError(f"{path}: the encoder has shape {tuple(W_enc.shape)}; expected a matrix")
    d_in, d_sae = W_enc.shape
    expected = {"b_enc": (d_sae,), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
    for name, tensor in {"b_enc": b_enc, "W_dec": W_dec, "b_dec": b_dec}.items():
        if tuple(tensor.shape) != expected[name]:
            raise ValueError(
                f"{path}: {name} has shape {tuple(tensor.shape)}; expected {expected[name]} to go with"
                f" an encoder from {d_in} to {d_sae}"
            )
    threshold = torch.zeros(d_sae) if parts.threshold is None else parts.threshold.float()
    if threshold.ndim and tuple(threshold.shape) != (d_sae,):
        raise ValueError(
            f"{path}: threshold has shape {tuple(threshold.shape)}; expected ({d_sae},)"
        )
    threshold = threshold.clamp_min(0).expand(d_sae).clone()
    norms = W_dec.double().norm(dim=1)
    if parts.scaled:
        # What decodes to nothing is never chosen there.
        W_enc, b_enc = W_enc * (norms > 0), b_enc * (norms > 0)
        threshold = torch.where(norms > 0, threshold.double() / norms.clamp_min(1e-300), 0).float()
    elif parts.row_topk and norms.max() > norms.min() * (1 + _SAME_NORM):
        raise ValueError(
            f"{path}: a TopK autoencoder with decoder rows of norm {norms.min():.4g} to"
            f" {norms.max():.4g} that chooses before it scales; only rows of one norm can be"
            " represented exactly"
        )
    config = SAEConfig(
        architecture=architecture,
        d_in=d_in,
        d_sae=d_sae,
        k=parts.k,
        apply_b_dec_to_input=parts.centred,
        model=model,
        layer=layer,
        provenance={"imported_from": origin},
        row_topk=parts.row_topk,
    )
    try:
        tensors = fold(W_enc, b_enc, W_dec, b_dec, threshold, parts.scale)
        return Imported(SparseAutoencoder(**tensors, config=config))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def centred(sae: SparseAutoencoder, wanted: bool) -> SparseAutoencoder:
    """The same function of ``x`` with ``b_dec`` taken off the input or not, as a library fixes it."""
    if sae.config.apply_b_dec_to_input == wanted:
        return sae
    shift = sae.b_dec.double() @ sae.W_enc.double()
    b_enc = (sae.b_enc.double() + (shift if wanted else -shift)).float()
    return replace(sae, b_enc=b_enc, config=replace(sae.config, apply_b_dec_to_input=wanted))


def tensors_of(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file; raises ``ValueError`` where it is not a whole one."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from None


def pickled_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.pt`` file, read without running code; raises ``ValueError`` for anything else."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ValueError(
            f"{path}: not a file of tensors alone, so it was not read ({first})"
        ) from None
    if isinstance(stored, dict) and isinstance(stored.get("state_dict"), dict):
        stored = stored["state_dict"]
    if not isinstance(stored, dict):
        raise ValueError(f"{path}: holds a {type(stored).__name__}; expected tensors by name")
    tensors = {str(n): t for n, t in stored.items() if isinstance(t, Tensor)}
    if not tensors:
        raise ValueError(f"{path}: holds no tensors")
    return tensors


def take(path: Path, tensors: Mapping[str, Tensor], *names: str) -> list[Tensor]:
    """The named tensors; raises ``ValueError`` naming those that ``path`` lacks."""
    missing = [name for name in names if name not in tensors]
    if missing:
        raise ValueError(
            f"{path}: lacks tensors {', '.join(missing)}; found {', '.join(sorted(tensors)) or 'none'}"
        )
    return [tensors[name] for name in names]


def json_of(path: Path) -> dict[str, Any]:
    """A JSON object; raises ``ValueError`` for anything else."""
    try:
        values = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: not JSON ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: holds a {type(values).__name__}; expected an object")
    return values


def positive(path: Path, values: Mapping[str, Any], name: str) -> int:
    """A whole number of at least 1; raises ``ValueError`` for anything else."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{path}: {name} is {value!r}; expected a whole number of at least 1")
    return value


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an object as JSON."""
    path.write_text(json.dumps(values, indent=1) + "\n")
