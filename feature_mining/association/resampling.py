"""Nulls that are sampled: shifts common to all tracks (family-wise) and a segmented block bootstrap.

Both give p = (1 + b) / (1 + R) with floor 1 / (1 + R).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from feature_mining.association.segments import StrandReading, lay, segments

# Runs of a feature at which its z is judged beside others of its kind: few runs, heavy tails.
RUN_CLASSES = (50, 500)
# Kinds of tiles, by GC content say, between which blocks are never exchanged.
CLASSES = 3
# Binary digits of a count before it is added up.
DIGITS = 8


class SampledTail(NamedTuple):
    """Upper tail of a sampled null: p = (1 + b) / (1 + R), its floor, mean and sd of the draws."""

    p: float
    floor: float
    mean: float
    sd: float


def sampled_p(observed: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """(1 + draws at or above) / (1 + R) for every observed value, NaN kept; `draws` float64 (R)."""
    ordered = np.sort(draws)
    above = draws.size - np.searchsorted(ordered, observed, side="left")
    return np.where(np.isnan(observed), np.nan, (1 + above) / (1 + draws.size))


def class_maxima(z: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Highest z of every class and column, float64 (len(RUN_CLASSES) + 1, C); NaN where there is no pair.

    Parameters
    ----------
    z : float64 (F, C); kind : int64 (F, C), class of every pair (`np.searchsorted(RUN_CLASSES, runs)`)
    """
    out = np.full((len(RUN_CLASSES) + 1, z.shape[1]), np.nan)
    for own in range(len(out)):
        inside = np.where(kind == own, np.nan_to_num(z, nan=-np.inf), -np.inf)
        highest = inside.max(axis=0, initial=-np.inf)
        out[own] = np.where(np.isfinite(highest), highest, np.nan)
    return out


def family_p(z: np.ndarray, kind: np.ndarray, shifted: np.ndarray) -> np.ndarray:
    """Family-wise p of every pair from shifts common to all tracks, float64 (F, C), NaN kept.

    Parameters
    ----------
    z, kind : of the pairs, (F, C), as for `class_maxima`
    shifted : float64 (R, classes, C), `class_maxima` of every common shift

    Notes
    -----
    A rare track's z has a far heavier tail than a common one's, so the plain maximum over all pairs
    (max-T) belongs to the rarest tracks and says nothing of the others. Here each class of pairs has its
    own scale: the logarithm of its maximum, less the mean and over the standard deviation of the *other*
    draws, the observed one among them. A pair's p is the share of draws whose largest standardised
    maximum reaches its own. Observed and shifted draws are treated alike, so under the null they are
    exchangeable and the family-wise error rate holds for any number of draws; classes with true
    associations change the scale of their own class only.
    """
    draws = np.concatenate([class_maxima(z, kind)[None], shifted])
    values = np.log1p(np.maximum(draws, 0))
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    count = known.sum(axis=0) - known
    mean = (filled.sum(axis=0) - filled) / np.maximum(count, 1)
    square = ((filled**2).sum(axis=0) - filled**2) / np.maximum(count, 1)
    spread = np.sqrt(np.maximum(square - mean**2, 1e-6))
    standard = np.where(known & (count > 1), (values - mean) / spread, -np.inf)
    largest = standard[1:].reshape(len(shifted), standard[0].size).max(axis=1, initial=-np.inf)
    at = (kind, np.broadcast_to(np.arange(z.shape[1]), z.shape))
    own = (np.log1p(np.maximum(z, 0)) - mean[0][at]) / spread[0][at]
    return sampled_p(np.where(count[0][at] > 1, own, np.nan), largest)


def shifted_overlaps(
    readings: Sequence[StrandReading], threshold: np.ndarray, draws: int, random: np.random.Generator
) -> np.ndarray:
    """Overlaps of all pairs with every track and reading moved round by the same bases, int32 (R, F, C).

    Parameters
    ----------
    readings : both strands' readings of a stretch, or one; each of its `segments` draws R shifts
    threshold : int64 (F, C), frozen bins
    draws : R
    """
    n_columns = threshold.shape[1]
    out = np.zeros((draws, *threshold.shape), np.int32)
    threshold = np.ascontiguousarray(threshold)
    for segment in segments([reading.use for reading in readings]):
        laid = lay(readings, segment, threshold)
        n = laid.n
        carried = np.zeros((len(laid.table), -(-n_columns // 64) * 64), bool)
        carried[:, :n_columns] = laid.table
        words = np.packbits(carried, axis=1, bitorder="little").view("<u8").T.copy()
        # Twice in a row, so that what is moved round is read without a division. Read at random: half the
        # bytes, half the cache.
        narrow = np.uint16 if len(carried) <= 1 << 16 else np.uint32
        twice = np.concatenate([laid.states, laid.states], axis=1).astype(narrow).ravel()
        places = laid.rows + laid.rows // n * n
        lags = n - random.integers(0, n, draws)
        _overlaps(laid.indptr, places, laid.bins, threshold, twice, lags, words, out)
    return out


def tile_classes(marked: np.ndarray, tile: int) -> np.ndarray:
    """Tercile of every tile by its share of marked bases (G and C), int64 (n // tile)."""
    n = marked.size // tile
    share = marked[: n * tile].reshape(n, tile).mean(axis=1)
    cuts = np.quantile(share, np.arange(1, CLASSES) / CLASSES) if n else np.zeros(0)
    return np.searchsorted(cuts, share, side="right")


def block_bootstrap(
    active: np.ndarray, track: np.ndarray, classes: np.ndarray, tile: int, draws: int, seed: int
) -> SampledTail:
    """Overlap of a feature with a track when the feature's blocks are drawn anew within their class.

    Parameters
    ----------
    active, track : bool (readings, n), on the same bases; what is left after the last whole tile is not
        used. A tile holds all readings of its bases: they are drawn together
    classes : int64 (n // tile), kind of every tile (`tile_classes`)
    draws : R

    Notes
    -----
    The bootstrap of regions of Bickel et al. (2010) and Mu et al. (2023), on a grid: every tile gets,
    with replacement, the activity of a tile of its class. All overlaps of a block with a tile come
    from one matrix product, so a draw costs one look-up a tile.
    """
    n = len(classes)
    overlap = np.zeros((n, n))
    for one, other in zip(active, track, strict=True):
        a, y = (side[: n * tile].reshape(n, tile).astype(np.float32) for side in (one, other))
        overlap += a @ y.T
    observed = float(np.trace(overlap))
    random = np.random.default_rng(seed)
    total = np.zeros(draws)
    for kind in np.unique(classes):
        tiles = np.flatnonzero(classes == kind)
        drawn = tiles[random.integers(0, tiles.size, (draws, tiles.size))]
        total += overlap[drawn, tiles].sum(axis=1)
    p = float(sampled_p(np.array([observed]), total)[0])
    return SampledTail(p, 1 / (1 + draws), float(total.mean()), float(total.std()))


@numba.njit(cache=True, nogil=True)
def _overlaps(pointer, places, level, threshold, states, lags, carried, out):
    """Add the overlaps of every lag to `out`: 64 columns at once, counted in binary, a word a digit."""
    digits = np.zeros(DIGITS, np.uint64)
    for f in range(pointer.size - 1):
        place, own = places[pointer[f] : pointer[f + 1]], level[pointer[f] : pointer[f + 1]]
        highest = own.max() if own.size else 0
        reached = np.empty(place.size, np.uint64)
        for word in range(carried.shape[0]):
            columns = range(64 * word, min(64 * (word + 1), threshold.shape[1]))
            of_level = np.zeros(highest + 1, np.uint64)
            for column in columns:
                of_level[threshold[f, column] :] |= np.uint64(1) << np.uint64(column % 64)
            for i in range(place.size):
                reached[i] = of_level[own[i]]
            for r in range(lags.size):
                for begin in range(0, place.size, (1 << DIGITS) - 1):
                    digits[:] = 0
                    for i in range(begin, min(begin + (1 << DIGITS) - 1, place.size)):
                        carry = carried[word, states[place[i] + lags[r]]] & reached[i]
                        for digit in range(DIGITS):
                            digits[digit], carry = digits[digit] ^ carry, digits[digit] & carry
                    for column in columns:
                        for digit in range(DIGITS):
                            one = (digits[digit] >> np.uint64(column % 64)) & np.uint64(1)
                            out[r, f, column] += one << np.uint64(digit)
