"""The promoter of the lac operon: its hexamers, its first base, and a mutant that is known to be stronger."""

from __future__ import annotations

import pytest

from genomic_models.dna import reverse_complement

# -75 to -1 of the lac promoter, and from +1 on.
BEFORE = "AATTAATGTGAGTTAGCTCACTCATTAGGCACCCCAGGCTTTACACTTTATGCTTCCGGCTCGTATGTTGTGTGG"
AFTER = "AATTGTGAGCGGATAACAATTTCACACAGG"


@pytest.fixture(scope="module")
def lac() -> str:
    return BEFORE + AFTER


def test_the_lac_promoter(ready, lac):
    """-35 TTTACA, -10 TATGTT, transcription begins at the A after GTGTGG: within five bases."""
    table = ready("promoters").judge([lac, reverse_complement(lac)])
    for row, strand in zip(table.itertuples(), "+-", strict=True):
        assert (row.minus_35, row.minus_10, row.strand) == ("TTTACA", "TATGTT", strand)
    assert abs(table["tss"][0] - 75) <= 5
    assert table["tss"][1] == len(lac) - 1 - table["tss"][0]
    assert table["rate"][1] == pytest.approx(table["rate"][0])


def test_uv5_is_stronger(ready, lac):
    """lacUV5 has TATAAT for TATGTT; a -10 box without its T's does nothing."""
    judge = ready("promoters")
    uv5, dead = lac.replace("TATGTTG", "TATAATG"), lac.replace("TATGTTG", "CGCGCCG")
    rate = judge.judge([lac, uv5, dead])["rate"]
    assert rate[1] > 2 * rate[0] > 2 * rate[2]


def test_what_it_does_not_take(ready, lac, noise):
    table = ready("promoters").judge([lac[:60], lac + "N", noise + "A"])
    assert table["not_judged"].tolist() == [
        "60 bases: too short for a promoter and its transcript",
        "1 letters other than A, C, G and T",
        "2,001 bases, 2,000 at most",
    ]
