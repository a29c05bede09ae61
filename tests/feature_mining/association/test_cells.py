"""Counts of one and two bytes against direct counts, where they fit and where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.association.cells import Cells
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.labels import LabelStates
from feature_mining.association.signals import LEVELS, SignalCounts, add_signal
from feature_mining.association.sparse import Csc

BINS, COLUMNS, ROWS = 4, 3, 40_000
# Highest counts of one byte and of two.
ONE, TWO = 255, 65_535


@pytest.fixture(scope="module")
def stretch():
    """Five features, the second always on in one bin; three states of three columns."""
    random = np.random.default_rng(0)
    active = [np.flatnonzero(random.random(ROWS) < rate) for rate in (0.01, 1.0, 0.0, 0.3, 0.9)]
    indptr = np.concatenate([[0], np.cumsum([a.size for a in active])])
    values = random.random(indptr[-1]).astype(np.float32) + 1
    features = Csc(indptr, np.concatenate(active).astype(np.int32), values, ROWS)
    bins = random.integers(1, BINS, indptr[-1]).astype(np.uint8)
    bins[indptr[1] : indptr[2]] = 2
    table = np.array([[0, 0, 0], [1, 0, 1], [1, 1, 1]], bool)
    states = random.integers(0, 3, ROWS).astype(np.int32)
    return features, bins, LabelStates(states, table, [("a", "any"), ("b", "any"), ("c", "any")])


def counted(stretch, of, n):
    """Direct counts int64 (F, BINS, n) of the rows that `of` (ROWS, n) marks."""
    features, bins, _ = stretch
    found = np.zeros((features.n_features, BINS, n), np.int64)
    for f in range(features.n_features):
        at = slice(features.indptr[f], features.indptr[f + 1])
        bin_of = np.zeros(ROWS, int)
        bin_of[features.rows[at]] = bins[at]
        for c in range(n):
            found[f, :, c] = np.bincount(bin_of[of[:, c]], minlength=BINS)
    return found


@pytest.mark.parametrize("times", [1, 5])
def test_counts_are_exact_beyond_two_bytes(stretch, times):
    features, bins, labels = stretch
    use = np.ones(ROWS, bool)
    one = Histogram.empty(features.n_features, BINS, COLUMNS)
    parts = [Histogram.empty(features.n_features, BINS, COLUMNS) for _ in range(times)]
    for part in parts:
        add_sparse(part, features, bins, labels, use)
        add_sparse(one, features, bins, labels, use)
    total = parts[0]
    for part in parts[1:]:
        total = total + Histogram.from_arrays(part.arrays())
    expected = times * counted(stretch, labels.table[labels.states], COLUMNS)
    assert (expected[:, 1:].max() > TWO) == (times > 1)
    for each in (one, total):
        np.testing.assert_array_equal(each.positive, expected)
        np.testing.assert_array_equal(each.cells[np.array([4, 1])], expected[[4, 1]])
        np.testing.assert_array_equal(each.cells[1:3], expected[1:3])
        # Whoever needs no more than two bytes gets no more.
        assert (1 in each.cells.rows) == (times > 1) and not {0, 2} & set(each.cells.rows)
    np.testing.assert_array_equal((total + one).positive, 2 * expected)


@pytest.mark.parametrize("most", [ONE, TWO])
def test_a_feature_that_nearly_fills_its_bytes_keeps_them(most):
    """Room is made by what a bin holds, not by all that was ever active."""
    n = 9
    cells = Cells.empty(n, BINS, 1)
    often = np.zeros((n, BINS, 1), np.int64)
    # Of so many features that all of them get two bytes, or of one.
    often[: n if most == TWO else 1, 1:] = most // 3
    for _ in range(3):
        cells.add(0, often)
    assert cells.most == most and cells.rows.size == 0 and cells.few[0].min() == most
    cells.expect(np.array([0] + [most - often[1, 1, 0] * 3] * (n - 1)))
    assert cells.most == most and cells.rows.size == 0
    cells.expect(np.eye(1, n, dtype=np.int64)[0])
    assert cells.rows.tolist() == [0] and (cells.wide == most).all() and not cells.few[0].any()


def test_few_large_counts_take_eight_bytes_and_many_two_each():
    """One byte a count for all others costs less than two for all, until one in eight is large."""
    n = 64
    for large in (0, 8, 9, n):
        counts = np.ones((n, BINS, 2), np.int64)
        counts[:large, 1:] = ONE + 1
        counts[:, 0] = 4 * ONE - counts[:, 1:].sum(axis=1)
        cells = Cells.of(counts)
        assert (cells.few.dtype.itemsize, cells.rows.size) == ((1, large) if large <= n / 8 else (2, 0))
        np.testing.assert_array_equal(cells[:], counts)
        one = Cells.of(np.ones_like(counts) * [[[4 * ONE - 3], [1], [1], [1]]])
        for total in (cells + one, one + cells):
            np.testing.assert_array_equal(total[:], counts + one[:])
            assert total.few.dtype == cells.few.dtype and total.rows.size == cells.rows.size
        # Sums that need more than their parts.
        np.testing.assert_array_equal((cells + Cells.from_arrays(cells.arrays()))[:], 2 * counts)
    half = Cells.of(np.full((n, 2, 1), 128))
    assert half.few.dtype == np.uint8 and (half + half).few.dtype == np.uint16
    np.testing.assert_array_equal((half + half)[:], 256)


def test_counts_of_a_signal_are_exact_beyond_two_bytes(stretch):
    features, bins, _ = stretch
    signal = np.random.default_rng(1).integers(0, LEVELS, ROWS).astype(np.float32)
    signal[: ROWS // 2] = 3
    edges = np.arange(1, LEVELS, dtype=np.float32)
    one, other = (SignalCounts.empty(features.n_features, BINS) for _ in range(2))
    for _ in range(5):
        add_signal(one, features, bins, signal, edges, np.ones(ROWS, bool))
    for _ in range(2):
        add_signal(other, features, bins, signal, edges, np.ones(ROWS, bool))
    levels = signal[:, None] == np.arange(LEVELS)
    expected = counted(stretch, levels, LEVELS)
    assert 5 * expected[1, 2].max() > TWO > 2 * expected[1, 2].max()
    np.testing.assert_array_equal(one.joint[:], 5 * expected)
    total = other + SignalCounts.from_arrays(one.arrays())
    np.testing.assert_array_equal(total.joint[:], 7 * expected)


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_counts_of_earlier_versions_are_read_and_added_to(stretch, dtype):
    """They kept bin 0 and four or eight bytes a count."""
    features, bins, labels = stretch
    fresh = Histogram.empty(features.n_features, BINS, COLUMNS)
    add_sparse(fresh, features, bins, labels, np.ones(ROWS, bool))
    positive = 7 * fresh.positive.astype(dtype)
    old = {"positive": positive} | {k: fresh.arrays()[k] for k in ("all", "sum_inside", "sum_all")}
    read = Histogram.from_arrays(old)
    np.testing.assert_array_equal(read.positive, positive)
    np.testing.assert_array_equal((fresh + read).positive, positive // 7 * 8)
    signal, edges = np.arange(ROWS, dtype=np.float32), np.full(LEVELS - 1, 9e3, np.float32)
    counts = SignalCounts.empty(features.n_features, BINS)
    add_signal(counts, features, bins, signal, edges, np.ones(ROWS, bool))
    sums = {name: counts.arrays()[name] for name in ("x", "xx", "xs", "bases", "s", "ss")}
    again = SignalCounts.from_arrays({"joint": counts.joint[:].astype(dtype)} | sums)
    np.testing.assert_array_equal(again.joint[:], counts.joint[:])
    np.testing.assert_array_equal((again + counts).joint[:], 2 * counts.joint[:])
    np.testing.assert_array_equal(again.spearman(), counts.spearman())


def test_totals_beyond_four_bytes_stay_exact():
    counts = np.array([[[2**33, 5], [2**20, 2]], [[2**33 + 2**20 - 1, 7], [1, 0]]])
    cells = Cells.of(counts)
    assert cells.rows.tolist() == [0] and cells[:].dtype == np.int64
    np.testing.assert_array_equal(cells[:], counts)
    np.testing.assert_array_equal((cells + cells)[:], 2 * counts)
