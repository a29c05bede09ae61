"""Sparse rows against dense numpy."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.feature_map import (
    column,
    concatenate,
    from_dense,
    keep_rows,
    pyramid,
    select_rows,
    take_rows,
)


@pytest.fixture
def dense() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = rng.integers(1, 64, (1000, 7)).astype(np.float32) / 8
    values[rng.random(values.shape) < 0.8] = 0
    values[100:230] = 0
    values[:, 4] = 0
    return values


def test_a_row_of_two() -> None:
    csr = from_dense(np.array([[0, 2.5, 0, 1], [0, 0, 0, 0]], np.float32))
    assert csr.indptr.tolist() == [0, 2, 2] and csr.indptr.dtype == np.int64
    assert csr.indices.tolist() == [1, 3] and csr.indices.dtype == np.int32
    assert csr.values.tolist() == [2.5, 1.0] and csr.values.dtype == np.float32
    assert csr.n_features == 4 and csr.n_rows == 2


def test_verbs_equal_their_dense_counterparts(dense: np.ndarray) -> None:
    csr = from_dense(dense)
    np.testing.assert_array_equal(csr.dense(), dense)
    np.testing.assert_array_equal(take_rows(csr, 90, 240).dense(), dense[90:240])
    np.testing.assert_array_equal(column(csr, 3), dense[:, 3])
    np.testing.assert_array_equal(column(csr, 4), np.zeros(1000))
    parts = [take_rows(csr, a, b) for a, b in ((0, 1), (1, 1), (1, 700), (700, 1000))]
    np.testing.assert_array_equal(concatenate(parts).dense(), dense)
    mask = np.arange(1000) % 3 > 0
    np.testing.assert_array_equal(keep_rows(csr, mask).dense(), dense * mask[:, None])


@pytest.mark.parametrize("size", [1, 64, 512, 4096])
def test_pyramid_holds_maximum_and_sum_of_every_bin_that_is_not_empty(dense: np.ndarray, size: int) -> None:
    level = pyramid(from_dense(dense), [size])[size]
    padded = np.pad(dense, ((0, -len(dense) % size), (0, 0))).reshape(-1, size, 7)
    for feature in range(7):
        at = slice(level.indptr[feature], level.indptr[feature + 1])
        bins = np.flatnonzero(padded[:, :, feature].any(axis=1))
        np.testing.assert_array_equal(level.bins[at], bins)
        np.testing.assert_array_equal(level.max[at], padded[bins, :, feature].max(axis=1))
        # Eighths below 8 add up without rounding.
        np.testing.assert_array_equal(level.sum[at], padded[bins, :, feature].sum(axis=1))


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        from_dense(np.array([[-1.0]]))
    with pytest.raises(ValueError, match="nothing to concatenate"):
        concatenate([])


def test_selected_rows_are_those_of_the_mask() -> None:
    dense = np.where(np.random.default_rng(3).random((9, 4)) < 0.4, 1.5, 0).astype(np.float32)
    mask = np.array([True, False, True, True, False, False, True, False, True])
    np.testing.assert_array_equal(select_rows(from_dense(dense), mask).dense(), dense[mask])
    assert select_rows(from_dense(dense), np.zeros(9, bool)).n_rows == 0
