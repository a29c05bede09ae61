"""Features against signals: Pearson, Spearman and the circular-shift null; missing stays missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from scipy import fft
from scipy.special import ndtr

from feature_mining.association.cells import Cells
from feature_mining.association.null import ShiftMoments
from feature_mining.association.segments import StrandReading, segments
from feature_mining.association.sparse import Csc, fullest_bins

# Quantile levels of a signal in the joint counts that Spearman is read from.
LEVELS = 32
BATCH_VALUES = 2_000_000
# Features correlated together, in the cache.
BLOCK = 128
_SUMS = ("x", "xx", "xs", "bases", "s", "ss")


@dataclass(frozen=True)
class SignalCounts:
    """Sums of F features against one signal over the bases where the signal is known; additive.

    joint : Cells (F, n_bins, LEVELS), bases with the feature in the bin and the signal at the level
    x, xx, xs : float64 (F), sums of the feature, its square, its product with the signal
    bases, s, ss : float64 (1), known bases, sums of the signal and its square
    """

    joint: Cells
    x: np.ndarray
    xx: np.ndarray
    xs: np.ndarray
    bases: np.ndarray
    s: np.ndarray
    ss: np.ndarray

    @classmethod
    def empty(cls, n_features: int, n_bins: int) -> SignalCounts:
        """Nothing counted yet."""
        joint = Cells.empty(n_features, n_bins, LEVELS)
        return cls(joint, *(np.zeros(n_features) for _ in range(3)), *(np.zeros(1) for _ in range(3)))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> SignalCounts:
        """Back from `arrays()`, those of earlier versions included."""
        # Earlier versions kept all counts as one array.
        joint = Cells.of(arrays["joint"]) if "joint" in arrays else Cells.from_arrays(arrays)
        return cls(joint, *(arrays[name] for name in _SUMS))

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by name, for npz or HDF5."""
        return self.joint.arrays() | {name: getattr(self, name) for name in _SUMS}

    def __add__(self, other: SignalCounts) -> SignalCounts:
        sums = (getattr(self, name) + getattr(other, name) for name in _SUMS)
        return SignalCounts(self.joint + other.joint, *sums)

    def pearson(self) -> np.ndarray:
        """Pearson correlation over known bases, float64 (F); NaN where either is constant."""
        n = self.bases
        return _correlation(n * self.xs - self.x * self.s, n * self.xx - self.x**2, n * self.ss - self.s**2)

    def spearman(self) -> np.ndarray:
        """Spearman correlation with mid-ranks, float64 (F); values of one bin, or one level, are ties."""
        out = np.empty(len(self.joint))
        theirs = self.joint.totals.astype(np.float64)
        s = np.cumsum(theirs) - theirs / 2 - self.bases / 2
        for first in range(0, len(out), BLOCK):
            mine, product = _over_levels(self.joint[first : first + BLOCK], s)
            x = np.cumsum(mine, axis=1) - mine / 2 - self.bases / 2
            out[first : first + BLOCK] = _correlation(
                (product * x).sum(axis=1), (mine * x**2).sum(axis=1), (theirs * s**2).sum()
            )
        return out


def _correlation(covariance: np.ndarray, one: np.ndarray, other: np.ndarray | np.float64) -> np.ndarray:
    spread = np.sqrt(np.maximum(one, 0)) * np.sqrt(np.maximum(other, 0))
    out = np.full(covariance.shape, np.nan)
    np.divide(covariance, spread, out=out, where=spread > 0)
    return out


def level_edges(sample: np.ndarray) -> np.ndarray:
    """Inner edges float32 (LEVELS - 1) at quantiles of known values; infinite where there are none."""
    known = sample[np.isfinite(sample)]
    if known.size == 0:
        return np.full(LEVELS - 1, np.inf, np.float32)
    return np.quantile(known, np.arange(1, LEVELS) / LEVELS).astype(np.float32)


def add_signal(
    counts: SignalCounts,
    features: Csc,
    bins: np.ndarray,
    signal: np.ndarray,
    edges: np.ndarray,
    use: np.ndarray,
) -> None:
    """Count one reading of a stretch into `counts` (changed in place).

    Parameters
    ----------
    signal : float32 (n_rows), NaN where unknown
    edges : float32 (LEVELS - 1), of the whole study (`level_edges`)
    use : bool (n_rows), callable bases of the split
    """
    known = use & np.isfinite(signal)
    level = np.where(known, np.searchsorted(edges, signal, side="right"), -1).astype(np.int8)
    own = signal[known].astype(np.float64)
    for total, value in zip(
        (counts.bases, counts.s, counts.ss), (own.size, own.sum(), (own**2).sum()), strict=True
    ):
        total += value
    cells = counts.joint
    cells.expect(fullest_bins(features, bins))
    cells.totals += np.bincount(level[known], minlength=LEVELS)
    _count(
        features.indptr, features.rows, features.values, bins, np.asarray(signal, np.float32), level,
        cells.few, cells.slots, cells.wide, counts.x, counts.xx, counts.xs,
    )  # fmt: skip


class ProductMoments(ShiftMoments):
    """Sum of feature times signal, its mean and variance over circular shifts, float64 (F); additive."""

    def moves(self) -> np.ndarray:
        # A signal has any unit.
        return self.variance > 1e-12 * np.maximum(self.mean**2, 1e-300)

    def p(self) -> np.ndarray:
        """Two-sided p of z under a normal null, float64 (F), NaN kept; never below 2.2e-308."""
        return np.maximum(2 * ndtr(-np.abs(self.z())), np.finfo(np.float64).tiny)


def product_moments(readings: Sequence[StrandReading], signal: np.ndarray) -> ProductMoments:
    """Exact moments over all circular shifts of one stretch, its readings turned together (`segments`).

    Parameters
    ----------
    readings : both strands' readings, or one
    signal : float32 (n_rows), the same for every reading, NaN where unknown; only known bases turn
    """
    width = readings[0].features.n_features
    moments = ProductMoments(*(np.zeros(width) for _ in range(3)))
    known = np.isfinite(signal)
    for segment in segments([reading.use & known for reading in readings]):
        own = [readings[number].features for number in segment.readings]
        _add_products(moments, own, signal[segment.rows].astype(np.float64), segment.rows)
    return moments


def _add_products(
    moments: ProductMoments, readings: Sequence[Csc], signal: np.ndarray, rows: np.ndarray
) -> None:
    """Add one segment, whose signal float64 (n) lies on these rows, to `moments` (changed in place)."""
    n = rows.size
    position = np.full(readings[0].n_rows, -1, np.int64)
    position[rows] = np.arange(n)
    power = np.abs(fft.rfft(signal - signal.mean())) ** 2
    power[1 : (n + 1) // 2] *= 2
    batch = max(1, BATCH_VALUES // n)
    alive = np.flatnonzero(sum(np.diff(features.indptr) for features in readings))
    for first in range(0, alive.size, batch):
        chosen = alive[first : first + batch]
        values = np.zeros((chosen.size, n))
        for features in readings:
            for i, feature in enumerate(chosen):
                part = slice(features.indptr[feature], features.indptr[feature + 1])
                at = position[features.rows[part]]
                values[i, at[at >= 0]] += features.values[part][at >= 0]
        total = values.sum(axis=1)
        moments.observed[chosen] += values @ signal
        moments.mean[chosen] += total * signal.mean()
        values -= (total / n)[:, None]
        moments.variance[chosen] += (np.abs(fft.rfft(values, axis=1)) ** 2) @ power / n**2


# Sums of whole and half numbers: exact in any order, so that they may be added as vectors.
@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def _over_levels(joint, weight):
    """Bases of every bin, and the same with each level's bases times its weight, float64 (F, n_bins)."""
    n_features, n_bins, n_levels = joint.shape
    bases, weighted = np.empty((n_features, n_bins)), np.empty((n_features, n_bins))
    for f in range(n_features):
        for b in range(n_bins):
            own, product = np.int64(0), 0.0
            for s in range(n_levels):
                own += joint[f, b, s]
            for s in range(n_levels):
                product += joint[f, b, s] * weight[s]
            bases[f, b], weighted[f, b] = own, product
    return bases, weighted


@numba.njit(cache=True, nogil=True)
def _count(indptr, rows, values, bins, signal, level, few, slots, wide, x, xx, xs):
    n_others = few.shape[1]
    # One feature's counts stay in the cache.
    cell = np.zeros((n_others + 1, LEVELS), np.uint32)
    for f in range(indptr.size - 1):
        for i in range(indptr[f], indptr[f + 1]):
            # Indices without a sign: see `histogram`.
            row = np.uint32(rows[i])
            if level[row] >= 0:
                cell[bins[i], np.uint8(level[row])] += 1
                value = np.float64(values[i])
                x[f] += value
                xx[f] += value * value
                xs[f] += value * signal[row]
        for b in range(n_others):
            if slots[f] < 0:
                for s in range(LEVELS):
                    few[f, b, s] += cell[b + 1, s]
            else:
                for s in range(LEVELS):
                    wide[slots[f], b, s] += cell[b + 1, s]
            for s in range(LEVELS):
                cell[b + 1, s] = 0
