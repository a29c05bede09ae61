"""The circular-shift null: the overlaps that a feature would have had anywhere else.

Shifting one of two tracks round a segment keeps the autocorrelation of both, which a base-by-base
test ignores. All readings of a segment (`segments`) turn by one shift h, and their overlaps add up:
o(h) = sum_r sum_p a_r(p) y_r(p + h). Over all N shifts its mean is sum_r n_(a_r) n_(y_r) / N, and by
Parseval

    var = (1 / N^2) sum_(k != 0) |sum_r conj(A_rk) Y_rk|^2        (A, Y discrete Fourier transforms of
    a and y)

exactly, without shifting anything. A track of few intervals changes at few bases, its ends: o(h) differs
from o(h - 1) where h takes an active base to an end, so all N overlaps are read off the differences of
active bases and ends, which is faster where these are fewer than a transform's sums. Segments shift
independently, so their means and variances add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import NamedTuple, Self

import numba
import numpy as np
from scipy import fft
from scipy.special import gammaincc

from feature_mining.association.histogram import column_lists
from feature_mining.association.segments import Laid, StrandReading, lay, segments

# Up to so many pairs of an active base and an end, a base of the segment, they are counted one by one:
# beyond, a transform is cheaper (measured at 100 kb). On longer segments squares could exceed 64 bits.
FEW_PAIRS, LONGEST = 12, 1 << 20
BATCH_VALUES = 2_000_000
# Distributions of at most so many products are convolved directly, without the rounding of a transform.
MOST_PRODUCTS = 20_000_000
FFT_FLOOR = 1e-12
# Up to so many bases fp32 transforms give overlaps, whole numbers, exactly: their rounding is at most
# 2 n log2(n) 2^-24, and below a half.
MOST_SINGLE = 1 << 17
# Transforms of a length with a larger prime factor take longer than padded ones of twice the length.
LARGEST_FACTOR = 31


@dataclass(frozen=True)
class ShiftMoments:
    """Overlap in bases and its mean and variance over circular shifts, each float64 (F, C); additive."""

    observed: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    def __add__(self, other: Self) -> Self:
        mine, theirs = self.arrays(), other.arrays()
        return type(self)(**{name: mine[name] + theirs[name] for name in mine})

    def arrays(self) -> dict[str, np.ndarray]:
        """Plain arrays by field name, for npz or HDF5."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def moves(self) -> np.ndarray:
        """Bool, where a shift changes what was observed: elsewhere the variance is 0 up to rounding."""
        return self.variance > 1e-9

    def z(self) -> np.ndarray:
        """(observed - mean) / sd, NaN where no shift changes what was observed."""
        out = np.full(self.mean.shape, np.nan)
        np.divide(self.observed - self.mean, np.sqrt(self.variance), out=out, where=self.moves())
        return out

    def p(self) -> np.ndarray:
        """One-sided p of an excess, float64 (F, C); NaN where z is, never below 2.2e-308.

        The upper tail of the gamma distribution with the null's mean and variance. An overlap is a sum of
        few hits of many bases each, so its upper tail is longer than the normal one, which would give
        rare tracks and features of few runs tens of times too many small p; a gamma tail is at least as
        long as that of such sums (`benchmarks/calibration.py`).
        """
        moves = ~np.isnan(self.z())
        shape, scale = np.ones(self.mean.shape), np.ones(self.mean.shape)
        np.divide(self.mean**2, self.variance, out=shape, where=moves)
        np.divide(self.variance, self.mean, out=scale, where=moves)
        tail = gammaincc(shape, self.observed / scale)
        return np.where(moves, np.maximum(tail, np.finfo(np.float64).tiny), np.nan)


class ShiftTail(NamedTuple):
    """Exact upper tail of one pair: p = P(overlap >= observed) over shifts, `floor` the least p possible."""

    p: float
    floor: float
    observed: int
    mean: float
    sd: float


def shift_moments(readings: Sequence[StrandReading], threshold: np.ndarray) -> ShiftMoments:
    """Moments of the overlap of every (feature, column) on one stretch, all its readings together.

    Parameters
    ----------
    readings : both strands' readings, or one
    threshold : int64 (F, C), frozen bin of every pair; features are transformed once per distinct
        bin
    """
    shape = (readings[0].features.n_features, len(readings[0].labels.columns))
    if threshold.shape != shape:
        raise ValueError(f"thresholds of shape {threshold.shape}, expected {shape}")
    threshold = np.ascontiguousarray(threshold)
    moments = ShiftMoments(*(np.zeros(shape) for _ in range(3)))
    if not shape[1]:
        return moments
    jobs, levels = _jobs(threshold)
    for segment in segments([reading.use for reading in readings]):
        _add(moments, lay(readings, segment, threshold), threshold, jobs, levels)
    return moments


def spectra(tracks: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Transforms of a track, or a feature, on its segments, bool (readings, n) each: for `exact_tail`."""
    return [_spectrum(track) for track in tracks]


def _spectrum(track: np.ndarray) -> np.ndarray:
    n = track.shape[1]
    return fft.rfft(track.astype(np.float32 if n <= MOST_SINGLE else np.float64), _padded(n))


@cache
def _padded(n: int) -> int:
    """Length of the transform that turns n bases round: n, or with zeros that keep its ends apart."""
    rest = n
    for factor in range(2, LARGEST_FACTOR + 1):
        while rest % factor == 0:
            rest //= factor
    return n if rest == 1 else fft.next_fast_len(2 * n - 1, real=True)


def _turned(of_a: np.ndarray, of_y: np.ndarray, n: int) -> np.ndarray:
    """Overlap at all n shifts, int64 (n), from the spectra of a feature and a track."""
    padded = _padded(n)
    overlap = fft.irfft((np.conj(of_a) * of_y).sum(axis=0), padded)
    if padded != n:
        # What was turned beyond the end stands apart.
        overlap[1:n] += overlap[padded - n + 1 :]
    return np.rint(overlap[:n]).astype(np.int64)


def exact_tail(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    track: Sequence[np.ndarray] | None = None,
    active: Sequence[np.ndarray] | None = None,
) -> ShiftTail:
    """Exact null of one pair: the overlap at all shifts, all combinations of shifts of several segments.

    Parameters
    ----------
    pairs : activity and track on each segment, bool (readings, n) both; readings turn together
    track, active : `spectra` of the tracks, and of the activity, where they are asked for again and again

    Notes
    -----
    One transform a reading gives a segment's overlap at all its shifts; independent segments convolve.
    The observed position is one of the shifts, so p = (1 + b) / (1 + R) with R the other ones, never 0.
    Wide distributions are convolved by transform, whose rounding hides tails below `FFT_FLOOR`; that
    is then the floor.
    """
    if not pairs:
        raise ValueError("an exact tail needs at least one segment")
    track = spectra([y for _, y in pairs]) if track is None else track
    active = spectra([a for a, _ in pairs]) if active is None else active
    weight, offset, lost = np.ones(1), 0, 0.0
    observed, mean, variance, floor = 0, 0.0, 0.0, 1.0
    for (a, y), of_a, of_y in zip(pairs, active, track, strict=True):
        n = a.shape[1]
        overlap = _turned(of_a, of_y, n)
        low = int(overlap.min())
        own = np.bincount(overlap - low) / n
        if weight.size * own.size <= MOST_PRODUCTS:
            weight = np.convolve(weight, own)
        else:
            size = weight.size + own.size - 1
            fast = fft.next_fast_len(size, real=True)
            product = fft.irfft(fft.rfft(weight, fast) * fft.rfft(own, fast), fast)[:size]
            weight = np.maximum(product, 0.0)
            lost = max(lost, FFT_FLOOR)
        offset += low
        observed += int(np.count_nonzero(a & y))
        mean += float(overlap.mean())
        variance += float(overlap.var())
        floor /= n
    tail = float(weight[max(observed - offset, 0) :].sum())
    floor = max(floor, lost)
    return ShiftTail(min(max(tail, floor), 1.0), floor, observed, mean, float(np.sqrt(variance)))


# -- moments of one segment ------------------------------------------------------------------------


class _Tracks(NamedTuple):
    """Distinct tracks of a segment: what the plus reading calls "same" the minus one calls "opposite".

    transform : complex128 (T, n // 2 + 1), of the tracks less their mean
    pointer, ends, steps : int64 (T + 1), int64 and int32: the bases of every track that differ from the base
        before them, round the segment, 1 where the track begins and -1 where it has ended
    number : int64 (readings, C), track of every reading and column
    rate : float64 (readings, C), share of bases in the track
    """

    transform: np.ndarray
    pointer: np.ndarray
    ends: np.ndarray
    steps: np.ndarray
    number: np.ndarray
    rate: np.ndarray


def _add(
    moments: ShiftMoments, laid: Laid, threshold: np.ndarray, jobs: np.ndarray, levels: np.ndarray
) -> None:
    """Add a segment's observed overlaps, means and variances to `moments` (changed in place)."""
    n, tracks = laid.n, _tracks(laid)
    active = np.zeros((jobs.size, len(laid.states)), np.int64)
    _count(
        laid.indptr, laid.rows, laid.bins, jobs, levels, threshold, n, laid.states.ravel(),
        *column_lists(laid.table), tracks.rate, active, moments.observed, moments.mean,
    )  # fmt: skip
    pairs = np.zeros(jobs.size, np.int64)
    _count_pairs(jobs, levels, threshold, active, np.diff(tracks.pointer)[tracks.number], pairs)
    few = (pairs <= FEW_PAIRS * n) & (n <= LONGEST)
    chosen = np.flatnonzero(few & (pairs > 0))
    _step(
        laid.indptr, laid.rows, laid.bins, jobs[chosen], levels[chosen], threshold, n, active[chosen],
        tracks.pointer, tracks.ends, tracks.steps, tracks.number, moments.variance,
    )  # fmt: skip
    # The others go through the transform, a batch of rows at a time.
    many = np.flatnonzero(~few)
    batch = max(1, BATCH_VALUES // (n * len(laid.states)))
    for first in range(0, many.size, batch):
        chosen = many[first : first + batch]
        rows = np.zeros((chosen.size, len(laid.states), n))
        _fill(
            rows.reshape(chosen.size, -1), jobs[chosen], levels[chosen], laid.indptr, laid.rows, laid.bins
        )  # fmt: skip
        # Centred, so that the large constant term does not eat the precision of the others.
        rows -= (active[chosen] / n)[:, :, None]
        # float64: in float32 a track that shares no frequency with the feature loses digits.
        _power(
            fft.rfft(rows, overwrite_x=True), jobs[chosen], levels[chosen], threshold, n,
            tracks.transform, tracks.number, moments.variance,
        )  # fmt: skip


def _tracks(laid: Laid) -> _Tracks:
    readings, columns = len(laid.states), laid.table.shape[1]
    found: dict[bytes, int] = {}
    transform, ends, steps = [], [], []
    number = np.zeros((readings, columns), np.int64)
    rate = np.zeros((readings, columns))
    for reading, states in enumerate(laid.states):
        for column in range(columns):
            track = laid.table[states, column]
            rate[reading, column] = track.mean()
            key = np.packbits(track).tobytes()
            if key not in found:
                found[key] = len(found)
                transform.append(fft.rfft(track - rate[reading, column]))
                change = np.diff(track.astype(np.int32), prepend=np.int32(track[-1]))
                ends.append(np.flatnonzero(change))
                steps.append(change[ends[-1]])
            number[reading, column] = found[key]
    pointer = np.cumsum([0, *map(len, ends)])
    return _Tracks(np.array(transform), pointer, np.concatenate(ends), np.concatenate(steps), number, rate)


def _jobs(threshold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Feature and bin of every distinct (feature, bin) that a column asks for."""
    ordered = np.sort(threshold, axis=1)
    fresh = np.ones(ordered.shape, bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    return np.nonzero(fresh)[0].astype(np.int64), ordered[fresh].astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _count(
    indptr, rows, bins, jobs, levels, threshold, n, states, pointer, members, rate, active, observed, mean
):
    """Active bases of all jobs by reading, and overlaps and means of their own columns."""
    n_columns = threshold.shape[1]
    seen = np.zeros(n_columns, np.int64)
    for job in range(jobs.size):
        f, level = jobs[job], levels[job]
        for i in range(indptr[f], indptr[f + 1]):
            if bins[i] >= level:
                active[job, rows[i] // n] += 1
                state = states[rows[i]]
                for m in range(pointer[state], pointer[state + 1]):
                    seen[members[m]] += 1
        for column in range(n_columns):
            if threshold[f, column] == level:
                observed[f, column] += seen[column]
                for reading in range(active.shape[1]):
                    mean[f, column] += active[job, reading] * rate[reading, column]
        seen[:] = 0


@numba.njit(cache=True, nogil=True)
def _count_pairs(jobs, levels, threshold, active, ends, pairs):
    """Pairs of an active base and an end of a track, all own columns of a job together."""
    for job in range(jobs.size):
        for column in range(threshold.shape[1]):
            if threshold[jobs[job], column] == levels[job]:
                for reading in range(active.shape[1]):
                    pairs[job] += active[job, reading] * ends[reading, column]


@numba.njit(cache=True, nogil=True)
def _step(indptr, rows, bins, jobs, levels, threshold, n, active, pointer, ends, steps, number, variance):
    """Add the variances of the jobs' own columns, from the overlap at every shift."""
    # Of shift h at n + h, or at h: what is subtracted may be the larger.
    change = np.zeros(n, np.int32)
    for job in range(jobs.size):
        f, level = jobs[job], levels[job]
        at = np.empty(active[job].sum(), np.int64)
        count = 0
        for i in range(indptr[f], indptr[f + 1]):
            if bins[i] >= level:
                at[count] = rows[i] % n
                count += 1
        for column in range(threshold.shape[1]):
            if threshold[f, column] != level:
                continue
            first = 0
            for reading in range(active.shape[1]):
                own = at[first : first + active[job, reading]]
                first += own.size
                track = number[reading, column]
                for end in range(pointer[track], pointer[track + 1]):
                    place, step = ends[end], steps[end]
                    for p in own:
                        change[place - p if place >= p else place - p + n] += step
            # Overlaps less that before the first shift: a constant changes no variance.
            overlap, total, squares = np.int64(0), np.int64(0), np.int64(0)
            for h in range(n):
                overlap += change[h]
                change[h] = 0
                total += overlap
                squares += overlap * overlap
            variance[f, column] += squares / n - (total / n) ** 2


@numba.njit(cache=True, nogil=True)
def _fill(out, jobs, levels, indptr, rows, bins):
    for job in range(jobs.size):
        f = jobs[job]
        for i in range(indptr[f], indptr[f + 1]):
            if bins[i] >= levels[job]:
                out[job, rows[i]] = 1.0


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _power(of_a, jobs, levels, threshold, n, of_y, number, variance):
    """Add the variances of the jobs' own columns, by Parseval; of_a complex128 (jobs, readings, half)."""
    half = of_a.shape[2]
    for job in range(jobs.size):
        f = jobs[job]
        a, b = of_a[job, 0], of_a[job, -1]
        both = of_a.shape[1] > 1
        for column in range(threshold.shape[1]):
            if threshold[f, column] != levels[job]:
                continue
            y, z = of_y[number[0, column]], of_y[number[-1, column]]
            total, last = 0.0, 0.0
            for k in range(1, half):
                real = a[k].real * y[k].real + a[k].imag * y[k].imag
                imaginary = a[k].real * y[k].imag - a[k].imag * y[k].real
                if both:
                    real += b[k].real * z[k].real + b[k].imag * z[k].imag
                    imaginary += b[k].real * z[k].imag - b[k].imag * z[k].real
                last = real * real + imaginary * imaginary
                total += last
            # Every frequency stands for two, but for the highest of an even length.
            variance[f, column] += (2 * total - (last if n % 2 == 0 else 0.0)) / n / n
