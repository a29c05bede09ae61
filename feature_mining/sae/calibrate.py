"""Setting the inference threshold on held-out activations, so that the mean number of active features is k."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from feature_mining.association.sparse import by_feature, value_edges
from feature_mining.feature_map import concatenate
from feature_mining.sae.model import SparseAutoencoder, save_tensors

FILE = "calibration.safetensors"
_CANDIDATES = 8


@dataclass(frozen=True)
class Calibration:
    """What was seen on the held-out sample.

    Attributes
    ----------
    bin_edges : numpy.ndarray
        ``(d_sae, 31)`` float32, ascending edges of each feature's values for histograms.
    maximum : numpy.ndarray
        ``(d_sae)`` float32, largest value.
    l0 : float
        Mean active features a position.
    positions : int
    """

    bin_edges: np.ndarray
    maximum: np.ndarray
    l0: float
    positions: int

    def save(self, folder: Path) -> None:
        """Write ``calibration.safetensors``, atomically."""
        tensors = {
            "bin_edges": torch.from_numpy(self.bin_edges),
            "maximum": torch.from_numpy(self.maximum),
            "l0": torch.tensor(self.l0, dtype=torch.float64),
            "positions": torch.tensor(self.positions),
        }
        save_tensors(tensors, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Calibration:
        """Read what ``save`` wrote."""
        tensors = load_file(folder / FILE)
        return cls(
            tensors["bin_edges"].numpy(),
            tensors["maximum"].numpy(),
            float(tensors["l0"]),
            int(tensors["positions"]),
        )


def calibrate(
    sae: SparseAutoencoder, activations: Iterable[Tensor]
) -> tuple[SparseAutoencoder, Calibration]:
    """Give every feature the threshold at which ``k`` features are active on average.

    One threshold for all features (decoder rows have unit norm, so values are comparable): the
    ``N k``-th largest pre-activation of the sample.

    Parameters
    ----------
    sae : SparseAutoencoder
    activations : iterable of Tensor
        ``(n, d_in)`` float32 blocks that were not trained on.
    """
    blocks = [block.float() for block in activations]
    count = sum(len(block) for block in blocks)
    if not count:
        raise ValueError("no held-out activations to calibrate on")
    k = min(sae.config.k, sae.config.d_sae)
    most = min(sae.config.d_sae, _CANDIDATES * k)
    with torch.inference_mode():
        candidates = torch.cat(
            [sae.pre_activations(b).topk(most, dim=1, sorted=False).values.flatten() for b in blocks]
        )
    ordered = candidates.sort(descending=True).values
    # Halfway to the next value, so that rounding of a pre-activation does not decide.
    at = min(count * k, ordered.numel() - 1)
    level = float((ordered[at - 1] + ordered[at]) / 2)
    threshold = torch.full_like(sae.threshold, max(level, 0.0))
    sae = SparseAutoencoder(replace(sae.config, k=k), sae.tensors | {"threshold": threshold})
    features = concatenate([sae.encode_sparse(block.numpy()) for block in blocks])
    turned = by_feature(*features)
    maximum = np.zeros(sae.config.d_sae, np.float32)
    np.maximum.at(maximum, features.indices, features.values)
    l0 = features.indices.size / count
    return sae, Calibration(value_edges(turned), maximum, l0, count)
