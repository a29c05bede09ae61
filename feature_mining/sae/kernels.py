"""Loops over the few active pairs of a batch, compiled for the CPU.

An active pair is a row and a feature with a value above its threshold. Order of summation is fixed, so
one input gives one set of bytes, with any number of threads: each row or feature is one thread's own.
"""

from __future__ import annotations

import numba
import numpy as np

# Rows that a thread takes together.
CHUNK = 64

# Lets sums use vector lanes; NaN and infinity keep their meaning.
_SUM = {"reassoc", "contract", "nsz"}


@numba.njit(cache=True, nogil=True)
def compact(pre, floor, counts, indices, values):
    """Pairs of dense ``pre`` (n, m) above ``floor`` (m), row by row; returns how many.

    Writes ``counts`` int64 (n) and the first entries of ``indices`` int32, ``values`` float32, which have
    room for n * m.
    """
    found = 0
    width = pre.shape[1]
    # One byte a comparison, which fills vector registers; then eight at a time are passed over.
    above = np.zeros(width // 8 * 8 + 8, np.uint8)
    eights = above.view(np.uint64)
    for row in range(pre.shape[0]):
        before = found
        for j in range(width):
            above[j] = pre[row, j] > floor[j]
        for group in range(eights.size):
            if eights[group]:
                for j in range(8 * group, 8 * group + 8):
                    if above[j]:
                        indices[found] = j
                        values[found] = pre[row, j]
                        found += 1
        counts[row] = found - before
    return found


@numba.njit(cache=True, nogil=True, parallel=True)
def compact_chunks(pre, floor, counts, indices, values, found):
    """``compact`` over chunks of ``CHUNK`` rows, each writing to its own row of ``indices`` and ``values``.

    ``indices`` and ``values`` are (chunks, CHUNK * m); ``found`` int64 (chunks) gets their numbers of pairs.
    """
    rows = pre.shape[0]
    for chunk in numba.prange(-(-rows // CHUNK)):
        part = slice(chunk * CHUNK, min(rows, (chunk + 1) * CHUNK))
        found[chunk] = compact(pre[part], floor, counts[part], indices[chunk], values[chunk])


@numba.njit(cache=True, nogil=True)
def _kth_largest(values, k):
    """The k-th largest of positive float32 ``values``, by bisection of their bits, whose order is theirs."""
    bits = values.view(np.int32)
    low, high = bits.min(), bits.max()
    while low < high:
        middle = low + (high - low + 1) // 2
        count = np.int32(0)
        for i in range(bits.size):
            count += bits[i] >= middle
        if count >= k:
            low = middle
        else:
            high = middle - 1
    found = np.empty(1, np.int32)
    found[0] = low
    return found.view(np.float32)[0]


@numba.njit(cache=True, nogil=True)
def _compare(values, level, above):
    """``above`` uint8 = values > level; a loop of its own, which fills vector registers."""
    for j in range(values.size):
        above[j] = values[j] > level


@numba.njit(cache=True, nogil=True)
def _top_row(values, level, k, above, places, kept, indices, out):
    """The ``k`` largest positive of ``values`` (m): how many, and a level for a row like it.

    Candidates are values above ``level``; of equal ones at the cut the first are taken.
    """
    eights = above.view(np.uint64)
    while True:
        _compare(values, level, above)
        n = 0
        for group in range(eights.size):
            if eights[group]:
                for j in range(8 * group, 8 * group + 8):
                    if above[j]:
                        places[n] = j
                        kept[n] = values[j]
                        n += 1
        if n >= k or level == 0:
            break
        level = np.float32(0)
    if n <= k:
        for i in range(n):
            indices[i] = places[i]
            out[i] = kept[i]
        return n, np.float32(0)
    cut = _kth_largest(kept[:n], k)
    ties = k
    for i in range(n):
        ties -= kept[i] > cut
    found = 0
    for i in range(n):
        if kept[i] > cut or (kept[i] == cut and ties > 0):
            ties -= kept[i] == cut
            indices[found] = places[i]
            out[found] = kept[i]
            found += 1
    return found, cut * np.float32(0.85)


@numba.njit(cache=True, nogil=True, parallel=True)
def top_rows(pre, k, counts, indices, values):
    """Pairs of the ``k`` largest positive values in each row of dense ``pre`` (n, m).

    Writes ``counts`` int64 (n) and, at the start of row r of ``indices`` int32 (n, k) and ``values`` float32
    (n, k), the pairs of row r. Of equal values at the cut the first are taken.
    """
    rows, width = pre.shape
    for chunk in numba.prange(-(-rows // CHUNK)):
        above = np.zeros(width // 8 * 8 + 8, np.uint8)
        places = np.empty(width, np.int32)
        kept = np.empty(width, np.float32)
        level = np.float32(0)
        for row in range(chunk * CHUNK, min(rows, (chunk + 1) * CHUNK)):
            n, level = _top_row(pre[row], level, k, above, places, kept, indices[row], values[row])
            counts[row] = n


@numba.njit(cache=True, nogil=True, fastmath=_SUM)
def reconstruct(indptr, indices, values, decoder, bias, out):
    """Sparse rows times ``decoder`` (m, d), plus ``bias`` (d), into ``out`` (n, d)."""
    width = bias.size
    for row in range(out.shape[0]):
        for c in range(width):
            out[row, c] = bias[c]
        for p in range(indptr[row], indptr[row + 1]):
            value = values[p]
            feature = indices[p]
            for c in range(width):
                out[row, c] += value * decoder[feature, c]


@numba.njit(cache=True, nogil=True, parallel=True, fastmath=_SUM)
def row_pass(indptr, indices, values, decoder, bias, x, factor, gradient, code_gradient):
    """Reconstruct each row and go back to its codes while its decoder rows are still near.

    Writes ``gradient`` (n, d) = factor * (reconstruction - x) and ``code_gradient`` (nnz), the derivative by
    each active value. Returns the summed squared error.
    """
    width = bias.size
    squares = np.empty(x.shape[0], np.float64)
    for row in numba.prange(x.shape[0]):
        first, last = indptr[row], indptr[row + 1]
        for c in range(width):
            gradient[row, c] = bias[c] - x[row, c]
        for p in range(first, last):
            value = values[p]
            feature = indices[p]
            for c in range(width):
                gradient[row, c] += value * decoder[feature, c]
        square = np.float32(0)
        for c in range(width):
            square += gradient[row, c] * gradient[row, c]
            gradient[row, c] *= factor
        squares[row] = square
        for p in range(first, last):
            feature = indices[p]
            dot = np.float32(0)
            for c in range(width):
                dot += gradient[row, c] * decoder[feature, c]
            code_gradient[p] = dot
    return squares.sum()


@numba.njit(cache=True, nogil=True)
def by_feature(indptr, indices, n_features):
    """Turn pairs round: pointers (m + 1), and for pairs in feature order their row and place."""
    pointers = np.zeros(n_features + 1, np.int64)
    for p in range(indices.size):
        pointers[indices[p] + 1] += 1
    for feature in range(n_features):
        pointers[feature + 1] += pointers[feature]
    cursor = pointers[:-1].copy()
    rows = np.empty(indices.size, np.int32)
    places = np.empty(indices.size, np.int32)
    for row in range(indptr.size - 1):
        for p in range(indptr[row], indptr[row + 1]):
            at = cursor[indices[p]]
            cursor[indices[p]] = at + 1
            rows[at] = row
            places[at] = p
    return pointers, rows, places


@numba.njit(cache=True, nogil=True, parallel=True, fastmath=_SUM)
def feature_pass(pointers, rows, places, values, code_gradient, gradient, centred, decoder, encoder, bias):
    """Weight gradients, each feature's row finished before the next.

    Writes ``decoder`` (m, d), sums of value * gradient row; ``encoder`` (m, d), sums of code gradient *
    centred input row; ``bias`` (m), sums of code gradients.
    """
    width = gradient.shape[1]
    for feature in numba.prange(bias.size):
        for c in range(width):
            decoder[feature, c] = 0
            encoder[feature, c] = 0
        total = np.float32(0)
        for at in range(pointers[feature], pointers[feature + 1]):
            row = rows[at]
            value = values[places[at]]
            back = code_gradient[places[at]]
            total += back
            for c in range(width):
                decoder[feature, c] += value * gradient[row, c]
                encoder[feature, c] += back * centred[row, c]
        bias[feature] = total


@numba.njit(cache=True, nogil=True)
def count_values(pre, shape, whole, fine, first_bin, by_feature_counts, maximum):
    """Add positive values of ``pre`` / ``shape`` to histograms over the leading bits of a float32.

    For positive floats the order of the bits is the order of the values. ``whole`` int64 counts all
    features with 12 bits dropped; ``by_feature_counts`` (m, bins) with ``fine`` bits dropped, from
    ``first_bin`` on, values beyond either end in the end bins. ``maximum`` (m) is raised to the largest
    value of ``pre``.
    """
    bins = by_feature_counts.shape[1]
    scaled = np.empty(pre.shape[1], np.float32)
    bits = scaled.view(np.uint32)
    for row in range(pre.shape[0]):
        for j in range(pre.shape[1]):
            scaled[j] = pre[row, j] / shape[j]
        for j in range(pre.shape[1]):
            if pre[row, j] > 0:
                whole[bits[j] >> 12] += 1
                at = np.int64(bits[j] >> fine) - first_bin
                by_feature_counts[j, min(max(at, 0), bins - 1)] += 1
                maximum[j] = max(maximum[j], pre[row, j])
