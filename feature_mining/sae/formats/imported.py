"""From a library's tensors to our inference form, and what every reader needs."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder, fold
from genomic_models.checkpoints.stored import check_tensor, read_archive
from genomic_models.files import read_json, write_whole

# Norms that differ by less are the same, to the precision of float32.
_SAME_NORM = 1e-6


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
        ``(d_in, d_sae)``, ``(d_sae,)``, ``(d_sae, d_out)``, ``(d_out,)``; ``d_out`` is ``d_in`` save for a
        transcoder.
    centred : bool
        Whether ``b_dec`` is taken off the input.
    threshold : Tensor, optional
        ``(d_sae,)`` or a scalar; none is 0.
    k : int
        Active features a base; 0 where unknown.
    row_topk : bool
        Whether the ``k`` largest of a base are kept.
    compared : Tensor, optional
        ``(d_sae,)``, factors on features while they are compared with each other and with the threshold, such
        as the norms of decoder rows; none is 1. What has factor 0 is never active.
    scale : float
        Factor that the library multiplies activations with before, and divides reconstructions by.
    transcoder : bool
        Whether something else is written than is read.
    W_skip : Tensor, optional
        ``(d_in, d_out)``, what is written of the input directly.
    row_norm : str
        As in ``SAEConfig``.
    """

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    centred: bool
    threshold: Tensor | None = None
    k: int = 0
    row_topk: bool = False
    compared: Tensor | None = None
    scale: float = 1.0
    transcoder: bool = False
    W_skip: Tensor | None = None
    row_norm: str = ""


def assemble(
    path: Path, architecture: str, parts: Parts, origin: str, model: str = "", layer: str = ""
) -> Imported:
    """Our inference form of ``parts``: norms and scale folded in, shapes and values checked.

    A feature of the result is the library's times the norm of its decoder row, divided by ``scale``, so
    that the reconstruction is the same. All of it is float64 and rounded once.

    Raises
    ------
    ValueError
        Shapes that do not fit or values that are not finite; the message begins with ``path``.
    """
    W_enc, b_enc, W_dec, b_dec = (t.double() for t in parts[:4])
    if W_enc.ndim != 2 or W_dec.ndim != 2:
        found = tuple(W_enc.shape), tuple(W_dec.shape)
        raise ValueError(f"{path}: encoder and decoder have shapes {found}; expected matrices")
    d_in, d_sae = W_enc.shape
    d_out = W_dec.shape[1] if parts.transcoder else d_in
    expected = {"b_enc": (d_sae,), "W_dec": (d_sae, d_out), "b_dec": (d_out,)}
    for name, tensor in {"b_enc": b_enc, "W_dec": W_dec, "b_dec": b_dec}.items():
        if tuple(tensor.shape) != expected[name]:
            raise ValueError(
                f"{path}: {name} has shape {tuple(tensor.shape)}; expected {expected[name]} to go with"
                f" an encoder from {d_in} to {d_sae}"
            )
    threshold = torch.zeros(d_sae) if parts.threshold is None else parts.threshold
    if threshold.ndim and tuple(threshold.shape) != (d_sae,):
        raise ValueError(f"{path}: threshold has shape {tuple(threshold.shape)}; expected ({d_sae},)")
    threshold = threshold.double().clamp_min(0).expand(d_sae)
    choice = None
    norms = W_dec.norm(dim=1)
    compared = torch.ones_like(norms) if parts.compared is None else parts.compared.double()
    some = compared > 0
    W_enc, b_enc = W_enc * some, b_enc * some
    threshold = torch.where(some, threshold / torch.where(some, compared, 1), 0)
    if parts.row_topk:
        # Values are multiplied by the norms when these are folded in; the choice is made without.
        ratio = torch.where(some & (norms > 0), compared / torch.where(norms > 0, norms, 1), 1)
        even = ratio.max() <= ratio.min() * (1 + _SAME_NORM)
        choice = None if even else ratio.float()
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
        d_out=d_out if parts.transcoder else 0,
        row_norm=parts.row_norm,
    )
    skip = None if parts.W_skip is None else parts.W_skip.float().contiguous()
    try:
        tensors = fold(W_enc, b_enc, W_dec, b_dec, threshold, parts.scale)
        return Imported(SparseAutoencoder(**tensors, config=config, W_skip=skip, choice=choice))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def own_rows(
    sae: SparseAutoencoder, library: str, transcoders: bool = False, row_norms: bool = False
) -> dict[str, Tensor]:
    """``W_enc``, ``b_enc``, ``W_dec`` and ``b_dec`` for a library that chooses by the values themselves.

    Where our TopK chooses by other factors, the decoder rows get their norms back, so that its choice is
    ours. Raises ``ValueError`` for a transcoder or normalised activations that the library lacks.
    """
    if (sae.config.d_out or sae.W_skip is not None) and not transcoders:
        raise ValueError(f"{library} has no transcoders and no skips: export this one as saelens or sparsify")
    if sae.config.row_norm and not row_norms:
        raise ValueError(
            f"{library} does not normalise each activation by itself; this one does"
            f" ({sae.config.row_norm}): export it as saelens"
        )
    factor = torch.ones(sae.config.d_sae) if sae.choice is None else sae.choice.cpu()
    return {
        "W_enc": (sae.W_enc.cpu().double() * factor).float().contiguous(),
        "b_enc": (sae.b_enc.cpu().double() * factor).float(),
        "W_dec": (sae.W_dec.cpu().double() / factor[:, None]).float().contiguous(),
        "b_dec": sae.b_dec.cpu(),
    }


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


def pickled(path: Path) -> object:
    """What a ``.pt`` file holds, read without running code; raises ``ValueError`` where that cannot be."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        # A Namespace holds names and values; checkpoints keep their settings in one.
        return read_archive(path, [Namespace])
    except ValueError as error:
        raise ValueError(f"{path}: not a file of tensors alone, so it was not read ({error})") from None


def pickled_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.pt`` file by name; raises ``ValueError`` where it holds none, or one not whole."""
    stored = pickled(path)
    if isinstance(stored, dict) and isinstance(stored.get("state_dict"), dict):
        stored = stored["state_dict"]
    if not isinstance(stored, dict):
        raise ValueError(f"{path}: holds a {type(stored).__name__}; expected tensors by name")
    tensors = {str(n): t for n, t in stored.items() if isinstance(t, Tensor)}
    if not tensors:
        raise ValueError(f"{path}: holds no tensors")
    for name, tensor in tensors.items():
        try:
            check_tensor(name, tensor)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
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
    values = read_json(path)
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
    with write_whole(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n")


def write_pickled(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as ``torch.save`` does."""
    whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    # Given a name, PyTorch would keep the temporary one inside the file.
    with write_whole(path) as temporary, temporary.open("wb") as handle:
        torch.save(whole, handle)
