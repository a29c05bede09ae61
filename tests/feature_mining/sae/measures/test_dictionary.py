"""Dictionaries against themselves and others: planted copies, permutations, independent draws."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from feature_mining.sae.measures.dictionary import dictionary_cosines, match, nearest_cosine, seed_stability
from feature_mining.sae.model import SparseAutoencoder
from tests.feature_mining.sae.conftest import make_sae


def random_rows(n: int, d: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_permuted_dictionary_is_found_again() -> None:
    rows = random_rows(200, 32, 0)
    order = np.random.default_rng(1).permutation(200)
    found = match(rows, rows[order])
    np.testing.assert_array_equal(found.partner, np.argsort(order))
    np.testing.assert_allclose(found.cosine, 1, atol=1e-6)
    assert found.exact
    greedy = match(rows, rows[order], widest=10)
    np.testing.assert_array_equal(greedy.partner, np.argsort(order))
    assert not greedy.exact


def test_the_sum_is_the_largest_of_all_assignments() -> None:
    a, b = random_rows(6, 3, 2), random_rows(6, 3, 3)
    similar = cosine_similarity(a, b)
    best = max(sum(similar[i, p[i]] for i in range(6)) for p in permutations(range(6)))
    found = match(a, b)
    assert found.cosine.sum() == pytest.approx(best, abs=1e-5)
    assert sorted(found.partner) == list(range(6))
    assert match(a, b, widest=1).cosine.sum() <= best + 1e-5


def test_one_partner_serves_one_feature() -> None:
    axis = np.eye(3, dtype=np.float32)
    found = match(axis[[0, 0]], axis[[0, 1]])
    assert sorted(found.cosine.tolist()) == [0, 1]
    short = match(axis, axis[:1])
    assert short.partner.tolist() == [0, -1, -1] and short.cosine.tolist() == [1, 0, 0]


def test_half_a_dictionary_planted_again_is_half_stable() -> None:
    rows, fresh = random_rows(300, 64, 4), random_rows(300, 64, 5)
    other = np.concatenate([rows[:150], fresh[150:]])
    result = seed_stability(rows, [other])
    np.testing.assert_allclose(result.feature[:150], 1, atol=1e-5)
    assert result.feature[150:].max() < 0.6
    # Independent directions reach the chance level and no more.
    alone = seed_stability(rows, [fresh])
    assert alone.feature.mean() == pytest.approx(alone.chance, abs=0.02)
    two = seed_stability(rows, [rows, fresh])
    np.testing.assert_allclose(two.feature, (1 + alone.feature) / 2, atol=1e-5)


def test_stability_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="one more dictionary"):
        seed_stability(random_rows(4, 8, 0), [])
    with pytest.raises(ValueError, match="9 dimensions cannot be compared with one of 8"):
        seed_stability(random_rows(4, 8, 0), [random_rows(4, 9, 0)])


def test_nearest_cosine_equals_scikit_learn_and_sees_copies() -> None:
    rows = random_rows(1500, 16, 6)
    rows[7] = -rows[3]
    rows[9] = rows[1200]
    expected = cosine_similarity(rows)
    np.fill_diagonal(expected, -1)
    np.testing.assert_allclose(nearest_cosine(rows), expected.max(axis=1), atol=1e-5)
    assert nearest_cosine(rows)[9] == pytest.approx(1, abs=1e-6)
    assert nearest_cosine(rows[:1]).tolist() == [-1]


def test_a_tied_encoder_lies_along_its_decoder(sae: SparseAutoencoder) -> None:
    tied = replace(sae, W_enc=(3 * sae.W_dec.T).contiguous())
    found = dictionary_cosines(tied)
    np.testing.assert_allclose(found.own, 1, atol=1e-6)
    np.testing.assert_allclose(found.encoder, found.decoder, atol=1e-6)
    dead = replace(sae, W_enc=torch.zeros_like(sae.W_enc))
    assert (dictionary_cosines(dead).own == 0).all()
    assert (dictionary_cosines(make_sae()).own > 0.5).all()
