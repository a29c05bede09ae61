"""How good an autoencoder is on sequence it was not trained on.

All figures come from sums that merge, so parts may be measured anywhere in any order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.feature_map import Csr
from feature_mining.sae.model import SparseAutoencoder

OVER_DENSE = 0.1
_CONSTANT = 1e-10
# log10 of the share of positions at which a feature is active.
DENSITY_EDGES = np.arange(-7.0, 0.25, 0.25)


@dataclass(frozen=True, eq=False)
class QualitySums:
    """Sums over positions, float64; ``a + b`` merges two parts.

    Attributes
    ----------
    rows : float
    centred, centred_squares : ndarray
        Sums of ``x - b_dec`` and of its squares, ``(d_in,)``: the variance without loss of digits.
    errors : ndarray
        ``(d_in,)``, sums of the squares of x − x̂.
    cosine, ratio, nonzero : float
        Sums of the cosine and of ‖x̂‖ / ‖x‖ over the ``nonzero`` rows with ‖x‖ > 0.
    written, overlap : float
        Sums of ‖x̂‖² and of x · x̂.
    active : ndarray
        ``(d_sae,)`` positions at which each feature is active.
    """

    rows: float
    centred: np.ndarray
    centred_squares: np.ndarray
    errors: np.ndarray
    cosine: float
    ratio: float
    nonzero: float
    written: float
    overlap: float
    active: np.ndarray

    def __add__(self, other: QualitySums) -> QualitySums:
        return QualitySums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(QualitySums)))


class Quality(NamedTuple):
    """Held-out figures.

    explained_by_dimension : the same for each number of the activation (d_in); NaN for one that is constant
    explained_variance : 1 − Σ‖x − x̂‖² / Σ‖x − x̄‖², x̄ the mean over all positions; may be below 0
    cosine, l2_ratio : means over positions of cos(x, x̂) and ‖x̂‖ / ‖x‖
    relative_bias : Σ‖x̂‖² / Σ x·x̂ (1 = the reconstruction is as long as it should be)
    l0 : active features a position, at inference
    dead_fraction : features never active on this sample
    over_dense_fraction : features active at more than a tenth of positions
    density_edges, density_counts : histogram of log10 density of the features alive
    rows : positions
    mean : float64 (d_in), of x
    """

    explained_variance: float
    explained_by_dimension: np.ndarray
    cosine: float
    l2_ratio: float
    relative_bias: float
    l0: float
    dead_fraction: float
    over_dense_fraction: float
    density_edges: np.ndarray
    density_counts: np.ndarray
    rows: int
    mean: np.ndarray


def measure_batch(sae: SparseAutoencoder, x: Tensor | np.ndarray) -> QualitySums:
    """Sums of one batch ``(n, d_in)``."""
    features: Csr = sae.encode_sparse(x)
    written = sae.write(features, x).double()
    raw = (torch.from_numpy(x) if isinstance(x, np.ndarray) else x).to(written)
    centred = raw - sae.b_dec.double()
    lengths, written_lengths = raw.norm(dim=1), written.norm(dim=1)
    overlap = (raw * written).sum(dim=1)
    some = lengths > 0
    both = (lengths * written_lengths)[some]
    cosine = torch.where(both > 0, overlap[some] / both, 0.0)
    return QualitySums(
        rows=float(len(raw)),
        centred=centred.sum(dim=0).cpu().numpy(),
        centred_squares=centred.square().sum(dim=0).cpu().numpy(),
        errors=(raw - written).square().sum(dim=0).cpu().numpy(),
        cosine=float(cosine.sum()),
        ratio=float((written_lengths[some] / lengths[some]).sum()),
        nonzero=float(some.sum()),
        written=float(written_lengths.square().sum()),
        overlap=float(overlap.sum()),
        active=np.bincount(features.indices, minlength=sae.config.d_sae).astype(np.float64),
    )


def measure(sae: SparseAutoencoder, batches: Iterable[Tensor | np.ndarray]) -> QualitySums:
    """Sums over batches ``(n, d_in)`` of held-out activations. Raises ``ValueError`` for none."""
    total: QualitySums | None = None
    for x in batches:
        part = measure_batch(sae, x)
        total = part if total is None else total + part
    if total is None or not total.rows:
        raise ValueError("no held-out activations to measure the SAE on")
    return total


def summarise(sums: QualitySums, b_dec: np.ndarray) -> Quality:
    """Figures from sums; ``b_dec`` is the autoencoder's. NaN where a figure is not defined (0 / 0)."""
    offset = sums.centred / sums.rows
    variances = sums.centred_squares - sums.rows * offset**2
    spread = variances > _CONSTANT * sums.centred_squares
    density = sums.active / sums.rows
    alive = density[density > 0]
    return Quality(
        explained_variance=1 - _over(float(sums.errors.sum()), float(variances.sum())),
        explained_by_dimension=np.where(spread, 1 - sums.errors / np.where(spread, variances, 1), np.nan),
        cosine=_over(sums.cosine, sums.nonzero),
        l2_ratio=_over(sums.ratio, sums.nonzero),
        relative_bias=_over(sums.written, sums.overlap),
        l0=float(sums.active.sum() / sums.rows),
        dead_fraction=float((density == 0).mean()),
        over_dense_fraction=float((density > OVER_DENSE).mean()),
        density_edges=DENSITY_EDGES,
        density_counts=np.histogram(np.log10(alive), DENSITY_EDGES)[0],
        rows=int(sums.rows),
        mean=offset + np.asarray(b_dec, np.float64),
    )


def _over(a: float, b: float) -> float:
    return a / b if b else math.nan
