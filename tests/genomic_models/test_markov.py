"""Interpolated Markov models against hand-worked values and a dictionary implementation."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from genomic_models.markov import GRID, MarkovModel

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def random_dna(length: int, seed: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length, p=[0.4, 0.3, 0.2, 0.1]))


def words(sequence: str, k: int) -> Counter[str]:
    """Words of k + 1 bases on both strands, in plain Python."""
    found: Counter[str] = Counter()
    for stretch in sequence.upper().split("N"):
        for strand in (stretch, stretch.translate(COMPLEMENT)[::-1]):
            found.update(strand[i : i + k + 1] for i in range(len(strand) - k))
    return found


def with_strength(sequence: str, order: int, strength: float) -> MarkovModel:
    fitted = MarkovModel.fit([sequence], order)
    return MarkovModel(fitted.counts, tuple(np.full(33, strength) for _ in fitted.counts))


def test_exact_toy() -> None:
    # AAAT and its reverse complement ATTT: A 4, T 4; after A: A 2, T 2; after T: T 2
    model = with_strength("AAAT", 1, 2.0)
    assert model.counts[0].tolist() == [4, 0, 0, 4]
    assert model.counts[1].tolist() == [2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    # order 0: A (4 + 2/4)/10 = 0.45; C (0 + 2/4)/10 = 0.05
    # order 1: A after A (2 + 2 * 0.45)/6; T after T (2 + 2 * 0.45)/4; C after A (2 * 0.05)/6;
    # after C nothing was seen: A after C = 0.45
    p = 2 ** model.log2_likelihood("AACATT")
    expected = [0.45, 2.9 / 6, 0.1 / 6, 0.45, 2.9 / 6, 2.9 / 4]
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    np.testing.assert_allclose(2 ** model.log2_likelihood("AC", order=0), [0.45, 0.05])


@pytest.mark.parametrize("order", [0, 1, 3, 6])
def test_against_dictionaries(order: int) -> None:
    train = random_dna(3000, 1) + "NNNACGTRACG".replace("R", "N") + random_dna(500, 2)
    test = "ACN" + random_dna(400, 3) + "nnGGG"
    model = MarkovModel.fit([train], order)
    tables = [words(train, k) for k in range(order + 1)]
    for k, table in enumerate(tables):
        assert int(model.counts[k].sum()) == sum(table.values())

    def chance(context: str, base: str) -> float:
        lower = chance(context[1:], base) if context else 0.25
        table = tables[len(context)]
        n = sum(table[context + b] for b in "ACGT")
        if n == 0:
            return lower
        s = model.strengths[len(context)][n.bit_length() - 1]
        return float((table[context + base] + s * lower) / (n + s))

    got = model.log2_likelihood(test)
    upper = test.upper()
    for i, base in enumerate(upper):
        if base == "N":
            assert np.isnan(got[i])
            continue
        context = upper[max(0, i - order) : i].rsplit("N", 1)[-1]
        assert got[i] == pytest.approx(np.log2(chance(context, base)), abs=1e-9)


def test_chances_sum_to_one() -> None:
    model = MarkovModel.fit([random_dna(2000, 5)], 5)
    context = random_dna(5, 6)
    total = sum(2 ** model.log2_likelihood(context + base)[-1] for base in "ACGT")
    assert total == pytest.approx(1, abs=1e-12)


def test_lower_order_is_the_model_of_that_order() -> None:
    sequences = [random_dna(2000, seed) for seed in range(3)]
    high, low = MarkovModel.fit(sequences, 4), MarkovModel.fit(sequences, 2)
    test = random_dna(300, 9)
    np.testing.assert_array_equal(high.log2_likelihood(test, 2), low.log2_likelihood(test))


def test_both_strands_count_alike() -> None:
    sequence = random_dna(1000, 4)
    other = MarkovModel.fit([sequence.translate(COMPLEMENT)[::-1]], 3)
    for ours, theirs in zip(MarkovModel.fit([sequence], 3).counts, other.counts, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_high_orders_are_ignored_where_they_do_not_help() -> None:
    # independent bases: what was not seen in training costs no more than order 0
    model = MarkovModel.fit([random_dna(20_000, seed) for seed in range(4)], 8)
    test = random_dna(20_000, 77)
    costs = [model.bits_per_base(test, k) for k in range(9)]
    assert max(costs) - costs[0] < 0.02
    assert np.median(model.strengths[8]) > GRID[5]


def test_a_repeat_is_learnt() -> None:
    # the period of three is told by two bases of context, on either strand
    model = MarkovModel.fit(["AAC" * 500, "AAC" * 400], 2)
    assert model.bits_per_base("AAC" * 100, start=2) < 0.02
    assert model.bits_per_base("AAC" * 100, order=0) > 1.4


def test_bases_before_start_are_context_only() -> None:
    model = MarkovModel.fit([random_dna(2000, 1)], 3)
    sequence = random_dna(100, 2)
    expected = -model.log2_likelihood(sequence)[40:].mean()
    assert model.bits_per_base(sequence, start=40) == pytest.approx(expected)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="0 to 12"):
        MarkovModel.fit(["ACGT"], 13)
    with pytest.raises(ValueError, match="nothing to count"):
        MarkovModel.fit(["NNN", ""], 2)
    model = MarkovModel.fit(["ACGTACGT"], 1)
    with pytest.raises(ValueError, match="orders 0 to 1"):
        model.log2_likelihood("ACGT", order=2)
    with pytest.raises(ValueError, match="to score"):
        model.bits_per_base("NNN")
