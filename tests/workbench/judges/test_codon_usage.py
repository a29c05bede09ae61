"""Codon usage against Biopython's index."""

from __future__ import annotations

import pytest
from Bio.Seq import Seq
from Bio.SeqUtils import CodonAdaptationIndex

from genomic_models.dna import base_codes
from workbench.errors import InputError
from workbench.judges.codon_usage import (
    CodonUsage,
    adaptation_index,
    coding_sequences,
    count_codons,
    relative_adaptiveness,
)
from workbench.judges.judge import References
from workbench.judges.stops import codons


@pytest.fixture
def references(samples) -> References:
    return References(samples / "yersinia_pPCP1.fa", samples / "yersinia_pPCP1.gff3")


def test_coding_sequences_are_those_of_the_annotation(references):
    found = list(coding_sequences(references))
    assert len(found) == 10
    assert all("*" not in str(Seq(s).translate(table=11))[:-1] for s in found)


def test_the_index_is_biopythons(references):
    """Biopython leaves out stops too, and adds its pseudocount of 0.5 to codons that are never used alone."""
    sequences = list(coding_sequences(references))
    weights = relative_adaptiveness(count_codons(sequences))
    theirs = CodonAdaptationIndex(sequences)
    for sequence in sequences:
        index, counted = adaptation_index(codons(base_codes(sequence)), weights)
        assert counted > 50
        assert index == pytest.approx(theirs.calculate(sequence), abs=0.01)


def test_a_gene_in_any_frame_and_on_any_strand(references, plasmid):
    """Pla lies at 6,664 to 7,602; the longest open stretch of what is cut around it is its own."""
    judge = CodonUsage(references)
    gene = plasmid[6663:7602]
    turned = str(Seq(plasmid[6662:7604]).reverse_complement())
    table = judge.judge([gene, "A" + gene, turned])
    assert table["cai"].max() - table["cai"].min() < 0.02 and table["cai"].min() > 0.5
    assert table["codons"].between(280, 340).all()


def test_what_has_no_codons(references):
    table = CodonUsage(references).judge(["NNNNNN", "AT", "TAATAATAA"])
    assert table["cai"].isna().tolist()[:2] == [True, True]
    assert table["not_judged"][0] == "no codon of an open stretch"


def test_an_annotation_without_coding_sequences(samples, tmp_path):
    empty = tmp_path / "genes.gff3"
    empty.write_text("##gff-version 3\nNC_005816.1\tx\tgene\t87\t1109\t.\t+\t.\tID=a\n")
    with pytest.raises(InputError, match=r"genes\.gff3: no complete CDS"):
        CodonUsage(References(samples / "yersinia_pPCP1.fa", empty))
