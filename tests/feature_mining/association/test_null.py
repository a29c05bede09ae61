"""The circular-shift null against all shifts, one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from feature_mining.association import null
from feature_mining.association.labels import LabelStates, label_states, track_columns
from feature_mining.association.segments import StrandReading
from feature_mining.association.sparse import bin_values, by_feature


def smooth_binary(random, n, run, rate):
    """A stationary on-off sequence with mean run length `run` and share `rate` on."""
    on, off = 1 / run, rate / (1 - rate) / run
    flips = random.random(n)
    out = np.zeros(n, bool)
    state = random.random() < rate
    for i in range(n):
        state = flips[i] >= on if state else flips[i] < off
        out[i] = state
    return out


def labels_of(tracks):
    """Label states of bool (n, C), built another way than the sweep does."""
    bits = tracks @ (1 << np.arange(tracks.shape[1]))
    states = np.arange(1 << tracks.shape[1])
    table = (states[:, None] >> np.arange(tracks.shape[1])) & 1
    columns = [(f"t{i}", "any") for i in range(tracks.shape[1])]
    return LabelStates(bits.astype(np.int32), table.astype(bool), columns)


def sparse(dense):
    rows, columns = np.nonzero(dense)
    pointer = np.concatenate([[0], np.cumsum((dense > 0).sum(axis=1))])
    return by_feature(pointer, columns, dense[rows, columns], dense.shape[1])


def reading(dense, tracks, use=None, edges=None):
    """A reading of dense (n, F) under bool (n, C), or under label states."""
    features = sparse(dense.astype(np.float32))
    edges = np.zeros((dense.shape[1], 0), np.float32) if edges is None else edges
    labels = tracks if isinstance(tracks, LabelStates) else labels_of(tracks)
    use = np.ones(len(dense), bool) if use is None else use
    return StrandReading(features, bin_values(features, edges), labels, use)


def brute(*pairs):
    """Overlaps at every common shift of the pairs (activity, track), added up, float64 (n)."""
    shifts = range(pairs[0][0].size)
    return np.array([sum((a & np.roll(y, -h)).sum() for a, y in pairs) for h in shifts], float)


def intervals(random, n, count, strands):
    start = random.integers(0, n - 40, count)
    ends = start + random.integers(1, 40, count)
    return pd.DataFrame({"start": start, "end": ends, "strand": random.choice(strands, count)})


class Strands:
    """Both readings of a stretch: features whose strands agree by half, wholly, or not at all.

    Some bases are read on neither strand, some at either end on one alone; columns are a stranded track
    in three modes and one without strands.
    """

    def __init__(self, n, seed):
        random = np.random.default_rng(seed)
        tracks = {"gene": intervals(random, n, 8, ["+", "-"]), "repeat": intervals(random, n, 4, ["."])}
        columns = track_columns(tracks)
        assert [mode for _, mode in columns] == ["same", "opposite", "any", "any"]
        on = [smooth_binary(random, n, run, rate) for run, rate in ((1, 0.03), (6, 0.2), (20, 0.5))]
        other = [smooth_binary(random, n, 4, rate) for rate in (0.03, 0.2, 0.5)]
        kept = random.random((n, 3)) < 0.5
        a, b = np.stack(on, axis=1), np.stack(other, axis=1)
        plus = np.concatenate([a, a, a], axis=1)
        minus = np.concatenate([b, np.where(kept, a, b), a], axis=1)
        dead = np.arange(n) % 50 == 7
        self.use = [(np.arange(n) >= 20) & ~dead, (np.arange(n) < n - 33) & ~dead]
        self.dense = [side * random.integers(1, 4, side.shape) for side in (plus, minus)]
        self.labels = [label_states(tracks, 0, n, strand, columns) for strand in "+-"]
        self.threshold = random.integers(1, 4, (9, 4))
        edges = np.tile(np.array([2.0, 3.0], np.float32), (9, 1))
        self.readings = [
            reading(*parts, edges) for parts in zip(self.dense, self.labels, self.use, strict=True)
        ]

    def pairs(self, feature, column):
        """Activity and track on the bases of both strands, of plus alone, of minus alone."""
        plus, minus = self.use
        for mask, sides in ((plus & minus, (0, 1)), (plus & ~minus, (0,)), (minus & ~plus, (1,))):
            yield [
                (
                    (self.dense[s][:, feature] >= self.threshold[feature, column])[mask],
                    self.labels[s].table[self.labels[s].states, column][mask],
                )
                for s in sides
            ]


@pytest.mark.parametrize("n", [301, 300])
@pytest.mark.parametrize("few", [0, 3, 1000])
def test_moments_equal_all_common_shifts(monkeypatch, n, few):
    """All modes, stranded and not, by transform, from the ends of the tracks and by either."""
    monkeypatch.setattr(null, "FEW_PAIRS", few)
    strands = Strands(n, n)
    moments = null.shift_moments(strands.readings, strands.threshold)
    for feature in range(9):
        for column in range(4):
            overlaps = [brute(*segment) for segment in strands.pairs(feature, column)]
            assert moments.observed[feature, column] == sum(o[0] for o in overlaps)
            mean, variance = (sum(getattr(o, name)() for o in overlaps) for name in ("mean", "var"))
            assert moments.mean[feature, column] == pytest.approx(mean, rel=1e-9)
            assert moments.variance[feature, column] == pytest.approx(variance, rel=1e-9)


@pytest.mark.parametrize("feature", range(9))
def test_exact_tail_equals_all_common_shifts(feature):
    strands = Strands(120, feature)
    for column in range(4):
        segments = list(strands.pairs(feature, column))
        tail = null.exact_tail([tuple(np.stack(side) for side in zip(*s, strict=True)) for s in segments])
        both, plus, minus = (brute(*segment) for segment in segments)
        sums = both[:, None, None] + plus[:, None] + minus
        assert tail.observed == sums[0, 0, 0]
        assert tail.p == pytest.approx((sums >= tail.observed).mean(), rel=1e-12)
        assert tail.floor == pytest.approx(1 / sums.size)
        assert tail.mean == pytest.approx(sums.mean()) and tail.sd == pytest.approx(sums.std())


def test_the_same_places_on_both_strands_count_once():
    """A track without strands: the overlap is doubled, the variance four times that of one reading."""
    random = np.random.default_rng(2)
    n = 500
    track = smooth_binary(random, n, 30, 0.3)[:, None]
    active = np.stack([smooth_binary(random, n, 5, rate) for rate in (0.05, 0.5)], axis=1)
    ones = np.ones((2, 1), np.int64)
    one = null.shift_moments([reading(active, track)], ones)
    both = null.shift_moments([reading(active, track)] * 2, ones)
    assert both.variance == pytest.approx(4 * one.variance, rel=1e-9)
    assert both.z() == pytest.approx(one.z(), rel=1e-9)
    a, y = active[:, 0], track[:, 0]
    single, double = (null.exact_tail([(np.stack([a] * k), np.stack([y] * k))]) for k in (1, 2))
    assert double.p == single.p and double.floor == single.floor == 1 / n


@pytest.mark.parametrize("few", [0, 10_000])
def test_an_overlap_that_no_shift_changes_has_no_z(monkeypatch, few):
    """Every base in the track on one of its strands, the feature on both: always the same overlap."""
    monkeypatch.setattr(null, "FEW_PAIRS", few)
    random = np.random.default_rng(3)
    track = smooth_binary(random, 2_000, 90, 0.4)[:, None]
    active = smooth_binary(random, 2_000, 9, 0.3)[:, None]
    readings = [reading(active, track), reading(active, ~track)]
    moments = null.shift_moments(readings, np.ones((1, 1), np.int64))
    assert moments.observed[0, 0] == active.sum() == pytest.approx(moments.mean[0, 0])
    assert np.isnan(moments.z()).all()


def test_moments_stay_exact_on_a_long_segment_of_prime_length():
    random = np.random.default_rng(6)
    n = 99_991
    tracks = np.zeros((n, 2), bool)
    for start in random.integers(0, n - 900, 60):
        tracks[start : start + 900, 0] = True
    tracks[::3, 1] = True
    dense = np.zeros((n, 2), np.float32)
    dense[::3, 0] = random.random(len(dense[::3])) < 0.3
    for start in random.integers(0, n - 300, 100):
        dense[start : start + 300, 1] = 1
    sides = ((dense, tracks), (np.roll(dense, 40, axis=0), tracks[:, ::-1]))
    moments = null.shift_moments([reading(*side) for side in sides], np.ones((2, 2), np.int64))
    for feature in range(2):
        for column in range(2):
            a, y = (
                [np.fft.rfft(side[part][:, at].astype(float)) for side in sides]
                for part, at in ((0, feature), (1, column))
            )
            products = sum(np.conj(one) * other for one, other in zip(a, y, strict=True))
            overlaps = np.rint(np.fft.irfft(products, n))
            variance = moments.variance[feature, column]
            assert variance == pytest.approx(overlaps.var(), rel=1e-6)


def test_stretches_add_up_and_constants_have_no_z():
    n = 300
    random = np.random.default_rng(0)
    tracks = np.stack([np.ones(n, bool), random.random(n) < 0.5], axis=1)
    dense = random.random((n, 2)) < 0.5
    dense[:, 1] = 0
    once = null.shift_moments([reading(dense, tracks)], np.ones((2, 2), np.int64))
    twice = once + once
    z, both = once.z(), twice.z()
    assert np.isnan(z[0, 0]) and np.isnan(z[1]).all()
    assert both[0, 1] == pytest.approx(z[0, 1] * np.sqrt(2))


def test_no_usable_base_and_thresholds_that_do_not_fit():
    dense, track = np.ones((9, 1)), np.ones((9, 1), bool)
    silent = [reading(dense, track, np.zeros(9, bool))] * 2
    assert null.shift_moments(silent, np.ones((1, 1), np.int64)).mean.tolist() == [[0.0]]
    with pytest.raises(ValueError, match="thresholds of shape"):
        null.shift_moments(silent, np.ones((2, 1), np.int64))


@pytest.mark.parametrize("correlation", [0.0, 1.0])
def test_nominal_rate_for_autocorrelated_features(correlation):
    """Runs of 20 that know nothing of the track, strands alike or not: common shifts keep 5 %, others not."""
    random = np.random.default_rng(8)
    n, n_features = 20_000, 200
    track = smooth_binary(random, n, 60, 0.3)[:, None]
    plus, minus = (
        np.stack([smooth_binary(random, n, 20, 0.1) for _ in range(n_features)], axis=1) for _ in range(2)
    )
    minus = plus if correlation else minus
    ones = np.ones((n_features, 1), np.int64)
    sides = [reading(plus, track), reading(minus, track)]
    z = null.shift_moments(sides, ones).z()
    assert 0.015 <= (z > 1.6449).mean() <= 0.095 and 0.85 <= z.std() <= 1.15
    apart = null.shift_moments(sides[:1], ones) + null.shift_moments(sides[1:], ones)
    assert (apart.z().std() > 1.25) == (correlation > 0), "strands turned by themselves"
    active, rate = plus.sum(axis=0), track.mean()
    naive = np.sqrt(active * (1 - active / n) * rate * (1 - rate))
    one = null.shift_moments(sides[:1], ones)
    assert (((one.observed - one.mean)[:, 0] / naive) > 1.6449).mean() > 0.25


def test_p_is_the_tail_of_a_gamma_distribution():
    moments = null.ShiftMoments(
        *(np.array([row]) for row in ([3.0, 40.0, 7.0, 9e5], [1.0, 30.0, 7.0, 10.0], [2.0, 16.0, 0.0, 4.0]))
    )  # fmt: skip
    p = moments.p()[0]
    expected = stats.gamma.sf([3.0, 40.0], [0.5, 56.25], scale=[2.0, 16 / 30])
    assert p[:2] == pytest.approx(expected, rel=1e-9) and p[0] == pytest.approx(0.0832645)
    assert np.isnan(p[2]) and p[3] == np.finfo(float).tiny


def test_the_far_tail_of_a_rare_track_is_not_too_long():
    """Ten short intervals, features of 30 runs: hardly a p below 0.001, where the normal tail has tens."""
    random = np.random.default_rng(5)
    n, n_features = 60_000, 1_500
    track = np.zeros((n, 1), bool)
    for start in random.integers(0, n - 60, 10):
        track[start : start + 60] = True
    active = np.stack(
        [
            np.repeat(np.roll(random.random(n // 20) < 0.01, 1), 20)[random.integers(n) - np.arange(n)]
            for _ in range(n_features)
        ],
        axis=1,
    )
    moments = null.shift_moments([reading(active, track)], np.ones((n_features, 1), np.int64))
    p, normal = moments.p(), stats.norm.sf(moments.z())
    # 1.5 expected.
    assert (p < 0.001).sum() <= 4 and (normal < 0.001).sum() >= 15
    assert 0.02 <= (p < 0.05).mean() <= 0.08


def pairs_of(random, lengths):
    return [(smooth_binary(random, n, 6, 0.3)[None], smooth_binary(random, n, 9, 0.4)[None]) for n in lengths]


def test_exact_tail_counts_the_observed_among_the_shifts():
    pair = pairs_of(np.random.default_rng(4), (90,))
    tail = null.exact_tail(pair)
    overlaps = brute((pair[0][0][0], pair[0][1][0]))
    others = (overlaps[1:] >= overlaps[0]).sum()
    assert tail.p == pytest.approx((1 + others) / (1 + (overlaps.size - 1)))
    with pytest.raises(ValueError, match="at least one segment"):
        null.exact_tail([])


@pytest.mark.parametrize("n", [2, 3, 37, 7_523, 92_317, 99_840, 131_071, 131_072, 131_073, 196_613])
def test_every_shift_is_exact_at_any_length(n):
    """Primes, smooth numbers, on both sides of fp32: dense and full tracks, both readings."""
    random = np.random.default_rng(n)
    a, y = (random.random((2, n)) < rate for rate in (0.5, 0.9))
    for active, track in ((a, y), (a, np.ones((2, n), bool)), (np.ones((2, n), bool), y)):
        tail = null.exact_tail([(active, track)])
        product = np.conj(np.fft.rfft(active.astype(float))) * np.fft.rfft(track.astype(float))
        overlaps = np.rint(np.fft.irfft(product.sum(axis=0), n))
        for shift in random.integers(0, n, 5):
            assert overlaps[shift] == (active & np.roll(track, -shift, axis=1)).sum()
        assert tail.p == pytest.approx((overlaps >= (active & track).sum()).mean(), rel=1e-12)
        assert (tail.mean, tail.sd) == pytest.approx((overlaps.mean(), overlaps.std()), abs=1e-9)


def test_wide_tails_convolved_by_transform_agree(monkeypatch):
    random = np.random.default_rng(4)
    pairs = pairs_of(random, (300, 270, 310))
    direct = null.exact_tail(pairs)
    monkeypatch.setattr(null, "MOST_PRODUCTS", 0)
    transformed = null.exact_tail(pairs)
    assert transformed.p == pytest.approx(direct.p, abs=1e-12)
    assert transformed.floor == direct.floor == pytest.approx(1 / (300 * 270 * 310))


def test_floor_of_a_transform_is_shown(monkeypatch):
    monkeypatch.setattr(null, "MOST_PRODUCTS", 0)
    block = np.arange(1000)[None] < 10
    tail = null.exact_tail([(block, block)] * 6)
    assert tail.p == tail.floor == null.FFT_FLOOR
