"""Genes against the annotation of a plasmid and of *E. coli*."""

from __future__ import annotations

from genomic_models.dna import reverse_complement
from workbench.genome.reference import Genome


def test_genes_of_a_plasmid(ready, plasmid):
    """Coding sequences of NC_005816.1, from its GenBank record: pst (minus) and pla (plus)."""
    found = ready("genes").find(plasmid)
    called = set(zip(found["start"], found["end"], found["strand"], strict=True))
    assert {(4814, 5888, "-"), (6663, 7602, "+")} <= called


def test_the_first_gene_of_coli(ready, shared):
    """thrA, b0002: 337 to 2,799 of NC_000913.3."""
    genome = Genome(shared / "data/ecoli/NC_000913.3.fna.gz")
    judge = ready("genes")
    found = judge.find(genome.fetch("NC_000913.3", 0, 5_000))
    assert (336, 2_799, "+", True) in set(found[["start", "end", "strand", "whole"]].itertuples(index=False))
    (row,) = judge.judge([genome.fetch("NC_000913.3", 336, 2_799)]).itertuples()
    assert row.longest >= 2_400 and row.coding_density > 0.97


def test_both_strands_hold_the_same_genes(ready, plasmid):
    judge = ready("genes")
    table = judge.judge([plasmid, reverse_complement(plasmid)])
    assert table.iloc[0].equals(table.iloc[1])
    assert table["genes"][0] > 5 and 0.5 < table["coding_density"][0] < 1


def test_what_has_no_genes(ready):
    table = ready("genes").judge(["CTAATTAATTAG" * 40, "N" * 500, "ACGT"])
    assert table["genes"].tolist() == [0, 0, 0] and table["coding_density"].tolist() == [0, 0, 0]
    assert table["longest"].isna().all() and (table["not_judged"] == "").all()
