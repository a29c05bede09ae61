"""Which features are the same in every sample, which have missing samples, and how rare each is."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from feature_mining.threads import use_threads


class Patterns(NamedTuple):
    """Features with one and the same sample vector are one pattern.

    Attributes
    ----------
    first : int64 (n_patterns,)
        A feature that stands for each pattern, in ascending order.
    of : int64 (n_features,)
        Pattern of each feature.
    key : str (n_patterns,)
        Hash of the vector, the same in every block of features.
    """

    first: np.ndarray
    of: np.ndarray
    key: np.ndarray


class Rarity(NamedTuple):
    """How a feature is spread over samples.

    Attributes
    ----------
    common : float64 (n_features,)
        The value that more than half of the samples hold; NaN where no value does.
    carriers : int64 (n_features,)
        Samples that hold another value (NaN left out): the minor count; half of the samples where no
        value is held by more than half.
    case_carriers : int64 (n_features,)
        Those of them that are cases; -1 where no value is held by more than half.
    """

    common: np.ndarray
    carriers: np.ndarray
    case_carriers: np.ndarray


def collapse(values: np.ndarray, samples: np.ndarray) -> Patterns:
    """Group features by their values in `samples` (bool or indices); -0.0 counts as 0.0, NaN as NaN."""
    seen: dict[bytes, int] = {}
    first: list[int] = []
    of = np.empty(len(values), np.int64)
    for feature, row in enumerate(values):
        key = blake2b(np.ascontiguousarray(row[samples] + 0.0).data, digest_size=16).digest()
        if key not in seen:
            seen[key] = len(first)
            first.append(feature)
        of[feature] = seen[key]
    keys = np.array([key.hex() for key in seen])
    return Patterns(np.array(first, np.int64), of, keys)


def by_missing(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features that miss the same samples, together.

    Yields
    ------
    features : int64 (k,)
    known : bool (n_samples,), the samples in which all of them have a value
    """
    complete = ~np.isnan(values.sum(axis=1, dtype=np.float64))
    if complete.any():
        yield np.flatnonzero(complete), np.ones(values.shape[1], dtype=bool)
    partial = np.flatnonzero(~complete)
    groups: dict[bytes, list[int]] = {}
    for feature in partial:
        groups.setdefault(np.packbits(np.isnan(values[feature])).tobytes(), []).append(int(feature))
    for members in groups.values():
        yield np.array(members, np.int64), ~np.isnan(values[members[0]])


def rarity(values: np.ndarray, cases: np.ndarray) -> Rarity:
    """Majority value and minor counts.

    Parameters
    ----------
    values : float (n_features, n_samples), NaN where missing
    cases : bool (n_samples,)
    """
    use_threads()
    common, carriers, case_carriers = _rarity(np.ascontiguousarray(values), np.asarray(cases, np.bool_))
    return Rarity(common, carriers, case_carriers)


@njit(parallel=True, cache=True)
def _rarity(values, cases):
    n_features, n = values.shape
    common = np.empty(n_features)
    carriers = np.empty(n_features, np.int64)
    case_carriers = np.empty(n_features, np.int64)
    for i in prange(n_features):
        # Boyer and Moore's majority vote; the second pass counts whether the winner has a majority.
        candidate = np.nan
        votes = 0
        known = 0
        for s in range(n):
            v = np.float64(values[i, s])
            if np.isnan(v):
                continue
            known += 1
            if votes == 0:
                candidate, votes = v, 1
            elif v == candidate:
                votes += 1
            else:
                votes -= 1
        other = 0
        other_cases = 0
        for s in range(n):
            v = np.float64(values[i, s])
            if not np.isnan(v) and v != candidate:
                other += 1
                if cases[s]:
                    other_cases += 1
        if 2 * other < known:
            common[i], carriers[i], case_carriers[i] = candidate, other, other_cases
        else:
            common[i], carriers[i], case_carriers[i] = np.nan, known // 2, -1
    return common, carriers, case_carriers
