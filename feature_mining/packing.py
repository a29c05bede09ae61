"""Sparse features in few bytes: values in 16 bits on a scale a feature, positions as distances.

A code counts steps from the feature's smallest value, in the order of float32 itself: the bits of a positive
float32, read as a whole number, grow with the logarithm of the value. So the error is relative, order is
kept, nothing that fires becomes silent, and values of few significant bits are kept exactly.

Rows are packed in blocks, feature by feature: a feature that fires here mostly fires next to here, and its
own values are found without reading those of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from feature_mining.feature_map import Csr, ZoomLevel

# Rows packed together.
BLOCK = 4096
# Above it, rounding would reach infinity.
LARGEST = 2.0**127


class Scale(NamedTuple):
    """How codes of a feature are read: the float32 whose bits are ``(low << 16) + (code << shift)``.

    low : uint16 (n_features), the upper half of the bits of the smallest value
    shift : uint8 (n_features), bits given up
    """

    low: np.ndarray
    shift: np.ndarray

    @property
    def relative_error(self) -> float:
        """No value is off by more than this share of itself."""
        return float(2.0 ** (int(self.shift.max(initial=0)) - 24)) if self.shift.any() else 0.0


class Packed(NamedTuple):
    """Rows in blocks of ``BLOCK``, in each by feature, then by row.

    counts : uint16 (blocks, n_features), values of a feature in a block
    starts : int64 (blocks + 1), where each block begins in the next two
    gaps : uint16 (nnz), rows since the feature's value before; for its first, since the block's first row
    codes : uint16 (nnz)
    """

    counts: np.ndarray
    starts: np.ndarray
    gaps: np.ndarray
    codes: np.ndarray


class PackedLevel(NamedTuple):
    """A zoom level, by feature.

    counts : uint32 (n_features), bins of each; gaps : uint16 or uint32, bins since the one before, the first
    since the start; max : uint16, codes of the feature's scale; sum : uint16, steps above the maximum
    """

    counts: np.ndarray
    gaps: np.ndarray
    max: np.ndarray
    sum: np.ndarray


def scale_of(parts: Sequence[Csr]) -> Scale:
    """The finest scale a feature that holds all values of the parts (of equally many features).

    Raises ``ValueError`` for a value that is not finite or above ``LARGEST``.
    """
    n_features = parts[0].n_features
    least, most = np.full(n_features, np.iinfo(np.uint32).max, np.uint32), np.zeros(n_features, np.uint32)
    for part in parts:
        if part.values.size and not part.values.max() <= LARGEST:
            raise ValueError("feature values must be finite numbers")
        _reach(part.indices, _bits(part.values), least, most)
    low = np.where(most > 0, least >> 16, 0).astype(np.uint16)
    # A value of no upper bits would be 0, which does not fire.
    low[(low == 0) & (most > 0)] = 1
    span = np.maximum(most.astype(np.int64) - (low.astype(np.int64) << 16), 0)
    shift = np.zeros(n_features, np.uint8)
    for bits in range(1, 17):
        shift[(span + (1 << bits >> 2)) >> (bits - 1) > np.iinfo(np.uint16).max] = bits
    return Scale(low, shift)


def to_codes(values: np.ndarray, features: np.ndarray, scale: Scale) -> np.ndarray:
    """Codes uint16 (n) of values float32 (n), above 0, of ``features`` (n)."""
    return _encode(_bits(values), features, *scale)


def from_codes(codes: np.ndarray, features: np.ndarray, scale: Scale) -> np.ndarray:
    """Values float32 (n) of codes."""
    bits = scale.low[features].astype(np.uint32) << np.uint32(16)
    return (bits + (codes.astype(np.uint32) << scale.shift[features])).view(np.float32)


def rounded(csr: Csr, scale: Scale) -> Csr:
    """The rows as they come back: their values on the scale."""
    codes = to_codes(csr.values, csr.indices, scale)
    return csr._replace(values=from_codes(codes, csr.indices, scale))


def pack(csr: Csr, scale: Scale) -> Packed:
    """Pack rows; the inverse is `unpack`."""
    codes = to_codes(csr.values, csr.indices, scale)
    return Packed(*_pack(csr.indptr, csr.indices, codes, csr.n_features, BLOCK))


def unpack(packed: Packed, scale: Scale, first: int, start: int, stop: int) -> Csr:
    """Rows ``[start, stop)``, values rounded.

    Parameters
    ----------
    packed : Packed
        The blocks that hold them; ``starts`` may count from anywhere.
    scale : Scale
    first : int
        First row of the first block.

    Raises
    ------
    ValueError
        Where counts do not fit the number of values or of features.
    """
    check(packed, scale)
    arrays = _unpack(packed.counts, packed.gaps, packed.codes, *scale, first, start, stop, BLOCK)
    return Csr(arrays[0], arrays[1], arrays[2].view(np.float32), scale.low.size)


def unpack_features(
    packed: Packed, scale: Scale, features: Sequence[int], first: int, start: int, stop: int
) -> np.ndarray:
    """Dense values float32 (len(features), stop - start) of some features, otherwise as `unpack`."""
    check(packed, scale)
    out = np.zeros((len(features), stop - start), np.uint32)
    slots = np.full(scale.low.size, -1, np.int64)
    for slot, feature in enumerate(features):
        slots[feature] = slot
    _unpack_features(packed.counts, packed.gaps, packed.codes, *scale, slots, out, first - start, BLOCK)
    # A feature asked for twice has the slot of its last place.
    return out.view(np.float32)[slots[list(features)]]


def check(packed: Packed, scale: Scale) -> None:
    """Raise ``ValueError`` for arrays that do not belong together: kernels would write anywhere."""
    widths = {packed.counts.shape[1], scale.low.size, scale.shift.size}
    sizes = {int(packed.counts.sum(dtype=np.int64)), packed.gaps.size, packed.codes.size}
    if len(widths) > 1 or len(sizes) > 1 or scale.shift.max(initial=0) > 16:
        raise ValueError("counts, distances and codes do not belong together")


def pack_level(level: ZoomLevel, scale: Scale, size: int) -> PackedLevel:
    """Pack a zoom level with bins of ``size`` rows; the inverse is `unpack_level`.

    A sum lies between the maximum and ``size`` times it, so the steps of its code tell the same of each:
    `sum_error`.
    """
    counts = np.diff(level.indptr)
    gaps = np.diff(level.bins, prepend=0)
    first = level.indptr[:-1][counts > 0]
    gaps[first] = level.bins[first]
    narrow = np.uint16 if gaps.size == 0 or gaps.max() <= np.iinfo(np.uint16).max else np.uint32
    codes = to_codes(level.max, np.repeat(np.arange(counts.size), counts), scale)
    shift = _sum_shift(size)
    above = _bits(level.sum).astype(np.int64) - _bits(level.max)
    sums = np.clip((above + (1 << shift >> 1)) >> shift, 0, np.iinfo(np.uint16).max)
    return PackedLevel(counts.astype(np.uint32), gaps.astype(narrow), codes, sums.astype(np.uint16))


def unpack_bins(counts: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Bins int32 of the distances of features with so many bins each."""
    total = np.cumsum(gaps, dtype=np.int64)
    ends = np.cumsum(counts, dtype=np.int64)
    before = np.where(ends > counts, total[np.maximum(ends - counts, 1) - 1], 0) if gaps.size else 0
    return (total - np.repeat(before, counts)).astype(np.int32)


def unpack_level(packed: PackedLevel, scale: Scale, size: int) -> ZoomLevel:
    """A zoom level again: bins as they were, maxima and sums rounded."""
    indptr = np.concatenate([[0], np.cumsum(packed.counts, dtype=np.int64)])
    if indptr.size != scale.low.size + 1 or {packed.gaps.size, packed.max.size} != {int(indptr[-1])}:
        raise ValueError("counts, distances and codes do not belong together")
    owners = np.repeat(np.arange(scale.low.size), packed.counts)
    top = from_codes(packed.max, owners, scale)
    sums = (_bits(top) + (packed.sum.astype(np.uint32) << np.uint32(_sum_shift(size)))).view(np.float32)
    return ZoomLevel(indptr, unpack_bins(packed.counts, packed.gaps), top, sums)


def sum_error(size: int) -> float:
    """No sum over bins of ``size`` rows is off by more than this share of itself."""
    return float(2.0 ** (_sum_shift(size) - 24))


def _sum_shift(size: int) -> int:
    """Bits given up of a sum, whose bits lie less than log2(size) + 1 octaves above those of the maximum."""
    return 7 + int(np.ceil(np.log2(np.log2(size) + 1)))


def _bits(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32).view(np.uint32)


@numba.njit(cache=True, nogil=True)
def _reach(indices, bits, least, most):
    for i in range(indices.size):
        f = indices[i]
        least[f] = min(least[f], bits[i])
        most[f] = max(most[f], bits[i])


@numba.njit(cache=True, nogil=True)
def _encode(bits, features, low, shift):
    codes = np.empty(bits.size, np.uint16)
    for i in range(bits.size):
        f = features[i]
        above = np.int64(bits[i]) - (np.int64(low[f]) << 16)
        s = np.int64(shift[f])
        codes[i] = max((above + (1 << s >> 1)) >> s, 0)
    return codes


@numba.njit(cache=True, nogil=True)
def _pack(indptr, indices, codes, n_features, size):
    n_rows = indptr.size - 1
    n_blocks = (n_rows + size - 1) // size
    counts = np.zeros((n_blocks, n_features), np.uint16)
    starts = np.zeros(n_blocks + 1, np.int64)
    gaps, out = np.empty(indices.size, np.uint16), np.empty(indices.size, np.uint16)
    cursor, last = np.empty(n_features, np.int64), np.empty(n_features, np.int64)
    for block in range(n_blocks):
        first, stop = block * size, min((block + 1) * size, n_rows)
        for i in range(indptr[first], indptr[stop]):
            counts[block, indices[i]] += 1
        at = starts[block]
        for f in range(n_features):
            cursor[f], last[f] = at, first
            at += counts[block, f]
        starts[block + 1] = at
        for row in range(first, stop):
            for i in range(indptr[row], indptr[row + 1]):
                f = indices[i]
                gaps[cursor[f]] = row - last[f]
                out[cursor[f]] = codes[i]
                last[f] = row
                cursor[f] += 1
    return counts, starts, gaps, out


@numba.njit(cache=True, nogil=True)
def _unpack(counts, gaps, codes, low, shift, first, start, stop, size):
    indptr = np.zeros(stop - start + 1, np.int64)
    at = 0
    for block in range(counts.shape[0]):
        for f in range(counts.shape[1]):
            row = first + block * size
            for _ in range(counts[block, f]):
                row += gaps[at]
                at += 1
                if start <= row < stop:
                    indptr[row - start + 1] += 1
    for row in range(stop - start):
        indptr[row + 1] += indptr[row]
    indices, bits = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.uint32)
    cursor = indptr[:-1].copy()
    at = 0
    for block in range(counts.shape[0]):
        for f in range(counts.shape[1]):
            row = first + block * size
            base, s = np.uint32(low[f]) << np.uint32(16), np.uint32(shift[f])
            for _ in range(counts[block, f]):
                row += gaps[at]
                if start <= row < stop:
                    to = cursor[row - start]
                    cursor[row - start] = to + 1
                    indices[to] = f
                    bits[to] = base + (np.uint32(codes[at]) << s)
                at += 1
    return indptr, indices, bits


@numba.njit(cache=True, nogil=True)
def _unpack_features(counts, gaps, codes, low, shift, slots, out, first, size):
    at = 0
    for block in range(counts.shape[0]):
        for f in range(counts.shape[1]):
            slot = slots[f]
            if slot >= 0:
                row = first + block * size
                base, s = np.uint32(low[f]) << np.uint32(16), np.uint32(shift[f])
                for i in range(at, at + counts[block, f]):
                    row += gaps[i]
                    if 0 <= row < out.shape[1]:
                        out[slot, row] = base + (np.uint32(codes[i]) << s)
            at += counts[block, f]
