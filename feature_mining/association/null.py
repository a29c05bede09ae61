"""The circular-shift null: the overlaps that a feature would have had anywhere else.

Shifting one of two tracks round a segment keeps the autocorrelation of both, which a base-by-base
test ignores. Over all N shifts the overlap o(h) = sum_p a(p) y(p + h) has mean n_a n_y / N, and by
Parseval

    var = (1 / N^2) sum_(k != 0) |A_k|^2 |Y_k|^2        (A, Y discrete Fourier transforms of a and
    y)

exactly, without shifting anything. Equally var = (1 / N) sum_(i, j) R(p_i - p_j) over pairs of
active positions with R the autocovariance of y, which is faster where few bases are active.
Segments (strands, blocks) shift independently, so means and variances add up. A segment is the row
of its usable bases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numba
import numpy as np
from scipy import fft
from scipy.signal import fftconvolve

from feature_mining.association.histogram import column_lists
from feature_mining.association.labels import LabelStates
from feature_mining.association.sparse import Csc

# Below this many active positions, pairs of positions are cheaper than a transform (measured at 100 kb).
FEW_ACTIVE = 96
BATCH_VALUES = 2_000_000
# Distributions of at most so many products are convolved directly, without the rounding of a transform.
MOST_PRODUCTS = 20_000_000
FFT_FLOOR = 1e-12


@dataclass(frozen=True)
class ShiftMoments:
    """Overlap in bases and its mean and variance over circular shifts, each float64 (F, C); additive."""

    observed: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    def __add__(self, other: ShiftMoments) -> ShiftMoments:
        mine, theirs = self.arrays(), other.arrays()
        return ShiftMoments(**{name: mine[name] + theirs[name] for name in mine})

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by field name, for npz or HDF5."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def z(self) -> np.ndarray:
        """(observed - mean) / sd, NaN where no shift changes the overlap."""
        # An overlap that every shift leaves alone has variance 0 up to rounding.
        moves = self.variance > 1e-9
        out = np.full(self.mean.shape, np.nan)
        np.divide(self.observed - self.mean, np.sqrt(self.variance), out=out, where=moves)
        return out


class ShiftTail(NamedTuple):
    """Exact upper tail of one pair: p = P(overlap >= observed) over shifts, `floor` the least p possible."""

    p: float
    floor: float
    observed: int
    mean: float
    sd: float


def shift_moments(
    features: Csc, bins: np.ndarray, threshold: np.ndarray, labels: LabelStates, use: np.ndarray
) -> ShiftMoments:
    """Moments of the overlap of every (feature, column) on one segment.

    Parameters
    ----------
    features, bins : the reading's non-zeros by feature and their bins
    threshold : int64 (F, C), frozen bin of every pair; features are transformed once per distinct
        bin
    labels : label states of the same rows
    use : bool (n_rows), usable bases of the segment
    """
    shape = (features.n_features, len(labels.columns))
    if threshold.shape != shape:
        raise ValueError(f"thresholds of shape {threshold.shape}, expected {shape}")
    n = int(use.sum())
    moments = ShiftMoments(*(np.zeros(shape) for _ in range(3)))
    if n == 0:
        return moments
    states = labels.states[use]
    totals = labels.totals(use)
    position = (np.cumsum(use) - 1).astype(np.int64)
    spectra, covariance = _track_spectra(states, labels.table)
    jobs, levels = _jobs(threshold)
    pointer, members = column_lists(labels.table)
    active = _few(
        jobs, levels, features.indptr, features.rows, bins, np.ascontiguousarray(threshold),
        np.ascontiguousarray(use, bool), position, states, pointer, members, covariance,
        FEW_ACTIVE, moments.observed, moments.mean, moments.variance,
    )  # fmt: skip
    moments.mean[:] *= totals / n
    moments.variance[:] /= n
    # Whatever is active at more bases goes through the transform, a batch of rows at a time.
    many = np.flatnonzero(active > FEW_ACTIVE)
    batch = max(1, BATCH_VALUES // n)
    for first in range(0, many.size, batch):
        chosen = many[first : first + batch]
        rows = np.zeros((chosen.size, n))
        _fill(
            rows, jobs[chosen], levels[chosen], features.indptr, features.rows, bins,
            np.ascontiguousarray(use, bool), position,
        )  # fmt: skip
        # Centred, so that the large constant term does not eat the precision of the others.
        rows -= (active[chosen] / n)[:, None]
        # float64: in float32 a track that shares no frequency with the feature loses digits.
        power = np.abs(fft.rfft(rows, axis=1)) ** 2
        variance = power @ spectra.T / n
        at = threshold[jobs[chosen]] == levels[chosen][:, None]
        where, column = np.nonzero(at)
        moments.variance[jobs[chosen][where], column] = variance[where, column]
    return moments


def spectra(tracks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Transforms of a track, or a feature, on its segments, bool (n) each: for `exact_tail`."""
    return [fft.rfft(track.astype(np.float64)) for track in tracks]


def exact_tail(
    segments: Sequence[tuple[np.ndarray, np.ndarray]],
    track: Sequence[np.ndarray] | None = None,
    active: Sequence[np.ndarray] | None = None,
) -> ShiftTail:
    """Exact null of one pair: the overlap at all shifts, all combinations of shifts of several segments.

    Parameters
    ----------
    segments : pairs (a, y) of bool (n), activity and track on each segment
    track, active : `spectra` of the y, and of the a, where they are asked for again and again

    Notes
    -----
    One transform a segment gives the overlap at all its shifts; independent segments convolve. The
    observed position is one of the shifts, so p = (1 + b) / (1 + R) with R the other ones, never 0.
    Wide distributions are convolved by transform, whose rounding hides tails below `FFT_FLOOR`; that
    is then the floor.
    """
    if not segments:
        raise ValueError("an exact tail needs at least one segment")
    track = spectra([y for _, y in segments]) if track is None else track
    active = spectra([a for a, _ in segments]) if active is None else active
    weight, offset, lost = np.ones(1), 0, 0.0
    observed, mean, variance, floor = 0, 0.0, 0.0, 1.0
    for (a, y), of_a, of_y in zip(segments, active, track, strict=True):
        n = a.size
        overlap = np.rint(fft.irfft(np.conj(of_a) * of_y, n)).astype(np.int64)
        low = int(overlap.min())
        own = np.bincount(overlap - low) / n
        if weight.size * own.size <= MOST_PRODUCTS:
            weight = np.convolve(weight, own)
        else:
            weight = np.maximum(fftconvolve(weight, own), 0.0)
            lost = max(lost, FFT_FLOOR)
        offset += low
        observed += int(np.count_nonzero(a & y))
        mean += float(overlap.mean())
        variance += float(overlap.var())
        floor /= n
    tail = float(weight[max(observed - offset, 0) :].sum())
    floor = max(floor, lost)
    return ShiftTail(min(max(tail, floor), 1.0), floor, observed, mean, float(np.sqrt(variance)))


def _track_spectra(states: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted power spectra over n (C, n // 2 + 1) and autocovariances (n // 2 + 1, C), float64."""
    n = states.size
    half = n // 2 + 1
    spectra = np.zeros((table.shape[1], half))
    covariance = np.zeros((half, table.shape[1]))
    double = np.full(half, 2.0)
    double[0] = 0.0
    if n % 2 == 0:
        double[-1] = 1.0
    for column in range(table.shape[1]):
        track = table[states, column].astype(np.float64)
        power = np.abs(fft.rfft(track - track.mean())) ** 2
        spectra[column] = power * double / n
        covariance[:, column] = fft.irfft(power, n)[:half]
    return spectra, covariance


def _jobs(threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Feature and bin of every distinct (feature, bin) that a column asks for."""
    ordered = np.sort(threshold, axis=1)
    fresh = np.ones(ordered.shape, bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return np.nonzero(fresh)[0].astype(np.int64), ordered[fresh].astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _few(
    jobs, levels, indptr, rows, bins, threshold, use, position, states, pointer, members,
    covariance, few, observed, mean, variance,
):  # fmt: skip
    """Overlaps and active counts of all jobs; the pair sum of covariances for those with few positions."""
    n = states.size
    n_columns = threshold.shape[1]
    active = np.zeros(jobs.size, np.int64)
    seen = np.zeros(n_columns, np.int64)
    pairs = np.zeros(n_columns, np.float64)
    kept = np.empty(few, np.int64)
    own = np.empty(n_columns, np.int64)
    for job in range(jobs.size):
        f, level = jobs[job], levels[job]
        count = 0
        for i in range(indptr[f], indptr[f + 1]):
            if bins[i] >= level and use[rows[i]]:
                at = position[rows[i]]
                if count < few:
                    kept[count] = at
                count += 1
                state = states[at]
                for m in range(pointer[state], pointer[state + 1]):
                    seen[members[m]] += 1
        active[job] = count
        n_own = 0
        for column in range(n_columns):
            if threshold[f, column] == level:
                own[n_own] = column
                n_own += 1
        if 0 < count <= few:
            for column in own[:n_own]:
                pairs[column] = 0.5 * count * covariance[0, column]
            for i in range(count):
                for j in range(i):
                    lag = kept[i] - kept[j]
                    row = covariance[min(lag, n - lag)]
                    for column in own[:n_own]:
                        pairs[column] += row[column]
        for column in own[:n_own]:
            observed[f, column] = seen[column]
            mean[f, column] = count
            if 0 < count <= few:
                variance[f, column] = max(2 * pairs[column], 0.0)
        seen[:] = 0
    return active


@numba.njit(cache=True, nogil=True)
def _fill(out, jobs, levels, indptr, rows, bins, use, position):
    for job in range(jobs.size):
        f = jobs[job]
        for i in range(indptr[f], indptr[f + 1]):
            if bins[i] >= levels[job] and use[rows[i]]:
                out[job, position[rows[i]]] = 1.0
