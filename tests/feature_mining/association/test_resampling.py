"""Sampled nulls: common shifts against rolled arrays, the bootstrap on planted and on independent pairs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.association import resampling
from feature_mining.association.labels import LabelStates, label_states
from feature_mining.association.null import shift_moments
from feature_mining.association.segments import StrandReading
from feature_mining.association.sparse import bin_values, by_feature
from tests.feature_mining.association.conftest import to_features


def test_sampled_p_counts_the_observed():
    draws = np.array([1.0, 2.0, 3.0])
    p = resampling.sampled_p(np.array([0.0, 2.0, 9.0, np.nan]), draws)
    assert p[:3].tolist() == [1.0, 3 / 4, 1 / 4] and np.isnan(p[3])


def test_common_shifts_equal_rolled_arrays(stretch):
    """Both strands turn by one shift; bases of one strand alone turn by their own."""
    edges = np.tile(np.array([0.5, 1.5], np.float32), (7, 1))
    threshold = np.random.default_rng(1).integers(1, 4, (7, len(stretch.labels.columns)))
    dense = [stretch.dense, np.roll(stretch.dense, 5, axis=0)]
    labels = [stretch.labels, label_states(stretch.tracks, 0, 3000, "-", stretch.labels.columns)]
    use = [(np.arange(3000) % 7 > 0) & (np.arange(3000) >= at) for at in (0, 400)]
    readings = []
    for values, own, mask in zip(dense, labels, use, strict=True):
        features = to_features(values)
        readings.append(StrandReading(features, bin_values(features, edges), own, mask))
    found = resampling.shifted_overlaps(readings, threshold, 3, np.random.default_rng(4))
    random = np.random.default_rng(4)
    bound = np.array([-np.inf, 1e-9, 0.5, 1.5])
    expected = np.zeros(found.shape, int)
    for mask, sides in ((use[0] & ~use[1], (0,)), (use[0] & use[1], (0, 1))):
        for r, shift in enumerate(random.integers(0, mask.sum(), 3)):
            for side in sides:
                label = labels[side].table[labels[side].states][mask]
                on = dense[side][mask][:, :, None] >= bound[threshold]
                expected[r] += (on & np.roll(label, shift, axis=0)[:, None]).sum(axis=0)
    assert np.array_equal(found, expected)


def test_common_shifts_of_many_columns_and_many_bases_at_many_levels():
    """More columns than a word has bits, more active bases than are counted before they are added up."""
    random = np.random.default_rng(8)
    n, columns, shifts = 1500, 131, 2
    table = np.concatenate([np.zeros((1, columns), bool), random.random((40, columns)) < 0.4])
    labels = LabelStates(
        random.integers(0, 41, n).astype(np.int32), table, [(f"t{c}", "any") for c in range(columns)]
    )
    dense = np.where(random.random((n, 2)) < 0.7, random.random((n, 2)), 0).astype(np.float32)
    edges = np.tile(np.linspace(0.1, 0.9, 9, dtype=np.float32), (2, 1))
    features = to_features(dense)
    use = np.ones(n, bool)
    one = StrandReading(features, bin_values(features, edges), labels, use)
    threshold = random.integers(1, 11, (2, columns))
    found = resampling.shifted_overlaps([one], threshold, shifts, np.random.default_rng(9))
    bound = np.array([-np.inf, 1e-9, *edges[0]])
    on = dense[:, :, None] >= bound[threshold]
    inside = table[labels.states]
    turns = np.random.default_rng(9).integers(0, n, shifts)
    expected = [(on & np.roll(inside, turn, axis=0)[:, None]).sum(axis=0) for turn in turns]
    assert on.sum(axis=0).max() > 510 and np.array_equal(found, expected)


def test_bootstrap_finds_what_is_planted_and_little_else():
    random = np.random.default_rng(5)
    n, tile = 60_000, 500
    classes = resampling.tile_classes(random.random(n) < 0.5, tile)
    assert classes.size == 120 and set(classes.tolist()) == {0, 1, 2}
    low = 0
    for seed in range(60):
        track = np.repeat(random.random(n // 30) < 0.2, 30)
        other = np.repeat(random.random(n // 30) < 0.2, 30)
        tail = resampling.block_bootstrap(other[None], track[None], classes, tile, 199, seed)
        low += tail.p < 0.1
        assert tail.floor == 1 / 200
    assert low <= 14
    planted = resampling.block_bootstrap(track[None], track[None], classes, tile, 199, 0)
    assert planted.p == planted.floor


def test_a_tile_of_the_bootstrap_holds_both_strands():
    """The same places on both strands: the p of one of them, and twice its overlap."""
    random = np.random.default_rng(6)
    n, tile = 20_000, 500
    classes = resampling.tile_classes(random.random(n) < 0.5, tile)
    a, y = (np.repeat(random.random(n // 30 + 1) < 0.2, 30)[:n] for _ in range(2))
    one, two = (
        resampling.block_bootstrap(np.stack([a] * k), np.stack([y] * k), classes, tile, 199, 0)
        for k in (1, 2)
    )
    assert two.p == one.p and two.mean == 2 * one.mean and two.sd == 2 * one.sd


def heavy_draws(random, draws, features, columns):
    """Z of independent pairs: the later the column, the heavier its tail, as for rare tracks."""
    degrees = np.geomspace(60, 1.5, columns)
    return random.standard_t(degrees, (draws, features, columns))


def test_family_wise_error_holds_under_the_null():
    random = np.random.default_rng(0)
    features, columns, draws, repeats = 30, 8, 39, 400
    kind = np.searchsorted(resampling.RUN_CLASSES, random.choice([10, 100, 900], (features, columns)))
    wrong = 0
    for _ in range(repeats):
        z = heavy_draws(random, draws + 1, features, columns)
        shifted = np.stack([resampling.class_maxima(one, kind) for one in z[1:]])
        wrong += resampling.family_p(z[0], kind, shifted).min() <= 0.05
    # Exactly 0.05 by exchangeability: 20 of 400, sd 4.4.
    assert 7 <= wrong <= 34


def test_family_wise_power_beside_heavy_tails():
    """Planted in a common track at z = 9: found, though a rare track reaches more by chance."""
    random = np.random.default_rng(1)
    features, columns, draws = 30, 8, 99
    kind = np.ones((features, columns), np.int64)
    found, plain = 0, 0
    for _ in range(40):
        z = heavy_draws(random, draws + 1, features, columns)
        z[0, 4, 0] = 9.0
        shifted = np.stack([resampling.class_maxima(one, kind) for one in z[1:]])
        found += resampling.family_p(z[0], kind, shifted)[4, 0] <= 0.05
        plain += resampling.sampled_p(np.array([9.0]), z[1:].max(axis=(1, 2)))[0] <= 0.05
    assert found >= 36 and plain <= 4


def test_family_wise_error_of_common_shifts():
    """Features independent of the tracks, one of which is rare, all through `shifted_overlaps`."""
    random = np.random.default_rng(2)
    n, features, draws, repeats = 6_000, 6, 19, 80
    use, edges = np.ones(n, bool), np.zeros((features, 0), np.float32)
    wrong = 0
    for _ in range(repeats):
        starts = {"common": random.integers(0, n - 60, 40), "rare": random.integers(0, n - 60, 3)}
        tracks = {
            name: pd.DataFrame({"start": s, "end": s + 50, "strand": "."}) for name, s in starts.items()
        }
        labels = label_states(tracks, 0, n, "+")
        active = np.repeat(random.random((n // 20, features)) < 0.05, 20, axis=0)
        rows, feature = np.nonzero(active)
        pointer = np.concatenate([[0], np.cumsum(active.sum(axis=1))])
        csc = by_feature(pointer, feature, np.ones(rows.size, np.float32), features)
        threshold = np.ones((features, 2), np.int64)
        # The same places on both strands.
        readings = [StrandReading(csc, bin_values(csc, edges), labels, use)] * 2
        moments = shift_moments(readings, threshold)
        shifts = resampling.shifted_overlaps(readings, threshold, draws, random)
        kind = np.zeros((features, 2), np.int64)
        sd = np.sqrt(np.where(moments.variance > 1e-9, moments.variance, np.nan))
        shifted = np.stack([resampling.class_maxima((o - moments.mean) / sd, kind) for o in shifts])
        wrong += np.nanmin(resampling.family_p(moments.z(), kind, shifted)) <= 0.05
    # 4 of 80 expected, sd 1.9.
    assert wrong <= 10


def test_a_class_without_pairs_and_a_pair_without_z():
    z = np.array([[np.nan, 1.0], [np.nan, 2.0]])
    kind = np.zeros((2, 2), np.int64)
    shifted = np.stack([resampling.class_maxima(np.array([[np.nan, s]] * 2), kind) for s in (0.5, 3.0)])
    p = resampling.family_p(z, kind, shifted)
    assert np.isnan(p[:, 0]).all() and (p[:, 1] > 0).all()
