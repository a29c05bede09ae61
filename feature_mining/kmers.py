"""K-mers of both strands as hashes: near copies within a genome, and overlap with another collection.

A k-mer and its reverse complement are one. Hashes are a fixed 64-bit mix of the 2-bit code (k up to 31), so
that "the hash is below a bound" draws an even, reproducible sample of all k-mers: a FracMinHash sketch
(Irber et al. 2022).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numba
import numpy as np

# In place of a k-mer with an unknown letter.
NONE = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def kmer_hashes(codes: np.ndarray, k: int) -> np.ndarray:
    """Hash of the k-mer that begins at every base, uint64 (max(0, n - k + 1)); `NONE` with an unknown letter.

    Parameters
    ----------
    codes : uint8 (n), A C G T = 0 1 2 3, anything else 4
    k : 1 to 31; raises ValueError otherwise
    """
    if not 1 <= k <= 31:
        raise ValueError(f"k is {k}; expected 1 to 31")
    return _hashes(np.ascontiguousarray(codes, np.uint8), k)


def below(hashes: np.ndarray, fraction: float) -> np.ndarray:
    """Which hashes belong to a sketch that keeps this share of all k-mers, bool."""
    bound = np.uint64(min(int(fraction * 2.0**64), 2**64 - 2))
    return hashes <= bound


def sketch(sequences: Iterable[np.ndarray], k: int, fraction: float) -> np.ndarray:
    """Distinct hashes of a share of all k-mers, uint64, ascending."""
    parts = [np.zeros(0, np.uint64)]
    for codes in sequences:
        hashes = kmer_hashes(codes, k)
        parts.append(np.unique(hashes[below(hashes, fraction)]))
    return np.unique(np.concatenate(parts))


def contains(collection: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Which hashes are in an ascending collection, bool."""
    if not collection.size:
        return np.zeros(hashes.size, bool)
    at = np.minimum(np.searchsorted(collection, hashes), collection.size - 1)
    found: np.ndarray = collection[at] == hashes
    return found


def identity(containment: float, k: int) -> float:
    """Share of equal letters at which that share of k-mers is left whole: containment ** (1 / k) (Mash)."""
    return float(containment ** (1 / k)) if containment > 0 else 0.0


def long_enough(bases: int, chance: float = 0.01) -> int:
    """Shortest k at which a random k-mer is in a genome of so many bases with at most that chance."""
    k = 8
    while k < 31 and 2 * bases / 4**k > chance:
        k += 1
    return k


def clusters(members: Sequence[np.ndarray], least: float) -> np.ndarray:
    """Groups of near copies, int64 (n): single linkage of sets of hashes that share enough.

    Parameters
    ----------
    members : distinct hashes of each interval
    least : share of the smaller set that two must have in common
    """
    sizes = np.array([m.size for m in members], np.int64)
    parent = np.arange(len(members))
    if not sizes.sum():
        return parent
    hashes = np.concatenate(list(members))
    owner = np.repeat(np.arange(len(members)), sizes)
    order = np.lexsort((owner, hashes))
    hashes, owner = hashes[order], owner[order]
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(hashes)) + 1, [hashes.size]])
    pairs = _pairs(owner, cuts)
    keys, counts = np.unique(pairs[:, 0] * len(members) + pairs[:, 1], return_counts=True)
    for key, count in zip(keys, counts, strict=True):
        a, b = divmod(int(key), len(members))
        if count >= least * min(sizes[a], sizes[b]):
            _join(parent, a, b)
    return np.array([_root(parent, i) for i in range(len(members))])


def _root(parent: np.ndarray, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return i


def _join(parent: np.ndarray, a: int, b: int) -> None:
    low, high = sorted((_root(parent, a), _root(parent, b)))
    parent[high] = low


# Of a k-mer in more sets than this only the first so many are paired: they chain all the same.
MOST_SHARED = 64


@numba.njit(cache=True, nogil=True)
def _pairs(owner, cuts):
    total = 0
    for c in range(cuts.size - 1):
        size = min(cuts[c + 1] - cuts[c], MOST_SHARED)
        total += size * (size - 1) // 2
    out = np.empty((total, 2), np.int64)
    n = 0
    for c in range(cuts.size - 1):
        end = min(cuts[c + 1], cuts[c] + MOST_SHARED)
        for i in range(cuts[c], end):
            for j in range(i + 1, end):
                out[n, 0] = owner[i]
                out[n, 1] = owner[j]
                n += 1
    return out


@numba.njit(cache=True, nogil=True)
def _hashes(codes, k):
    n = max(0, codes.size - k + 1)
    out = np.empty(n, np.uint64)
    mask = (np.uint64(1) << np.uint64(2 * k)) - np.uint64(1)
    shift = np.uint64(2 * (k - 1))
    forward = np.uint64(0)
    backward = np.uint64(0)
    known = 0
    for i in range(codes.size):
        code = codes[i]
        if code > 3:
            known = 0
        else:
            known += 1
            forward = ((forward << np.uint64(2)) | np.uint64(code)) & mask
            backward = (backward >> np.uint64(2)) | (np.uint64(3 - code) << shift)
        if i >= k - 1:
            # splitmix64's finisher
            x = min(forward, backward) + np.uint64(0x9E3779B97F4A7C15)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
            if known < k:
                x = np.uint64(0xFFFFFFFFFFFFFFFF)
            out[i - k + 1] = x
    return out
