"""Consequences of variants on small genes written out by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from genomic_models.dna import reverse_complement
from workbench.cohort.edits import parse_variant
from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.variants.consequence import Annotation

#        1-10: before   11 ATG AAA TGG TGC TAA 25   26-40: between
GENE = "ATGAAATGGTGCTAA"
SEQUENCE = "CCCCCCCCCC" + GENE + "G" * 15 + reverse_complement(GENE) + "C" * 400


def coding(*rows: tuple[int, int, str, str, int]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["start", "end", "strand", "name", "part"])
    return table.assign(chrom="c", phase=0, group=table["name"], complete=True)


@pytest.fixture()
def annotation(tmp_path: Path) -> Annotation:
    path = tmp_path / "g.fa"
    path.write_text(f">c\n{SEQUENCE}\n")
    genome = Genome(path, cache=tmp_path / "cache")
    rows = coding((10, 25, "+", "fwd", 0), (40, 55, "-", "rev", 0))
    genes = pd.DataFrame({"chrom": ["c"], "start": [440], "end": [450], "name": ["rna"]})
    return Annotation(genome, rows, genes)


@pytest.mark.parametrize(
    ("variant", "kind", "gene", "protein"),
    [
        ("c:16:A:G", "synonymous", "fwd", ""),  # AAA to AAG, Lys
        ("c:14:A:G", "missense", "fwd", "K2E"),
        ("c:18:G:A", "stop_gained", "fwd", "W3*"),  # TGG to TAG
        ("c:22:C:A", "stop_gained", "fwd", "C4*"),  # TGC to TGA
        ("c:12:T:C", "start_lost", "fwd", "M1?"),  # ACG starts nothing
        ("c:11:A:C", "synonymous", "fwd", ""),  # CTG starts in table 11
        ("c:23:T:C", "stop_lost", "fwd", "*5Q"),
        ("c:13:GAAA:G", "inframe_indel", "fwd", "K2del"),
        ("c:14:A:AC", "frameshift", "fwd", "K2fs"),
        ("c:52:T:C", "missense", "rev", "K2E"),  # read backwards, AAA to GAA
        ("c:5:C:A", "upstream", "fwd", ""),
        ("c:445:C:A", "other_gene", "rna", ""),
        ("c:430:C:A", "intergenic", "", ""),
    ],
)
def test_classes(annotation: Annotation, variant: str, kind: str, gene: str, protein: str) -> None:
    found = annotation.consequence(parse_variant(variant))
    assert (found.kind, found.gene, found.protein) == (kind, gene, protein)


def test_a_gene_in_two_parts(tmp_path: Path) -> None:
    path = tmp_path / "g.fa"
    path.write_text(f">c\nATGAA{'T' * 20}ATGGTAACCC\n")
    genome = Genome(path, cache=tmp_path / "cache")
    rows = coding((0, 5, "+", "split", 0), (25, 32, "+", "split", 0))
    annotation = Annotation(genome, rows, None)
    assert annotation.consequence(parse_variant("c:26:A:G")).kind == "synonymous"  # AAA to AAG
    assert annotation.consequence(parse_variant("c:28:G:A")).protein == "W3*"
    assert annotation.consequence(parse_variant("c:10:T:A")).kind == "intron"


def test_distance_and_codon_tables(annotation: Annotation) -> None:
    assert annotation.distance_to_start(parse_variant("c:15:A:G")) == 4
    assert annotation.distance_to_start(parse_variant("c:58:C:G")) == 3
    with pytest.raises(InputError, match="codon table 8 is unknown"):
        Annotation(annotation.genome, annotation.coding, None, 8)
