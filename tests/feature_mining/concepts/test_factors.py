"""Factors against planted ones, and their reconstruction against least squares done otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import csr_array

from feature_mining.concepts.factors import amounts, explained, factorise, relative, stability
from feature_mining.feature_map import from_dense
from feature_mining.sae.measures.dictionary import match, unit

FEATURES, PLANTED = 200, 12


def planted(rows: int = 12_000, seed: int = 0) -> tuple[csr_array, np.ndarray]:
    """Codes of up to three of 12 sets of 4 to 10 features, others at random, and the sets; simulated."""
    random = np.random.default_rng(seed)
    sets = np.zeros((PLANTED, FEATURES))
    for row in sets:
        chosen = random.choice(FEATURES, random.integers(4, 11), replace=False)
        row[chosen] = random.uniform(0.3, 1, chosen.size)
    much = random.gamma(2, 0.3, (rows, PLANTED)) * (random.random((rows, PLANTED)) < 0.12)
    codes = much @ sets * random.uniform(0.6, 1.4, (rows, FEATURES))
    codes *= random.random(codes.shape) < 0.85  # below their thresholds
    noise = random.gamma(2, 0.15, codes.shape) * (random.random(codes.shape) < 0.02)
    return csr_array((codes + noise).astype(np.float32)), unit(sets)


def test_planted_factors_come_back() -> None:
    codes, sets = planted()
    found = factorise(codes, PLANTED, seed=1)
    cosine = match(sets, found).cosine
    assert (cosine > 0.9).mean() >= 0.75, cosine
    # With less noise than that no weight of another set would be left; most are dropped.
    assert np.median((found > 0).sum(axis=1)) < 40
    assert np.allclose(np.linalg.norm(found, axis=1), 1)
    assert np.array_equal(found, factorise(codes, PLANTED, seed=1))


def test_stability_falls_beyond_the_planted_number() -> None:
    codes, _ = planted()
    right, many = (
        stability(*(lambda a, b: (a, [b]))(*(factorise(codes, n, seed) for seed in (1, 2))))
        for n in (PLANTED, 3 * PLANTED)
    )
    assert np.median(right) > 0.95 > np.median(many)


def test_reconstruction_of_held_out_rows_is_that_of_least_squares() -> None:
    codes, sets = planted(300, seed=5)
    by_hand = np.array([nnls(sets.T, row)[0] for row in codes.toarray()])
    assert amounts(codes, sets) == pytest.approx(by_hand, abs=2e-2)
    dense = codes.toarray().astype(float)
    rest = ((dense - by_hand @ sets) ** 2).sum() / ((dense - dense.mean(axis=0)) ** 2).sum()
    assert explained(codes, sets) == pytest.approx(1 - rest, abs=2e-3)
    assert explained(codes, np.roll(sets, 1, axis=1)) < explained(codes, sets) - 0.3


def test_codes_are_in_units_of_their_features() -> None:
    codes = from_dense(np.array([[2.0, 0, 3], [0, 5, 0]], np.float32))
    assert relative(codes, np.array([4.0, 0.0, 3.0])).toarray().tolist() == [[0.5, 0, 1], [0, 0, 0]]
    assert relative(codes, np.array([4.0, 0.0, 3.0])).nnz == 2


def test_what_cannot_be_factorised_is_refused() -> None:
    codes, sets = planted(50)
    with pytest.raises(ValueError, match="60 factors of 50 bases"):
        factorise(codes, 60, 0)
    with pytest.raises(ValueError, match="another seed"):
        stability(sets, [])
    with pytest.raises(ValueError, match="do not vary"):
        explained(csr_array(np.ones((5, 3), np.float32)), np.ones((1, 3), np.float32))
