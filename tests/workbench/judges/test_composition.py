"""Composition against SciPy's distance and counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from genomic_models.dna import base_codes, reverse_complement
from workbench.judges.composition import Composition, distance, spectrum
from workbench.judges.judge import References


def by_hand(letters: str) -> list[int]:
    """Sorted counts of 4-mers, a 4-mer and its reverse complement together."""
    words = (letters[i : i + 4] for i in range(len(letters) - 3))
    counts = Counter(min(w, reverse_complement(w)) for w in words if set(w) <= set("ACGT"))
    return sorted(counts.values())


def test_a_spectrum_is_counted_by_hand(noise):
    text = noise[:300] + "NNRY" + noise[300:500]
    found = spectrum(base_codes(text))
    assert found.size == 136 and sorted(found[found > 0].tolist()) == by_hand(text)
    np.testing.assert_array_equal(found, spectrum(base_codes(reverse_complement(text))))


def test_the_distance_is_scipys(noise, plasmid):
    a, b = spectrum(base_codes(noise)), spectrum(base_codes(plasmid))
    assert distance(a, b) == pytest.approx(jensenshannon(a, b, base=2))
    assert distance(a, a) == 0
    assert distance(np.eye(136)[0], np.eye(136)[1]) == 1


def test_a_piece_of_the_genome_is_near_it(samples, plasmid, noise):
    judge = Composition(References(samples / "yersinia_pPCP1.fa"))
    table = judge.judge([plasmid[1_000:2_000], noise[:1_000], plasmid, "A" * 10_000])
    own, strange, whole, long = table["distance"]
    assert own < strange < long and whole < 1e-3
    # Stretches of the genome of a length are the same for every sequence of that length.
    assert table["genome_distance"][0] == table["genome_distance"][1] < strange
    # The genome has no stretch of the last one's length.
    assert table["genome_distance"].isna().tolist() == [False, False, False, True]
    assert table["gc"][3] == 0 and table["gc"][2] == pytest.approx(0.4527, abs=1e-3)


def test_what_has_no_4_mers(samples):
    table = Composition(References(samples / "yersinia_pPCP1.fa")).judge(["ACG", "N" * 50])
    assert table["not_judged"].tolist() == ["no 4-mer of A, C, G and T"] * 2
