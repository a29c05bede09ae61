"""Histograms against direct counts; shards add up."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.association.histogram import Histogram, add_dense, add_sparse
from feature_mining.association.labels import label_states
from feature_mining.association.sparse import bin_values, by_feature, dense_edges, lower_bounds, value_edges


def to_features(dense):
    rows, columns = np.nonzero(dense)
    pointer = np.concatenate([[0], np.cumsum((dense > 0).sum(axis=1))])
    return by_feature(pointer, columns, dense[rows, columns], dense.shape[1])


def counted(stretch, use, edges):
    histogram = Histogram.empty(7, edges.shape[1] + 2, len(stretch.labels.columns))
    bins = bin_values(stretch.features, edges)
    add_sparse(histogram, stretch.features, bins, stretch.labels, use)
    return histogram


def test_bins_and_bounds():
    features = to_features(np.array([[0.5], [1.0], [0.0], [3.0], [2.0]], np.float32))
    edges = np.array([[1.0, 2.0, 2.5]], np.float32)
    assert bin_values(features, edges).tolist() == [1, 2, 4, 3]
    bounds = lower_bounds(edges)
    assert bounds[0, 2:].tolist() == [1.0, 2.0, 2.5] and 0 < bounds[0, 1] < 1e-40


def test_counts_equal_a_direct_count(stretch):
    use = np.random.default_rng(0).random(3000) < 0.6
    edges = value_edges(stretch.features)
    histogram = counted(stretch, use, edges)
    label = stretch.labels.table[stretch.labels.states]
    for feature in range(7):
        value = stretch.dense[:, feature]
        bin_of = np.where(value > 0, 1 + np.searchsorted(edges[feature], value, "right"), 0)
        assert np.array_equal(histogram.all[feature], np.bincount(bin_of[use], minlength=edges.shape[1] + 2))
        for column in range(label.shape[1]):
            chosen = use & label[:, column]
            expected = np.bincount(bin_of[chosen], minlength=edges.shape[1] + 2)
            assert np.array_equal(histogram.positive[feature, :, column], expected)
            inside = value[chosen].astype(np.float64).sum()
            assert histogram.sum_inside[feature, column] == pytest.approx(inside)
    assert histogram.sum_all == pytest.approx(stretch.dense[use].astype(np.float64).sum(axis=0))


def test_shards_add_up_exactly(stretch):
    edges = value_edges(stretch.features)
    everywhere = np.ones(3000, bool)
    whole = counted(stretch, everywhere, edges)
    parts = []
    for start, end in ((0, 700), (700, 701), (701, 3000)):
        features = to_features(stretch.dense[start:end])
        labels = label_states(stretch.tracks, start, end, "+", stretch.labels.columns)
        part = Histogram.empty(7, whole.all.shape[1], len(labels.columns))
        add_sparse(part, features, bin_values(features, edges), labels, everywhere[start:end])
        parts.append(Histogram.from_arrays(part.arrays()))
    total = parts[2] + (parts[0] + parts[1])
    assert np.array_equal(total.positive, whole.positive)
    assert np.array_equal(total.all, whole.all)
    assert total.sum_inside == pytest.approx(whole.sum_inside, rel=1e-12)


def test_a_dense_value_that_never_fires_in_the_sample_has_a_bin_of_its_own():
    sample = np.zeros((5000, 2), np.float32)
    sample[:, 1] = np.random.default_rng(0).normal(size=5000)
    edges = dense_edges(sample)
    assert edges.shape == (2, 64) and (np.diff(edges) >= 0).all()
    bins = [np.searchsorted(edges[0], value, side="right") for value in (-1e-30, 0.0, 1e-30, 4.0)]
    assert bins == [0, 63, 64, 64]


def test_dense_counts_in_both_signs(stretch):
    random = np.random.default_rng(1)
    values = random.normal(size=(3000, 5)).astype(np.float32)
    use = random.random(3000) < 0.5
    edges = dense_edges(values)
    n_columns = len(stretch.labels.columns)
    histogram = Histogram.empty(5, edges.shape[1] + 1, n_columns)
    add_dense(histogram, values, edges, stretch.labels, use, block=2)
    bounds = lower_bounds(edges, sparse=False)
    label = stretch.labels.table[stretch.labels.states]
    flipped = histogram.flipped()
    n_bins = edges.shape[1] + 1
    for t in (1, 9, 30):
        expected = ((values >= bounds[:, t])[:, :, None] & label[:, None] & use[:, None, None]).sum(axis=0)
        assert np.array_equal(histogram.positive[:, t:].sum(axis=1), expected)
        below = (values < bounds[:, n_bins - t])[use].sum(axis=0)
        assert np.array_equal(flipped.all[:, t:].sum(axis=1), below)


def test_misfits_are_refused(stretch):
    edges = value_edges(stretch.features)
    bins = bin_values(stretch.features, edges)
    small = Histogram.empty(7, 5, len(stretch.labels.columns))
    with pytest.raises(ValueError, match="bin"):
        add_sparse(small, stretch.features, bins, stretch.labels, np.ones(3000, bool))
    with pytest.raises(ValueError, match="do not add up"):
        _ = small + Histogram.empty(7, 6, 4)
