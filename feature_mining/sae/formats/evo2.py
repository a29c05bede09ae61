"""The published autoencoder of Evo 2 (layer 26, Goodfire, MIT licence), as published and in our inference
form.

Tied weights, nothing taken off the input, ``b_dec`` in the decoder only. The published recipe keeps the
``k * n`` largest values of whatever is passed in one call, so a base's features depend on its window;
``convert`` replaces that by a calibrated threshold.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae.calibrate import Calibration, calibrate
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.formats.imported import pickled_tensors
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
    tensors = {}
    for name, value in pickled_tensors(path).items():
        short = name
        for prefix in _PREFIXES:
            short = short.removeprefix(prefix)
        tensors[short] = value
    if set(tensors) != set(Evo2SAE._fields):
        raise ValueError(f"{path}: holds {', '.join(sorted(tensors))}; expected W, b_enc, b_dec")
    sae = Evo2SAE(*(tensors[name].float() for name in Evo2SAE._fields))
    if sae.W.ndim != 2 or sae.b_enc.shape != sae.W.shape[1:] or sae.b_dec.shape != sae.W.shape[:1]:
        shapes = [tuple(t.shape) for t in sae]
        raise ValueError(f"{path}: shapes {shapes} of W, b_enc, b_dec do not fit together")
    if not all(bool(torch.isfinite(t).all()) for t in sae):
        raise ValueError(f"{path}: holds NaN or infinite values")
    return sae


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
