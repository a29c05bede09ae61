"""Alignment of pieces of a genome that are known by their place."""

from __future__ import annotations

import numpy as np
import pytest

from genomic_models.dna import reverse_complement


def test_pieces_are_found_where_they_are(ready, samples, plasmid, noise):
    judge = ready("genome_match", genome=samples / "yersinia_pPCP1.fa")
    turned = reverse_complement(plasmid[2_000:3_000])
    table = judge.judge([plasmid[5_000:5_600], turned, noise[:500] + plasmid[4_000:4_500], noise])
    assert table[["contig", "start", "end", "strand"]].values.tolist()[:2] == [
        ["NC_005816.1", 5_000, 5_600, "+"],
        ["NC_005816.1", 2_000, 3_000, "-"],
    ]
    assert table["aligned"].tolist()[:2] == [1, 1] and table["identity"].tolist()[:2] == [1, 1]
    assert table["aligned"][2] == pytest.approx(0.5, abs=0.02)
    assert table["aligned"][3] == 0 and table["identity"].isna()[3]


def test_identity_is_the_share_of_letters_kept(ready, samples, plasmid):
    letters = np.array(list(plasmid[1_000:2_000]))
    at = np.arange(25, 1_000, 50)
    letters[at] = np.where(letters[at] == "A", "C", "A")
    table = ready("genome_match", genome=samples / "yersinia_pPCP1.fa").judge(["".join(letters)])
    assert table["identity"][0] == pytest.approx(0.98, abs=0.002)
