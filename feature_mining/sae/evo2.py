"""The published Evo 2 layer-26 autoencoder (Goodfire/Arc): a tied BatchTopK.

Its recipe keeps the ``k N`` largest values of the whole window, so a value depends on what else is in the
window. ``PublishedSAE`` repeats that exactly; ``to_inference`` gives our form with a calibrated threshold.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from feature_mining.sae.calibrate import Calibration, calibrate
from feature_mining.sae.model import SAEConfig, SparseAutoencoder

_PREFIXES = ("_orig_mod.", "module.")
LAYER = "blocks.26"
MODEL = "evo2_7b_262k"


@dataclass(frozen=True)
class PublishedSAE:
    """Tied weights ``W (d_in, d_sae)``, ``b_enc``, ``b_dec``; the input is not centred."""

    W: Tensor
    b_enc: Tensor
    b_dec: Tensor
    k: int = 64

    def encode_batch_topk(self, x: Tensor) -> Tensor:
        """Features ``(N, d_sae)`` fp32 of one window ``(N, d_in)``, by the published batch-wide top k."""
        f = (x @ self.W + self.b_enc).relu()
        flat = f.flatten()
        top = flat.topk(self.k * (f.numel() // f.shape[-1]), sorted=False)
        kept = torch.zeros_like(flat).scatter(0, top.indices, top.values)
        return kept.reshape(f.shape).float()

    def decode(self, features: Tensor) -> Tensor:
        """Activations of features."""
        return features @ self.W.T + self.b_dec

    def to_inference(self, activations: Iterable[Tensor]) -> tuple[SparseAutoencoder, Calibration]:
        """Our form: unit decoder rows (norms folded into encoder and bias), threshold from a sample."""
        norms = self.W.float().norm(dim=0)
        tensors = {
            "W_enc": self.W.float() * norms,
            "b_enc": self.b_enc.float() * norms,
            "W_dec": (self.W.float() / norms).T.contiguous(),
            "b_dec": self.b_dec.float(),
            "threshold": torch.zeros_like(norms),
        }
        config = SAEConfig("batch_topk", *self.W.shape, self.k, False, MODEL, LAYER, "")
        return calibrate(SparseAutoencoder(config, tensors), activations)


def load_published(path: Path, k: int = 64) -> PublishedSAE:
    """Read the published ``.pt`` file. Raises ``ValueError`` for another layout or a file with code."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path}: not a plain file of tensors, refused ({error})") from error
    tensors = {}
    for name, tensor in state.items():
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        tensors[name] = tensor
    if set(tensors) != {"W", "b_enc", "b_dec"}:
        raise ValueError(f"{path}: holds {sorted(tensors)}, expected W, b_enc and b_dec")
    return PublishedSAE(**tensors, k=k)
