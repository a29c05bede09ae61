"""Control detectors against NumPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from workbench.analysis.detectors import N_BINS, RIDGE, Directions, Moments, precisions


@pytest.fixture
def activations() -> np.ndarray:
    random = np.random.default_rng(0)
    return (random.normal(size=(2000, 6)) @ random.normal(size=(6, 6))).astype(np.float32)


def test_principal_directions_are_those_of_scikit_learn(activations):
    ours = Directions.principal(activations)
    theirs = PCA().fit(activations)
    overlap = np.abs((ours.axes * theirs.components_.T).sum(axis=0))
    np.testing.assert_allclose(overlap, 1, atol=1e-4)
    spread = ours.project(activations).var(axis=0, ddof=1)
    np.testing.assert_allclose(spread, theirs.explained_variance_, rtol=1e-3)
    # No sign is left to chance.
    np.testing.assert_allclose(Directions.principal(activations[::-1]).axes, ours.axes, atol=1e-3)


def test_scores_are_the_values_in_both_signs(activations):
    neurons = Directions.neurons(activations)
    scores = neurons.scores(activations, np.array([4, 4]), np.array([False, True]))
    assert np.array_equal(scores, np.stack([activations[:, 4], -activations[:, 4]], axis=1))
    turned = Directions.principal(activations)
    scores = turned.scores(activations, np.array([2, 0]), np.array([True, False]))
    theirs = PCA().fit(activations).transform(activations)[:, [2, 0]]
    for ours, other in zip(scores.T, theirs.T, strict=True):
        assert abs(np.corrcoef(ours, other)[0, 1]) > 1 - 1e-4


def test_the_linear_probe_is_ridge_regression(activations):
    random = np.random.default_rng(1)
    labels = activations[:, :2] + random.normal(size=(2000, 2)) > 2
    parts = [Moments.of(activations[a:b], labels[a:b], 1.0) for a, b in ((0, 700), (700, 2000))]
    ours = parts[0].plus(parts[1]).probe()
    penalty = RIDGE * np.trace(np.cov(activations.T, bias=True)) / 6 * 2000
    theirs = Ridge(alpha=penalty).fit(activations.astype(np.float64), labels.astype(float)).coef_
    np.testing.assert_allclose(ours, theirs.T, rtol=1e-3, atol=1e-6)
    # A weight of 3 is three copies.
    heavy = Moments.of(activations[:700], labels[:700], 3.0).plus(parts[1])
    copies = parts[0].plus(parts[0]).plus(parts[0]).plus(parts[1])
    np.testing.assert_allclose(heavy.probe(), copies.probe())


def test_a_silent_feature_is_never_picked():
    positive, all_ = np.zeros((2, N_BINS, 1)), np.zeros((2, N_BINS))
    positive[:, 0], all_[:, 0] = 90, 100
    positive[1, 5], all_[1, 5] = 1, 50
    assert precisions(positive, all_, silent_bin=True)[0, 0] == -1
    assert precisions(positive, all_, silent_bin=True)[1, 0] > 0
