"""The terminator T1 of the operon rrnB, which stops transcription on both strands."""

from __future__ import annotations

from workbench.judges.terminators import find

T1 = "CCAGGCATCAAATAAAACGAAAGGCTCAGTCGAAAGACTGGGCCTTTCGTTTTATCTGTTGTTTGTCGGTGAACGCTCTC"
HAIRPIN = "AAAGGCTCAGTCGAAAGACTGGGCCTTT"


def test_a_known_terminator(ready, noise):
    judge = ready("terminators")
    text = noise[:200] + T1 + noise[200:400]
    (row,) = judge.judge([text]).itertuples()
    assert row.terminators >= 1 and row.confidence == 100
    assert HAIRPIN in text[row.start : row.end] and 200 <= row.start < row.end <= 200 + len(T1)
    assert {t.strand for t in find(text) if t.confidence == 100} == {"+", "-"}


def test_without_its_hairpin_it_is_none(ready, noise):
    judge = ready("terminators")
    broken = T1.replace("GGGCCTTT", "CATGGAAC")
    table = judge.judge([noise[:200] + T1 + noise[200:400], noise[:200] + broken + noise[200:400]])
    assert table["confidence"][1] < 76 <= table["confidence"][0]


def test_what_has_none(ready):
    table = ready("terminators").judge(["ACGT" * 50, "N" * 100, T1[:74]])
    assert table["terminators"].tolist()[:2] == [0, 0] and table["confidence"].tolist()[:2] == [0, 0]
    assert table["not_judged"].tolist() == ["", "", "74 bases, 75 at least"]
