"""Correlations with signals against scipy; the shift null against all shifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from feature_mining.association import signals
from feature_mining.association.sparse import bin_values


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
        own = signals.SignalCounts.empty(7, edges.shape[1] + 2, 3000)
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
def test_product_moments_equal_all_shifts(stretch, signal, n):
    use = np.zeros(3000, bool)
    use[:n] = True
    moments = signals.product_moments(stretch.features, signal, use)
    known = use & np.isfinite(signal)
    s = signal[known].astype(float)
    for feature in range(7):
        x = stretch.dense[known, feature].astype(float)
        sums = np.array([x @ np.roll(s, shift) for shift in range(s.size)])
        assert moments.observed[feature] == pytest.approx(sums[0])
        assert moments.mean[feature] == pytest.approx(sums.mean())
        assert moments.variance[feature] == pytest.approx(sums.var())


def test_level_edges_of_nothing_known():
    assert np.isinf(signals.level_edges(np.array([np.nan], np.float32))).all()
