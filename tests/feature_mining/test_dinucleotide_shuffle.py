"""The dinucleotide shuffle keeps what it must keep and reaches every trail equally often."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from feature_mining.dinucleotide_shuffle import shuffle_dinucleotides, shuffle_rows


def pairs(codes) -> Counter:
    return Counter(pairwise(codes))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_dinucleotides_and_both_ends_are_kept(letters, seed):
    codes = np.array(letters, np.uint8)
    out = shuffle_dinucleotides(codes, np.random.default_rng(seed))
    assert pairs(out.tolist()) == pairs(letters)
    assert out[0] == codes[0] and out[-1] == codes[-1]


def test_every_trail_is_equally_likely():
    text = [0, 1, 0, 2, 1, 2, 0, 3, 0, 1]
    # Every arrangement with these dinucleotides, found by brute force over the inner letters.
    trails = {
        (text[0], *inner, text[-1])
        for inner in permutations(text[1:-1])
        if pairs((text[0], *inner, text[-1])) == pairs(text)
    }
    assert len(trails) == 30
    random = np.random.default_rng(0)
    codes = np.array(text, np.uint8)
    drawn = Counter(tuple(shuffle_dinucleotides(codes, random).tolist()) for _ in range(18_000))
    assert set(drawn) == trails
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_a_long_sequence_is_shuffled_and_seeded():
    codes = np.random.default_rng(1).choice(4, 5000, p=[0.1, 0.4, 0.4, 0.1]).astype(np.uint8)
    a = shuffle_dinucleotides(codes, np.random.default_rng(2))
    assert pairs(a.tolist()) == pairs(codes.tolist())
    assert (a == codes).mean() < 0.45  # two independent draws agree on 0.34 of the letters
    np.testing.assert_array_equal(a, shuffle_dinucleotides(codes, np.random.default_rng(2)))


def test_a_strange_code_is_refused():
    with pytest.raises(ValueError, match="code of 7"):
        shuffle_dinucleotides(np.array([0, 7, 1, 2, 3], np.uint8), np.random.default_rng(0))


def test_rows_are_shuffled_one_by_one():
    codes = np.random.default_rng(3).integers(0, 4, (20, 51)).astype(np.uint8)
    out = shuffle_rows(codes, np.random.default_rng(4))
    for before, after in zip(codes.tolist(), out.tolist(), strict=True):
        assert pairs(after) == pairs(before)
    assert (out != codes).any(axis=1).all()
