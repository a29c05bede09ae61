"""Inputs that are made of several parts: layers of a crosscoder, input and target of a transcoder.

A source gives either ``(B, d)``; or ``(B, n_sites, d)``, layers of one width; or a tuple of ``(B, d_i)``,
which for a transcoder are the inputs and the targets. Inside the trainer the parts lie side by side in one
row, and each is scaled by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae.architectures.objective import Architecture
from feature_mining.sae.model import fold
from feature_mining.sae.training.scaling import Scaling, measure_scaling

Array = Tensor | np.ndarray
Batch = Array | tuple[Array, ...]


def rows_of(batch: Batch, sites: tuple[int, ...]) -> Tensor:
    """A batch as one float32 tensor ``(B, d)``, parts side by side.

    Raises ``ValueError`` where its shape does not fit ``sites``.
    """
    if isinstance(batch, tuple):
        parts = [_tensor(part) for part in batch]
        shapes = [tuple(part.shape) for part in parts]
        if tuple(s[-1] for s in shapes) != sites or len({s[:-1] for s in shapes}) != 1:
            raise ValueError(f"a batch of parts {shapes}; expected (batch, d) with d of {sites}")
        return torch.cat(parts, dim=1)
    rows = _tensor(batch)
    if sites and rows.ndim == 3:
        if tuple(rows.shape[1:]) != (len(sites), sites[0]) or len(set(sites)) != 1:
            raise ValueError(f"a batch of shape {tuple(rows.shape)}; expected sites {sites}")
        rows = rows.flatten(1)
    if rows.ndim != 2:
        raise ValueError(f"a batch of shape {tuple(rows.shape)}; expected (batch, d_in)")
    if sites and rows.shape[1] != sum(sites):
        raise ValueError(f"a batch of width {rows.shape[1]}; expected {sum(sites)} for {sites}")
    return rows


def _tensor(batch: Array) -> Tensor:
    rows = torch.from_numpy(batch) if isinstance(batch, np.ndarray) else batch
    return rows.float().contiguous()


class SiteScaling(NamedTuple):
    """A ``Scaling`` for each part of a row.

    parts : one for each site
    """

    parts: tuple[Scaling, ...]

    @property
    def widths(self) -> list[int]:
        """Columns of each part."""
        return [len(part.mean) for part in self.parts]

    @property
    def mean(self) -> Tensor:
        """``(d,)`` float32, of scaled rows."""
        return torch.cat([part.mean for part in self.parts])

    @property
    def variance(self) -> float:
        """Mean squared distance of scaled rows from ``mean``."""
        return sum(part.variance for part in self.parts)

    def apply(self, rows: Tensor) -> list[tuple[Tensor, int]]:
        """Scaled rows ``(B, d_i)`` float32 of each part, and how many of them were shortened."""
        pieces = rows.split(self.widths, dim=1)
        return [part.apply(p) for part, p in zip(self.parts, pieces, strict=True)]

    def of(self, parts: tuple[int, ...]) -> SiteScaling:
        """That of some of the parts."""
        return SiteScaling(tuple(self.parts[part] for part in parts))


def measure_sites(batches: Sequence[Tensor], sites: tuple[int, ...]) -> SiteScaling:
    """Scaling of each part from the first batches ``(B, d)``; errors as in ``measure_scaling``."""
    if not sites:
        return SiteScaling((measure_scaling(batches),))
    columns = list(zip(*(batch.split(list(sites), dim=1) for batch in batches), strict=True))
    return SiteScaling(tuple(measure_scaling(part) for part in columns))


def unscale(weights: Architecture, scaling: SiteScaling, threshold: float) -> dict[str, Tensor]:
    """Tensors of the inference form for raw inputs.

    Several scales go into the rows of the encoder and the columns of the decoder, whose rows are then
    brought back to norm 1; one scale goes into the biases and thresholds alone. Both are exact.
    """
    if len(scaling.parts) == 1:
        return weights.folded(scaling.parts[0].scale, threshold)
    tensors = weights.folded(1.0, threshold)
    scales = torch.cat([torch.full_like(part.mean, part.scale) for part in scaling.parts]).double()
    d_in, d_out = len(tensors["W_enc"]), len(tensors["b_dec"])
    read, written = scales[:d_in], scales[-d_out:]
    folded = fold(
        tensors["W_enc"].double() * read[:, None],
        tensors["b_enc"],
        tensors["W_dec"].double() / written,
        tensors["b_dec"].double() / written,
        tensors["threshold"],
        1.0,
    )
    if "W_skip" in tensors:
        folded["W_skip"] = (tensors["W_skip"].double() * read[:, None] / written).float()
    return folded
