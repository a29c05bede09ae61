"""The published autoencoder of Evo 2 (layer 26, Goodfire, MIT licence), as published and in our inference
form.

Tied weights, nothing taken off the input, ``b_dec`` in the decoder only. The published recipe keeps the
``k * n`` largest values of whatever is passed in one call, so a base's features depend on its window;
``convert`` replaces that by a calibrated threshold.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae.calibrate import Calibration, calibrate
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder, fold

_PREFIXES = ("_orig_mod.", "module.")
PUBLISHED_K = 64
PUBLISHED_LAYER = "blocks.26"
PUBLISHED_MODEL = "evo2_7b_262k"


class Evo2SAE(NamedTuple):
    """Published tensors, float32: ``W`` (d_in, d_sae), ``b_enc`` (d_sae), ``b_dec`` (d_in)."""

    W: Tensor
    b_enc: Tensor
    b_dec: Tensor


def load_published(path: Path) -> Evo2SAE:
    """Read the published ``.pt`` file without running any code in it.

    Raises
    ------
    ValueError
        No such file, a pickle that is more than tensors, or tensors other than ``W``, ``b_enc``, ``b_dec`` in
        matching shapes without NaN.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        first = str(error).split("\n")[0][:120]
        raise ValueError(
            f"{path}: not a file of tensors alone, so it was not read ({first})"
        ) from None
    tensors = {}
    for name, value in stored.items() if isinstance(stored, dict) else []:
        short = str(name)
        for prefix in _PREFIXES:
            short = short.removeprefix(prefix)
        tensors[short] = value
    if set(tensors) != set(Evo2SAE._fields) or not all(
        isinstance(t, Tensor) for t in tensors.values()
    ):
        raise ValueError(
            f"{path}: holds {', '.join(sorted(tensors)) or 'no tensors'}; expected W, b_enc, b_dec"
        )
    sae = Evo2SAE(*(tensors[name].float() for name in Evo2SAE._fields))
    if sae.W.ndim != 2 or sae.b_enc.shape != sae.W.shape[1:] or sae.b_dec.shape != sae.W.shape[:1]:
        shapes = [tuple(t.shape) for t in sae]
        raise ValueError(f"{path}: shapes {shapes} of W, b_enc, b_dec do not fit together")
    if not all(bool(torch.isfinite(t).all()) for t in sae):
        raise ValueError(f"{path}: holds NaN or infinite values")
    return sae


def encode_batch_topk(sae: Evo2SAE, x: Tensor, k: int = PUBLISHED_K) -> Tensor:
    """Features ``(..., d_sae)`` by the published recipe: the ``k * n`` largest of all ``n`` positions of
    ``x``.

    The result for a position depends on the others in ``x`` ``(..., d_in)``; for figures as published only.
    """
    features = torch.relu(x @ sae.W + sae.b_enc)
    flat = features.flatten()
    best = flat.topk(k * (flat.numel() // features.shape[-1]), sorted=False)
    return torch.zeros_like(flat).scatter_(0, best.indices, best.values).view_as(features)


def decode_published(sae: Evo2SAE, features: Tensor) -> Tensor:
    """Reconstruction ``(..., d_in)`` by the published recipe."""
    return features @ sae.W.T + sae.b_dec


def convert(
    sae: Evo2SAE,
    batches: Iterable[Tensor | np.ndarray],
    k: int = PUBLISHED_K,
    model: str = PUBLISHED_MODEL,
    layer: str = PUBLISHED_LAYER,
    weights_hash: str = "",
    sample: str = "",
) -> tuple[SparseAutoencoder, Calibration]:
    """Our inference form, with a threshold that gives ``k`` features a position on a sample of activations.

    Decoder norms are folded in, so a feature is the published one times the norm of its column of ``W``; the
    thresholds are in those proportions, one value in published units. ``sample`` says in words what was
    calibrated on.
    """
    zero = torch.zeros_like(sae.b_enc)
    tensors = fold(sae.W, sae.b_enc, sae.W.T, sae.b_dec, zero, 1.0)
    config = SAEConfig(
        architecture="evo2_published",
        d_in=sae.W.shape[0],
        d_sae=sae.W.shape[1],
        k=k,
        apply_b_dec_to_input=False,
        model=model,
        layer=layer,
        weights_hash=weights_hash,
        provenance={"calibration_sample": sample},
    )
    norms = sae.W.norm(dim=0)
    shape = torch.where(norms > 0, norms, 1.0)
    return calibrate(SparseAutoencoder(**tensors, config=config), batches, shape)
