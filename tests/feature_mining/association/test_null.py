"""The circular-shift null against all shifts, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.association import null
from feature_mining.association.labels import LabelStates
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


def brute(a, y):
    overlaps = np.array([(a & np.roll(y, -shift)).sum() for shift in range(a.size)], np.float64)
    return overlaps.mean(), overlaps.var(), overlaps


@pytest.mark.parametrize("n", [1001, 1200])
def test_moments_equal_all_shifts(n):
    random = np.random.default_rng(n)
    tracks = np.stack([smooth_binary(random, n, run, 0.3) for run in (5, 60)], axis=1)
    activity = [
        smooth_binary(random, n, run, rate) for run, rate in ((1, 0.02), (20, 0.2), (9, 0.5))
    ]
    dense = np.stack(activity, axis=1) * random.integers(1, 4, (n, 3)).astype(np.float32)
    use = np.ones(n, bool)
    use[100:140] = False
    edges = np.tile(np.array([2.0, 3.0], np.float32), (3, 1))
    features = sparse(dense)
    threshold = np.array([[1, 1], [3, 2], [1, 3]])
    moments = null.shift_moments(
        features, bin_values(features, edges), threshold, labels_of(tracks), use
    )
    active = (dense > 0).sum(axis=0)
    assert active.min() < null.FEW_ACTIVE < active.max(), "both ways of computing are exercised"
    for feature in range(3):
        for column in range(2):
            a = (dense[:, feature] >= threshold[feature, column])[use]
            y = tracks[use, column]
            mean, variance, overlaps = brute(a, y)
            assert moments.observed[feature, column] == overlaps[0]
            assert moments.mean[feature, column] == pytest.approx(mean, rel=1e-9)
            assert moments.variance[feature, column] == pytest.approx(variance, rel=1e-6)


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
    features = sparse(dense)
    bins = bin_values(features, np.zeros((2, 0), np.float32))
    ones = np.ones((2, 2), np.int64)
    moments = null.shift_moments(features, bins, ones, labels_of(tracks), np.ones(n, bool))
    for feature in range(2):
        for column in range(2):
            a, y = np.fft.rfft(dense[:, feature]), np.fft.rfft(tracks[:, column].astype(float))
            overlaps = np.rint(np.fft.irfft(np.conj(a) * y, n))
            variance = moments.variance[feature, column]
            assert variance == pytest.approx(overlaps.var(), rel=1e-6)


def test_segments_add_up_and_constants_have_no_z():
    n = 300
    random = np.random.default_rng(0)
    tracks = np.stack([np.ones(n, bool), random.random(n) < 0.5], axis=1)
    dense = (random.random((n, 2)) < 0.5).astype(np.float32)
    dense[:, 1] = 0
    features = sparse(dense)
    bins = bin_values(features, np.zeros((2, 0), np.float32))
    threshold = np.ones((2, 2), np.int64)
    once = null.shift_moments(features, bins, threshold, labels_of(tracks), np.ones(n, bool))
    twice = once + once
    z, both = once.z(), twice.z()
    assert np.isnan(z[0, 0]) and np.isnan(z[1]).all()
    assert both[0, 1] == pytest.approx(z[0, 1] * np.sqrt(2))


def test_exact_tail_of_one_and_of_two_segments():
    random = np.random.default_rng(4)
    pairs = [(smooth_binary(random, n, 6, 0.3), smooth_binary(random, n, 9, 0.4)) for n in (90, 70)]
    (a, y), (b, x) = pairs
    _, _, first = brute(a, y)
    _, _, second = brute(b, x)
    tail = null.exact_tail(pairs[:1])
    assert tail.p == pytest.approx((first >= first[0]).mean())
    # The observed position among the shifts: (1 + others) / (1 + number of others).
    others = (first[1:] >= first[0]).sum()
    assert tail.p == pytest.approx((1 + others) / (1 + (first.size - 1)))
    sums = first[:, None] + second[None]
    both = null.exact_tail(pairs)
    assert both.p == pytest.approx((sums >= first[0] + second[0]).mean())
    assert both.floor == pytest.approx(1 / (90 * 70))
    assert both.observed == first[0] + second[0]
    assert both.sd == pytest.approx(sums.std())


def test_nominal_rate_for_autocorrelated_features():
    """Independent features in runs of 20: the shift null keeps 5 %, the naive test does not."""
    random = np.random.default_rng(8)
    n, n_features = 20_000, 200
    track = smooth_binary(random, n, 60, 0.3)[:, None]
    activity = np.stack([smooth_binary(random, n, 20, 0.1) for _ in range(n_features)], axis=1)
    features = sparse(activity.astype(np.float32))
    bins = bin_values(features, np.zeros((n_features, 0), np.float32))
    ones = np.ones((n_features, 1), np.int64)
    moments = null.shift_moments(features, bins, ones, labels_of(track), np.ones(n, bool))
    share = (moments.z() > 1.6449).mean()
    assert 0.015 <= share <= 0.095
    active, rate = activity.sum(axis=0), track.mean()
    naive = np.sqrt(active * (1 - active / n) * rate * (1 - rate))
    naive_z = (moments.observed - moments.mean)[:, 0] / naive
    assert (naive_z > 1.6449).mean() > 0.25


def test_wide_tails_convolved_by_transform_agree(monkeypatch):
    random = np.random.default_rng(4)
    pairs = [
        (smooth_binary(random, n, 6, 0.3), smooth_binary(random, n, 9, 0.4))
        for n in (300, 270, 310)
    ]
    direct = null.exact_tail(pairs)
    monkeypatch.setattr(null, "MOST_PRODUCTS", 0)
    transformed = null.exact_tail(pairs)
    assert transformed.p == pytest.approx(direct.p, abs=1e-12)
    assert transformed.floor == direct.floor == pytest.approx(1 / (300 * 270 * 310))


def test_floor_of_a_transform_is_shown(monkeypatch):
    monkeypatch.setattr(null, "MOST_PRODUCTS", 0)
    block = np.arange(1000) < 10
    tail = null.exact_tail([(block, block)] * 6)
    assert tail.p == tail.floor == null.FFT_FLOOR
