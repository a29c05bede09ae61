"""Structure scores: planted structure is found, sequence without it is not."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.structure import boundary, conservation, palindrome, periodicity, surely


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def letters(random, *shape: int) -> np.ndarray:
    return random.choice(4, shape, p=[0.2, 0.3, 0.3, 0.2]).astype(np.uint8)


@pytest.mark.parametrize("period", [3, 11])
def test_a_period_is_found_within_clusters_of_any_phase(random, period):
    """Clusters of starts a period apart, half of them missing; no phase is shared between clusters."""
    parts = [
        5000 * i + random.integers(1000) + period * np.flatnonzero(random.random(30) < 0.5) for i in range(30)
    ]
    found = periodicity(np.concatenate(parts), random)
    assert found.detail == period
    assert found.z > 8 and found.p == 0.02


def test_clustered_starts_without_a_period_have_none(random):
    p = []
    for _ in range(40):
        parts = [5000 * i + np.sort(random.integers(0, 300, 20)) for i in range(20)]
        p.append(periodicity(np.unique(np.concatenate(parts)), random).p)
    assert 0.3 < np.mean(p) < 0.7
    assert np.mean(np.array(p) <= 0.1) < 0.25


def test_hairpins_with_any_letters_are_found(random):
    windows = letters(random, 60, 51)
    for window in windows[:40]:
        stem = letters(random, 7)
        window[14:21] = stem
        window[25:32] = 3 - stem[::-1]
    found = palindrome(windows, random)
    assert found.z > 6 and found.p == 0.02
    assert found.detail == 4
    assert palindrome(letters(random, 60, 51), random).z < 4


def test_copies_scattered_over_the_genome_are_found(random):
    one = letters(random, 51)
    windows = letters(random, 40, 51)
    for window in windows[:25]:
        window[:] = np.where(random.random(51) < 0.1, letters(random, 51), one)
    apart = np.arange(40) * 1000
    found = conservation(windows, apart, random)
    assert found.z > 8 and found.detail == pytest.approx(25 / 40)
    assert abs(conservation(letters(random, 40, 51), apart, random).z) < 4
    motif = letters(random, 40, 51)
    motif[:, 18:34] = one[18:34]
    found = conservation(motif, apart, random)
    assert abs(found.z) < 4 and found.detail == 0  # a motif is no copy
    # Neighbours within a window of each other are one place, no copy.
    same = np.repeat(one[None], 40, axis=0)
    assert conservation(same, np.arange(40), random).detail == 0


def test_runs_that_begin_at_a_word_have_a_boundary(random):
    codes = letters(random, 40_000)
    starts = np.sort(random.choice(350, 60, replace=False)) * 100 + 500
    lengths = random.integers(15, 80, 60)
    for start in starts:
        codes[start : start + 3] = (0, 3, 2)
    found = boundary(codes, starts, lengths, random)
    assert found.z > 10 and found.p == 0.02 and found.score > 4
    rich = letters(random, 40_000)
    for start, length in zip(starts, lengths, strict=True):
        rich[start - 30 : start + length + 30] = random.choice([1, 2], length + 60)
    assert boundary(rich, starts, lengths, random).z < 4


def test_max_t_lists_the_planted_feature_alone(random):
    found = []
    for i in range(60):
        step = 7 if i == 20 else 0
        parts = [
            5000 * c + (step * np.arange(20) if step else np.sort(random.choice(300, 20, replace=False)))
            for c in range(15)
        ]
        found.append(periodicity(np.concatenate(parts), random))
    assert np.flatnonzero(surely(found)).tolist() == [20]


def test_too_little_gives_no_score(random):
    assert np.isnan(periodicity(np.arange(19), random).score)
    assert np.isnan(palindrome(letters(random, 19, 51), random).p)
    nothing = boundary(letters(random, 500), np.array([50]), np.array([40]), random)
    assert np.isnan(nothing.z) and not surely([nothing]).any()
