"""From windows to regions: sums of cells and strands put together for each unique haplotype of a region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from workbench.cohort.readings import SpanSums
from workbench.cohort.store import ABSENT, MISSING, STATISTICS

# Features put together at a time.
_BLOCK = 2048
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)


class Part(NamedTuple):
    """One cell and strand of a region.

    side : 0 plus, 1 minus
    of_sample : int32 (h), haplotype of the cell that each haplotype of the cohort has; -1, -2 as in the store
    sums : what each haplotype of the cell adds up to over its one span in the region
    """

    side: int
    of_sample: np.ndarray
    sums: Callable[[], SpanSums]


class RegionHaplotypes(NamedTuple):
    """Unique haplotypes of a region.

    parts : int32 (U, P), haplotype of each part; row 0 is the reference, all 0
    of_sample : int32 (h), row of each haplotype of the cohort, -1 missing, -2 absent
    carriers : int64 (U)
    """

    parts: np.ndarray
    of_sample: np.ndarray
    carriers: np.ndarray


def join_parts(columns: Sequence[np.ndarray]) -> RegionHaplotypes:
    """Unique combinations of the haplotypes of several windows, most carriers first after the reference.

    Parameters
    ----------
    columns : sequence of int32 (h)
        One a part. A haplotype missing in any is missing; one absent in any is absent.
    """
    n = len(columns[0])
    key = np.zeros((n, 2), np.uint64)
    missing, absent = np.zeros(n, bool), np.zeros(n, bool)
    for column in columns:
        missing |= column == MISSING
        absent |= column == ABSENT
        step = np.maximum(column, 0).astype(np.uint64)[:, None]
        # Two multiplicative hashes, 128 bits together.
        key = (key + step + np.uint64(1)) * _ODD
        key ^= key >> np.uint64(29)
    known = np.flatnonzero(~missing & ~absent)
    rows = np.ascontiguousarray(key[known]).view([("a", np.uint64), ("b", np.uint64)]).ravel()
    _, first, inverse, counts = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    parts = np.stack([c[known][first] for c in columns], axis=1) if known.size else None
    if parts is None:
        parts = np.zeros((0, len(columns)), np.int32)
    plain = np.flatnonzero(~parts.any(axis=1))
    others = np.flatnonzero(parts.any(axis=1))
    others = others[np.lexsort((*parts[others].T[::-1], -counts[others]))]
    rank = np.empty(len(parts), np.int32)
    rank[plain] = 0
    rank[others] = 1 + np.arange(others.size)
    of_sample = np.where(absent, ABSENT, MISSING).astype(np.int32)
    of_sample[known] = rank[inverse]
    carriers = np.concatenate([[counts[plain].sum()], counts[others]]).astype(np.int64)
    reference = np.zeros((1, len(columns)), np.int32)
    return RegionHaplotypes(np.concatenate([reference, parts[others]]).astype(np.int32), of_sample, carriers)


def active_features(parts: Sequence[Part]) -> np.ndarray:
    """Features with any entry in any part: int32, ascending."""
    found = [np.unique(part.sums().features) for part in parts]
    return np.unique(np.concatenate(found)).astype(np.int32) if found else np.zeros(0, np.int32)


def count_bases(parts: Sequence[Part], haplotypes: np.ndarray) -> np.ndarray:
    """Letters with a value, int64 (2, U), for rows of ``RegionHaplotypes.parts``."""
    bases = np.zeros((2, len(haplotypes)), np.int64)
    for part, column in zip(parts, haplotypes.T, strict=True):
        bases[part.side] += part.sums().bases[column]
    return bases


def feature_blocks(
    parts: Sequence[Part], haplotypes: np.ndarray, features: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """``(place in features, float32 (5, 2, b, U))`` in the order of `STATISTICS`, a block at a time."""
    for start in range(0, features.size, _BLOCK):
        at = slice(start, min(start + _BLOCK, features.size))
        wanted = features[at]
        out = np.zeros((len(STATISTICS), 2, wanted.size, len(haplotypes)), np.float32)
        for part, column in zip(parts, haplotypes.T, strict=True):
            dense = _dense(part.sums(), wanted)
            for s, name in enumerate(STATISTICS):
                values = dense[:, :, s].T[:, column]
                if name == "max":
                    np.maximum(out[s, part.side], values, out=out[s, part.side])
                else:
                    out[s, part.side] += values
        yield at, out


def _dense(sums: SpanSums, wanted: np.ndarray) -> np.ndarray:
    """``(rows, wanted, 5)`` float32."""
    rows = np.repeat(np.arange(sums.indptr.size - 1), np.diff(sums.indptr))
    place = np.searchsorted(wanted, sums.features)
    place = np.minimum(place, max(0, wanted.size - 1))
    keep = wanted[place] == sums.features
    out = np.zeros((sums.indptr.size - 1, wanted.size, len(STATISTICS)), np.float32)
    out[rows[keep], place[keep]] = sums.values[keep]
    return out
