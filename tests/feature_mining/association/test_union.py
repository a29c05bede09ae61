"""Unions of siblings: planted parts are joined, noise is not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from feature_mining.association.union import join_siblings, score_union


def test_three_parts_of_a_track_are_joined_and_nothing_else():
    random = np.random.default_rng(0)
    labels = random.random(20_000) < 0.1
    part = random.choice(4, 20_000, p=[0.5, 0.25, 0.15, 0.1])
    active = random.random((20_000, 10)) < 0.01
    for member in range(3):
        active[:, member] |= labels & (part == member)
    union = join_siblings(active, labels, np.ones(20_000))
    assert union.members == [0, 1, 2]
    on = active[:, :3].any(axis=1)
    assert union.f1 == pytest.approx(f1_score(labels, on))
    assert score_union(active[:, 0], labels, np.ones(20_000)).f1 < 0.68 < 0.82 < union.f1


def test_weights_count_as_copies():
    labels = np.array([True, True, False, False, True])
    on = np.array([True, False, True, False, True])
    weight = np.array([2.0, 1.0, 3.0, 1.0, 1.0])
    copies = np.repeat(np.arange(5), weight.astype(int))
    scores = score_union(on, labels, weight)
    assert scores.f1 == pytest.approx(f1_score(labels[copies], on[copies]))
    assert scores.precision == pytest.approx(3 / 6)
    assert scores.recall == pytest.approx(3 / 4)
