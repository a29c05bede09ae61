"""Stops of six frames against Biopython's translation."""

from __future__ import annotations

import numpy as np
import pytest
from Bio.Seq import Seq

from workbench.judges.judge import References
from workbench.judges.stops import Stops


@pytest.fixture
def judge() -> Stops:
    return Stops(References())


def proteins(letters: str) -> dict[str, str]:
    """Translations of the six frames."""
    found = {}
    for strand, reading in (("plus", Seq(letters)), ("minus", Seq(letters).reverse_complement())):
        for offset in range(3):
            size = (len(letters) - offset) // 3 * 3
            found[f"{strand}_{offset + 1}"] = str(reading[offset : offset + size].translate(table=11))
    return found


def test_stops_and_the_longest_open_stretch(judge, noise):
    for letters in (noise, noise[:1_001], noise[:62]):
        (row,) = judge.judge([letters]).to_dict("records")
        told = proteins(letters)
        for name, protein in told.items():
            assert row[name] == pytest.approx(protein.count("*") / len(protein))
        longest = max(len(part) for protein in told.values() for part in protein.split("*"))
        assert row["longest_open"] == 3 * longest
        piece = Seq(letters[row["open_start"] : row["open_end"]])
        piece = piece if row["open_strand"] == "+" else piece.reverse_complement()
        assert len(piece) == 3 * longest and "*" not in piece.translate(table=11)


def test_literal_frames(judge):
    """ATG GCC TAA GCA: a stop in frame 1 of the plus strand; CTA there is TAG on the minus strand."""
    (row,) = judge.judge(["ATGGCCTAAGCA"]).to_dict("records")
    assert row["plus_1"] == 0.25 and row["plus_2"] == 0
    (row,) = judge.judge(["GGGCTAGGG"]).to_dict("records")
    assert row["minus_1"] == pytest.approx(1 / 3)


def test_unknown_letters_are_neither_stops_nor_open(judge):
    table = judge.judge(["TAANNNTAG", "N" * 90, "AC"])
    assert table["plus_1"][0] == 1.0
    assert table["longest_open"].tolist()[1:] == [0, 0]
    assert np.isnan(table["plus_1"].astype(float)[1]) and table["open_start"].isna()[1]
    assert judge.judge(["acguaa"])["plus_1"][0] == judge.judge(["ACGTAA"])["plus_1"][0] == 0.5
