"""Sampled nulls: common shifts against rolled arrays, the bootstrap on planted and on independent pairs."""

from __future__ import annotations

import numpy as np

from feature_mining.association import resampling
from feature_mining.association.sparse import bin_values


def test_sampled_p_counts_the_observed():
    draws = np.array([1.0, 2.0, 3.0])
    p = resampling.sampled_p(np.array([0.0, 2.0, 9.0, np.nan]), draws)
    assert p[:3].tolist() == [1.0, 3 / 4, 1 / 4] and np.isnan(p[3])


def test_common_shifts_equal_rolled_arrays(stretch):
    edges = np.tile(np.array([0.5, 1.5], np.float32), (7, 1))
    threshold = np.random.default_rng(1).integers(1, 4, (7, len(stretch.labels.columns)))
    use = np.arange(3000) % 7 > 0
    shifts = np.array([0.0, 0.25, 0.9])
    bins = bin_values(stretch.features, edges)
    found = resampling.shifted_overlaps(
        stretch.features, bins, threshold, stretch.labels, use, shifts
    )
    bound = np.array([-np.inf, 1e-9, 0.5, 1.5])
    label = stretch.labels.table[stretch.labels.states][use]
    n = int(use.sum())
    for r, shift in enumerate(shifts):
        moved = np.roll(label, int(shift * n), axis=0)
        for feature in range(7):
            for column in range(label.shape[1]):
                on = stretch.dense[use, feature] >= bound[threshold[feature, column]]
                assert found[r, feature, column] == (on & moved[:, column]).sum()


def test_bootstrap_finds_what_is_planted_and_little_else():
    random = np.random.default_rng(5)
    n, tile = 60_000, 500
    classes = resampling.tile_classes(random.random(n) < 0.5, tile)
    assert classes.size == 120 and set(classes.tolist()) == {0, 1, 2}
    low = 0
    for seed in range(60):
        track = np.repeat(random.random(n // 30) < 0.2, 30)
        other = np.repeat(random.random(n // 30) < 0.2, 30)
        tail = resampling.block_bootstrap(other, track, classes, tile, 199, seed)
        low += tail.p < 0.1
        assert tail.floor == 1 / 200
    assert low <= 14
    planted = resampling.block_bootstrap(track, track, classes, tile, 199, 0)
    assert planted.p == planted.floor
