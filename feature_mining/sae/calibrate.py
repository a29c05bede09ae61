"""The final threshold of an autoencoder, and where the values of each feature lie, from held-out activations.

One pass over any number of batches, in memory that does not grow with them. Whether a feature is active
then depends on its own value alone, and on average ``k`` are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae import kernels
from feature_mining.sae.config import CALIBRATION_FILE
from feature_mining.sae.model import BLOCK, SparseAutoencoder, load_tensors, save_tensors

LOG_EDGES, EVEN_EDGES = 32, 31
EVEN = tuple((i + 1) / (EVEN_EDGES + 1) for i in range(EVEN_EDGES))
LEVELS = (0.25, 0.5, 0.75, 0.9, 0.99, 0.999)
# Bits dropped: 2,048 bins an octave for the threshold, 16 for each feature.
_WHOLE_BITS, _FINE_BITS = 12, 19
_OCTAVES_BELOW, _OCTAVES_ABOVE = 14, 2


@dataclass(frozen=True, eq=False)
class Calibration:
    """Where the active values of each feature lie on the calibration sample.

    Attributes
    ----------
    bin_edges : ndarray
        float32 ``(d_sae, 63)``, ascending: 32 evenly spaced on a log scale between a feature's threshold and
        its maximum, for thresholds in the tail, and 31 at even quantiles of its active values, so that no bin
        holds more than a thirty-second of them; infinite for a feature that was never active.
    maximum : ndarray
        float32 ``(d_sae,)``; 0 for a feature that was never active.
    levels : ndarray
        float32 ``(6,)``.
    quantiles : ndarray
        float32 ``(d_sae, 6)`` of active values at these levels, within a bin (at most 1/16); NaN where never
        active.
    rows : int
        Positions of the sample.
    l0 : float
        Active features a position on the sample, exactly.
    """

    bin_edges: np.ndarray
    maximum: np.ndarray
    levels: np.ndarray
    quantiles: np.ndarray
    rows: int
    l0: float

    def save(self, folder: str | Path) -> None:
        """Write ``calibration.safetensors``, atomically."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {n: torch.from_numpy(getattr(self, n)) for n in _ARRAYS}
        scalars = torch.tensor([self.rows, self.l0], dtype=torch.float64)
        save_tensors(folder / CALIBRATION_FILE, arrays | {"rows_l0": scalars}, {})

    def __repr__(self) -> str:
        return f"Calibration({len(self.maximum):,} features on {self.rows:,} rows, L0 {self.l0:.1f})"

    @classmethod
    def load(cls, folder: str | Path) -> Calibration:
        """Read what ``save`` wrote; raises ``ValueError`` where it is missing or damaged."""
        tensors = load_tensors(Path(folder) / CALIBRATION_FILE, {*_ARRAYS, "rows_l0"})
        rows, l0 = tensors["rows_l0"].tolist()
        return cls(**{n: tensors[n].numpy() for n in _ARRAYS}, rows=int(rows), l0=l0)


_ARRAYS = ("bin_edges", "maximum", "levels", "quantiles")


def calibrate(
    sae: SparseAutoencoder, batches: Iterable[Tensor | np.ndarray], shape: Tensor | None = None
) -> tuple[SparseAutoencoder, Calibration]:
    """Set the threshold so that ``k`` features a position are active on average.

    Parameters
    ----------
    sae : SparseAutoencoder
        Its own threshold is ignored.
    batches : iterable of ``(n, d_in)`` float32
        Held-out activations; a hundred thousand positions are plenty.
    shape : Tensor, optional
        ``(d_sae,)`` > 0. Thresholds of features are in these proportions; all equal without it.

    Returns
    -------
    sae, calibration
        Where fewer than ``k`` values a position are above 0, the threshold is 0 and ``calibration.l0``
        says what that gives.

    Raises
    ------
    ValueError
        No positions, or not one positive value.
    """
    m = sae.config.d_sae
    proportions = np.ones(m, np.float32) if shape is None else shape.cpu().numpy().astype(np.float32)
    whole = np.zeros(1 << (32 - _WHOLE_BITS), np.int64)
    steps = 1 << (23 - _FINE_BITS)
    fine = np.zeros((m, (_OCTAVES_BELOW + _OCTAVES_ABOVE) * steps), np.int32)
    maximum = np.zeros(m, np.float32)
    first_bin: int | None = None
    rows = 0
    for batch in batches:
        for block in sae.pre_activations(batch):
            pre = block.cpu().numpy()
            if first_bin is None:
                top = max(float((pre / proportions).max()), float(np.finfo(np.float32).tiny))
                bits = int(np.float32(top).view(np.uint32)) >> _FINE_BITS
                first_bin = max(0, bits - _OCTAVES_BELOW * steps)
            kernels.count_values(pre, proportions, whole, _FINE_BITS, first_bin, fine, maximum)
            rows += len(pre)
    if not rows:
        raise ValueError("no held-out activations to calibrate the SAE on")
    if not whole.any() or first_bin is None:
        raise ValueError("no feature is ever above 0 on the calibration sample: the SAE is dead")
    cut, active = _cut(whole, rows * sae.config.k)
    threshold = (np.float32(cut) * proportions).astype(np.float32)
    maximum[maximum <= threshold] = 0
    l0 = active / rows
    calibration = Calibration(
        _edges(threshold, maximum, _quantiles(fine, first_bin, cut, maximum, proportions, EVEN)),
        maximum,
        np.array(LEVELS, np.float32),
        _quantiles(fine, first_bin, cut, maximum, proportions, LEVELS),
        rows,
        l0,
    )
    facts: dict[str, str | int | float] = {"calibration_rows": rows, "calibration_l0": l0}
    return sae.with_threshold(torch.from_numpy(threshold), facts), calibration


def describe(
    sae: SparseAutoencoder, batches: Iterable[Tensor | np.ndarray]
) -> tuple[SparseAutoencoder, Calibration]:
    """Where the values of each feature lie at the thresholds the autoencoder came with.

    Parameters
    ----------
    sae : SparseAutoencoder
        Its threshold stays as it is.
    batches : iterable of ``(n, d_in)`` float32
        Held-out activations.

    Raises
    ------
    ValueError
        No positions, or not one active feature.
    """
    m, steps = sae.config.d_sae, 1 << (23 - _FINE_BITS)
    same = np.ones(m, np.float32)
    whole = np.zeros(1 << (32 - _WHOLE_BITS), np.int64)
    fine = np.zeros((m, (_OCTAVES_BELOW + _OCTAVES_ABOVE) * steps), np.int32)
    maximum = np.zeros(m, np.float32)
    first_bin: int | None = None
    rows = 0
    for batch in batches:
        for start in range(0, len(batch), BLOCK):
            values = sae.encode(batch[start : start + BLOCK]).cpu().numpy()
            if first_bin is None:
                if not values.any():
                    rows += len(values)
                    continue
                bits = int(np.float32(values.max()).view(np.uint32)) >> _FINE_BITS
                first_bin = max(0, bits - _OCTAVES_BELOW * steps)
            kernels.count_values(values, same, whole, _FINE_BITS, first_bin, fine, maximum)
            rows += len(values)
    if not rows:
        raise ValueError("no held-out activations to measure the SAE on")
    if first_bin is None:
        raise ValueError(
            "no feature is active on the calibration sample: the SAE belongs to other activations"
        )
    l0 = int(whole.sum()) / rows
    calibration = Calibration(
        _edges(
            sae.threshold.cpu().clamp_min(0).numpy(),
            maximum,
            _quantiles(fine, first_bin, 0.0, maximum, same, EVEN),
        ),
        maximum,
        np.array(LEVELS, np.float32),
        _quantiles(fine, first_bin, 0.0, maximum, same, LEVELS),
        rows,
        l0,
    )
    facts: dict[str, str | int | float] = {"calibration_rows": rows, "calibration_l0": l0}
    return sae.with_threshold(sae.threshold, facts), calibration


def _cut(whole: np.ndarray, wanted: int) -> tuple[float, int]:
    """Threshold whose count of values above it is nearest to ``wanted``, and that count."""
    above = np.cumsum(whole[::-1])[::-1]
    if above[0] <= wanted:
        return 0.0, int(above[0])
    at = int(np.argmin(np.abs(above - wanted)))
    # The largest float below the bin, so that "greater" takes in all of the bin.
    bits = np.uint32(max(0, (at << _WHOLE_BITS) - 1))
    return float(bits.view(np.float32)), int(above[at])


def _edges(threshold: np.ndarray, maximum: np.ndarray, even: np.ndarray) -> np.ndarray:
    edges = np.full((len(maximum), LOG_EDGES + EVEN_EDGES), np.inf, np.float32)
    alive = maximum > 0
    high = maximum[alive].astype(np.float64)[:, None]
    low = np.maximum(threshold[alive].astype(np.float64)[:, None], high * 1e-3)
    spaced = low * (high / low) ** (np.arange(1, LOG_EDGES + 1) / (LOG_EDGES + 1))
    # An edge at the maximum itself would leave a bin empty.
    inner = np.clip(even[alive], np.nextafter(low, np.inf), spaced[:, -1:])
    edges[alive] = np.sort(np.concatenate([spaced, inner], axis=1), axis=1)
    return edges


def _quantiles(
    fine: np.ndarray,
    first_bin: int,
    cut: float,
    maximum: np.ndarray,
    proportions: np.ndarray,
    levels: Sequence[float],
) -> np.ndarray:
    """Quantiles float32 (d_sae, levels) of active values from binned counts, log-linear within a bin."""
    count = fine.shape[1]
    bounds = (first_bin + np.arange(count + 1, dtype=np.uint32)) << np.uint32(_FINE_BITS)
    edges = bounds.astype(np.uint32).view(np.float32).astype(np.float64)
    low = np.maximum(edges[:-1], max(cut, edges[0] / 2, math.ulp(0.0)))
    # The bin that the cut falls into counts by the share of it that lies above.
    inside = np.clip(np.log(edges[1:] / low) / np.log(edges[1:] / np.maximum(edges[:-1], 1e-300)), 0, 1)
    out = np.full((len(maximum), len(levels)), np.nan, np.float32)
    for feature in np.flatnonzero(maximum > 0):
        weights = fine[feature] * inside
        total = np.cumsum(weights)
        if total[-1] <= 0:
            out[feature] = maximum[feature]
            continue
        wanted = np.asarray(levels) * total[-1]
        at = np.searchsorted(total, wanted)
        share = (wanted - total[at] + weights[at]) / weights[at]
        value = low[at] * (edges[at + 1] / low[at]) ** share * proportions[feature]
        out[feature] = np.minimum(value, maximum[feature])
    return out
