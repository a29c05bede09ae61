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
def _gather(row, above, groups, places, kept):
    """Places and values of ``row`` (m) where ``above`` uint8 is 1, in their order; returns how many.

    ``above`` has eight bytes or more beyond the last, ``groups`` uint32 room for every eighth. What is not
    taken is overwritten by the next: a branch could not be foreseen. Indices without a sign: of others numba
    asks each time whether they count from the end.
    """
    eight, whole = np.uint32(8), np.uint32(row.size // 8)
    eights = above.view(np.uint64)
    some, found = np.uint32(0), np.uint32(0)
    for group in range(whole):
        groups[some] = group
        some += np.uint32(eights[group] != 0)
    for i in range(some):
        first = np.uint32(groups[i]) * eight
        for j in range(8):
            at = first + np.uint32(j)
            places[found] = at
            kept[found] = row[at]
            found += np.uint32(above[at])
    for rest in range(whole * eight, row.size):
        if above[rest]:
            places[found] = rest
            kept[found] = row[rest]
            found += np.uint32(1)
    return np.int64(found)


@numba.njit(cache=True, nogil=True)
def compact(pre, floor, counts, indices, values):
    """Pairs of dense ``pre`` (n, m) above ``floor`` (m), row by row; returns how many.

    Writes ``counts`` int64 (n) and the first entries of ``indices`` int32, ``values`` float32, which have
    room for n * m.
    """
    found = 0
    width = pre.shape[1]
    # One byte a comparison, which fills vector registers; then eight at a time are passed over.
    above, groups = np.zeros(width // 8 * 8 + 8, np.uint8), np.empty(width // 8 + 1, np.uint32)
    for row in range(pre.shape[0]):
        for j in range(width):
            above[j] = pre[row, j] > floor[j]
        counts[row] = _gather(pre[row], above, groups, indices[found:], values[found:])
        found += counts[row]
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
def _top_row(values, level, k, above, groups, places, kept, indices, out):
    """The ``k`` largest positive of ``values`` (m): how many, and a level for a row like it.

    Candidates are values above ``level``, or half of it, or nought; of equal ones at the cut the first are
    taken.
    """
    tried = level
    while True:
        _compare(values, tried, above)
        n = _gather(values, above, groups, places, kept)
        if n >= k or tried == 0:
            break
        tried = np.float32(0.5) * level if tried == level else np.float32(0)
    if n <= k:
        for i in range(n):
            indices[i] = places[i]
            out[i] = kept[i]
        return n, np.float32(0)
    cut = _kth_largest(kept[:n], k)
    ties = k
    for i in range(n):
        ties -= kept[i] > cut
    found, i = 0, 0
    # What is not taken is overwritten by the next: a branch could not be foreseen.
    while found < k:
        tie = kept[i] == cut
        indices[found] = places[i]
        out[found] = kept[i]
        found += (kept[i] > cut) | (tie & (ties > 0))
        ties -= tie
        i += 1
    # Cuts of rows differ by a sixth or so: an average of the last ones, less twice that.
    near = np.float32(0.7) * cut
    return found, near if level == 0 else level + np.float32(0.1) * (near - level)


@numba.njit(cache=True, nogil=True, parallel=True)
def top_rows(pre, k, counts, indices, values):
    """Pairs of the ``k`` largest positive values in each row of dense ``pre`` (n, m).

    Writes ``counts`` int64 (n) and, at the start of row r of ``indices`` int32 (n, k) and ``values`` float32
    (n, k), the pairs of row r. Of equal values at the cut the first are taken.
    """
    rows, width = pre.shape
    for chunk in numba.prange(-(-rows // CHUNK)):
        above, groups = np.zeros(width // 8 * 8 + 8, np.uint8), np.empty(width // 8 + 1, np.uint32)
        places = np.empty(width, np.int32)
        kept = np.empty(width, np.float32)
        level = np.float32(0)
        for row in range(chunk * CHUNK, min(rows, (chunk + 1) * CHUNK)):
            n, level = _top_row(pre[row], level, k, above, groups, places, kept, indices[row], values[row])
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
