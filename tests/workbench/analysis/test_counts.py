"""The strongest bases of every feature."""

from __future__ import annotations

import itertools

import numpy as np

from feature_mining.association.sparse import Csc
from workbench.analysis.counts import FEW, Tops, merge_tops, strongest


def test_the_strongest_are_those_of_a_sort_and_equal_values_keep_their_order() -> None:
    random = np.random.default_rng(0)
    sizes = np.array([0, 1, 2, 7, 8, 9, 60, FEW, FEW + 1, 900])
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    values = (random.integers(1, 9, indptr[-1]) / 8).astype(np.float32)
    rows = np.concatenate([np.sort(random.choice(5_000, n, replace=False)) for n in sizes])
    found, strong = strongest(Csc(indptr, rows, values, 5_000), 8)
    for f, (first, last) in enumerate(itertools.pairwise(indptr)):
        order = sorted(range(first, last), key=lambda i: (-values[i], rows[i]))[:8]
        assert found[f].tolist() == [rows[i] for i in order] + [-1] * (8 - len(order))
        assert strong[f].tolist() == [values[i] for i in order] + [0.0] * (8 - len(order))


def test_merged_lists_are_those_of_a_stable_sort() -> None:
    random = np.random.default_rng(1)

    def drawn(kept: int) -> Tops:
        value = -np.sort(-random.integers(0, 6, (40, kept)).astype(np.float32), axis=1)
        place = random.integers(0, 1 << 40, value.shape)
        return Tops(value, place, (place % 7).astype(np.int32), place % 2 == 1)

    for first, second, count in ((8, 8, 8), (8, 5, 16), (3, 9, 6)):
        parts = drawn(first), drawn(second)
        joined = [np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)]
        order = np.argsort(-joined[0], axis=1, kind="stable")[:, :count]
        for found, array in zip(merge_tops(*parts, count), joined, strict=True):
            np.testing.assert_array_equal(found, np.take_along_axis(array, order, axis=1))
            assert found.dtype == array.dtype
