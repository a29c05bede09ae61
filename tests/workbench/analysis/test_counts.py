"""The strongest bases of every feature."""

from __future__ import annotations

import itertools

import numpy as np

from feature_mining.association.sparse import Csc
from workbench.analysis.counts import FEW, strongest


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
