"""tRNA genes against the annotation of *E. coli* and of a chloroplast."""

from __future__ import annotations

from genomic_models.dna import reverse_complement
from workbench.genome.reference import Genome
from workbench.judges.trnas import Gene, find


def test_two_genes_of_coli(ready, shared):
    """IleV and alaV, b0202 and b0203: 225,381 to 225,457 and 225,500 to 225,575 of NC_000913.3."""
    judge = ready("trnas")
    genome = Genome(shared / "data/ecoli/NC_000913.3.fna.gz")
    piece = genome.fetch("NC_000913.3", 225_000, 226_000)
    assert list(find(piece)) == [
        Gene("tRNA-Ile", "gat", 380, 457, "+"),
        Gene("tRNA-Ala", "tgc", 499, 575, "+"),
    ]
    (row,) = judge.judge([reverse_complement(piece)]).itertuples()
    assert (row.trnas, row.first, row.start, row.end, row.strand) == (2, "Ala(tgc)", 425, 501, "-")


def test_genes_of_a_chloroplast(ready, samples):
    """TrnR and trnF of NC_000932.1, whose annotated ends the program gives to the base."""
    ready("trnas")
    genome = Genome(samples / "arabidopsis_chloroplast.fa")
    found = set(find(genome.fetch("NC_000932.1", 0, 50_000)))
    assert Gene("tRNA-Arg", "tct", 9_589, 9_661, "+") in found
    assert Gene("tRNA-Phe", "gaa", 48_174, 48_247, "+") in found


def test_what_has_none(ready, noise):
    table = ready("trnas").judge([noise, "N" * 300, "A"])
    assert table["trnas"].tolist() == [0, 0, 0] and table["first"].isna().all()
