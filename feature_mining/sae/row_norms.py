"""Normalisation of each activation before the encoder, undone on the reconstruction.

No weights can stand for it, so the inference form names it (``SAEConfig.row_norm``). Only autoencoders of
other libraries come with one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

_EPS = 1e-5
_LEAST = 1e-30


class Normalised(NamedTuple):
    """Rows as the encoder reads them, and the way back: ``rows * size + centre``.

    rows : (n, d)
    centre, size : (n, 1)
    """

    rows: Tensor
    centre: Tensor
    size: Tensor


def _standardised(x: Tensor) -> Normalised:
    """Mean 0 and deviation 1, as InterProt and SAELens' ``layer_norm`` have it (divisor d - 1, eps 1e-5)."""
    centre = x.mean(dim=1, keepdim=True)
    away = x - centre
    size = away.std(dim=1, keepdim=True)
    return Normalised(away / (size + _EPS), centre, size)


def _unit_rms(x: Tensor) -> Normalised:
    """Norm ``√d``, as SAELens' ``constant_norm_rescale``; a row of zeros stays one."""
    size = x.norm(dim=1, keepdim=True) / x.shape[1] ** 0.5
    return Normalised(x / size.clamp_min(_LEAST), size.new_zeros(()), size)


ROW_NORMS: dict[str, Callable[[Tensor], Normalised]] = {"standardised": _standardised, "unit_rms": _unit_rms}


def normalise(x: Tensor, name: str) -> Tensor:
    """Rows ``(n, d)`` as the encoder reads them; as they are where ``name`` is empty."""
    return ROW_NORMS[name](x).rows if name else x


def restore(written: Tensor, x: Tensor, name: str) -> Tensor:
    """What was written ``(n, d)`` for rows ``x``, in the units of ``x``."""
    if not name:
        return written
    _, centre, size = ROW_NORMS[name](x)
    return written * size + centre
