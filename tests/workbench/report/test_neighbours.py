"""Where bases lie among genes, by literal places; and that the report says it."""

from __future__ import annotations

import pytest

from workbench.report.neighbours import Neighbours
from workbench.tracks import Track
from workbench.tracks.track import Row, frame

GENES = [
    Row("c", 100, 200, "abc", strand="+"),
    Row("c", 150, 180, "inner", strand="-"),
    Row("c", 300, 400, "rev", strand="-"),
    Row("c", 900, 910, "", strand="."),
]


@pytest.mark.parametrize(
    ("position", "strand", "said"),
    [
        (100, "+", "in abc, base 1 of 100"),
        (199, "+", "in abc, base 100 of 100"),
        (110, "-", "in abc, base 11 of 100 (other strand)"),
        (160, "-", "in inner, base 20 of 30"),
        (160, "+", "in abc, base 61 of 100"),
        (99, "+", "1 before abc"),
        (200, "+", "1 after abc"),
        (399, "-", "in rev, base 1 of 100"),
        (400, "-", "1 before rev"),
        (299, "-", "1 after rev"),
        (299, "+", "1 after rev (other strand)"),
        (0, "+", "100 before abc"),
        (905, "+", "in a gene, base 6 of 10"),
    ],
)
def test_bases_among_genes(position, strand, said):
    tracks = [Track("CDS", frame(GENES[:1]), "x", type="CDS"), Track("gene", frame(GENES), "x", type="gene")]
    found = Neighbours(tracks)
    assert found.known and found.of("c", position, strand) == said
    assert found.of("d", position, strand) == ""


def test_genes_of_several_files_and_kinds():
    genes, more = frame(GENES[:1]), frame([Row("plasmid", 10, 40, "rep", strand="+")])
    coding = frame([Row("phage", 5, 35, "int", strand="+"), Row("c", 0, 9, "no gene", strand="+")])
    given = (("gene", "gene", genes), ("b:gene", "gene", more), ("CDS", "CDS", coding))
    found = Neighbours([Track(name, rows, "x", type=kind) for name, kind, rows in given])
    assert found.of("plasmid", 12, "+") == "in rep, base 3 of 30"
    assert found.of("phage", 0, "+") == "5 before int"
    assert found.of("c", 5, "+") == "95 before abc"


def test_without_genes_nothing_is_known():
    assert not Neighbours([Track("peaks", frame(GENES), "x")]).known
    assert Neighbours([Track("CDS", frame(GENES[:1]), "x", type="CDS")]).of("c", 90, "+") == "10 before abc"
