"""Correlations with signals against scipy; the shift null against all shifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from feature_mining.association import signals
from feature_mining.association.segments import StrandReading
from feature_mining.association.sparse import bin_values
from tests.feature_mining.association.conftest import to_features


@pytest.fixture
def signal(stretch):
    random = np.random.default_rng(2)
    values = (stretch.dense[:, 1] + random.integers(0, 20, 3000)).astype(np.float32).round()
    values[random.random(3000) < 0.1] = np.nan
    return values


def test_correlations_equal_scipy_and_missing_stays_missing(stretch, signal):
    levels = np.unique(stretch.dense[stretch.dense > 0])
    edges = np.tile(levels, (7, 1)).astype(np.float32)
    use = np.arange(3000) > 200
    inner = np.full(signals.LEVELS - 1, np.inf, np.float32)
    distinct = np.unique(signal[np.isfinite(signal)])
    inner[: distinct.size - 1] = distinct[1:]
    bins = bin_values(stretch.features, edges)
    halves = []
    for part in (use & (np.arange(3000) < 1000), use & (np.arange(3000) >= 1000)):
        own = signals.SignalCounts.empty(7, edges.shape[1] + 2)
        signals.add_signal(own, stretch.features, bins, signal, inner, part)
        halves.append(own)
    counts = halves[0] + halves[1]
    known = use & np.isfinite(signal)
    assert counts.bases[0] == known.sum()
    for feature in range(7):
        x, s = stretch.dense[known, feature], signal[known]
        expected = stats.pearsonr(x.astype(float), s.astype(float))[0]
        assert counts.pearson()[feature] == pytest.approx(expected, abs=1e-12)
        assert counts.spearman()[feature] == pytest.approx(stats.spearmanr(x, s)[0], abs=1e-12)


@pytest.mark.parametrize("n", [601, 600])
def test_product_moments_equal_all_common_shifts(stretch, signal, n):
    """Two readings, one of them of moved values; some bases are read on one alone or have no signal."""
    plus, minus = np.arange(3000) < n - 50, (np.arange(3000) < n) & (np.arange(3000) >= 40)
    sides = [stretch.dense, np.roll(stretch.dense, 3, axis=0)]
    readings = [
        StrandReading(to_features(dense), np.zeros(0), stretch.labels, use)
        for dense, use in zip(sides, (plus, minus), strict=True)
    ]
    moments = signals.product_moments(readings, signal)
    known = np.isfinite(signal)
    for feature in range(7):
        x, observed, mean, variance = [side[:, feature].astype(float) for side in sides], 0, 0, 0
        for mask, values in ((plus & minus, x[0] + x[1]), (plus & ~minus, x[0]), (minus & ~plus, x[1])):
            s = signal[mask & known].astype(float)
            sums = np.array([values[mask & known] @ np.roll(s, shift) for shift in range(s.size)])
            observed, mean, variance = observed + sums[0], mean + sums.mean(), variance + sums.var()
        assert moments.observed[feature] == pytest.approx(observed)
        assert moments.mean[feature] == pytest.approx(mean)
        assert moments.variance[feature] == pytest.approx(variance, rel=1e-9)


def test_the_same_values_on_both_strands_are_no_second_witness(stretch, signal):
    one = StrandReading(stretch.features, np.zeros(0), stretch.labels, np.ones(3000, bool))
    z, both = (signals.product_moments([one] * k, signal).z() for k in (1, 2))
    assert both == pytest.approx(z, rel=1e-9)
    p = signals.product_moments([one], signal).p()
    assert p == pytest.approx(2 * stats.norm.sf(np.abs(z)), rel=1e-9)


def test_level_edges_of_nothing_known():
    assert np.isinf(signals.level_edges(np.array([np.nan], np.float32))).all()
