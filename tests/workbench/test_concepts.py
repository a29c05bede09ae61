"""Concepts: the answer's rules, and rows taken from a sparse map."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.feature_map import from_dense
from workbench.stages.concepts import RULES, answer, take


@pytest.mark.parametrize(
    ("lifts", "word"),
    [
        ((0.4, 0.42, 0.45, 0.5), "one feature"),
        ((0.2, 0.42, 0.45, 0.5), "a few features"),
        ((0.1, 0.2, 0.45, 0.5), "spread over many"),
        ((0.1, 0.2, 0.3, 0.7), "in the layer only"),
        ((0.0, 0.01, 0.049, 0.049), "not represented"),
        ((0.01, 0.02, 0.02, 0.06), "in the layer only"),
        ((np.nan, np.nan, np.nan, 0.5), "not tested"),
    ],
)
def test_answers(lifts, word):
    assert answer(*lifts) == word
    assert word in RULES


def test_taken_rows_and_features():
    random = np.random.default_rng(0)
    dense = (random.random((50, 9)) * (random.random((50, 9)) < 0.3)).astype(np.float32)
    rows = np.array([3, 4, 17, 49])
    keep = np.array([True, False] * 4 + [True])
    np.testing.assert_array_equal(take(from_dense(dense), rows, None).dense(), dense[rows])
    np.testing.assert_array_equal(take(from_dense(dense), rows, keep).dense(), dense[rows] * keep)
    assert take(from_dense(dense), np.zeros(0, int), keep).n_rows == 0
