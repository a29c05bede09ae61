"""Names of variants against positions that the literature gives them, and against sequences written out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from Bio.Seq import Seq

from genomic_models.dna import reverse_complement
from workbench.cohort.edits import apply_edits
from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.tracks import read_tracks
from workbench.variants.consequence import Annotation
from workbench.variants.hgvs import VariantNames

#          1-10: before   ATG AAA TGG TGC TAA   26-40: between, then the same gene backwards
GENE = "ATGAAATGGTGCTAA"
SEQUENCE = "CCCCCCCCCC" + GENE + "G" * 15 + reverse_complement(GENE) + "CTCTC"


@pytest.fixture
def names(tmp_path: Path) -> VariantNames:
    (tmp_path / "g.fa").write_text(f">c.1\n{SEQUENCE}\n>d\nACGT\n")
    rows = [(10, 25, "+", "fwd"), (40, 55, "-", "rev"), (10, 25, "+", "twin"), (40, 55, "-", "twin")]
    table = pd.DataFrame(rows, columns=["start", "end", "strand", "name"])
    table = table.assign(chrom="c.1", phase=0, part=0, complete=True, group=["1", "2", "3", "4"])
    return VariantNames(Annotation(Genome(tmp_path / "g.fa", cache=tmp_path), table, None))


def changed(names: VariantNames, text: str) -> str:
    """The contig with a variant made."""
    variant = names.read(text).variant
    return apply_edits(SEQUENCE, 0, [variant.edit]).letters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("c.1:11:A:G", SEQUENCE[:10] + "G" + SEQUENCE[11:]),
        ("c:g.11A>G", SEQUENCE[:10] + "G" + SEQUENCE[11:]),
        ("c.1:g.11del", SEQUENCE[:10] + SEQUENCE[11:]),
        ("c.1:g.11_13delATG", SEQUENCE[:10] + SEQUENCE[13:]),
        ("c.1:g.11_13del", SEQUENCE[:10] + SEQUENCE[13:]),
        ("c.1:11:ATG:", SEQUENCE[:10] + SEQUENCE[13:]),
        ("c.1:g.10_11insTT", SEQUENCE[:10] + "TT" + SEQUENCE[10:]),
        ("c.1:11::TT", SEQUENCE[:10] + "TT" + SEQUENCE[10:]),
        ("c.1:g.11_13dup", SEQUENCE[:13] + "ATG" + SEQUENCE[13:]),
        ("c.1:g.11dupA", SEQUENCE[:11] + "A" + SEQUENCE[11:]),
        ("c.1:g.11_13delinsCC", SEQUENCE[:10] + "CC" + SEQUENCE[13:]),
        ("c.1:g.11_13delATGinsCC", SEQUENCE[:10] + "CC" + SEQUENCE[13:]),
        ("c.1:g.1del", SEQUENCE[1:]),
        ("c.1:1::GG", "GG" + SEQUENCE),
        (f"c.1:g.{len(SEQUENCE)}dup", SEQUENCE + "C"),
    ],
)
def test_a_name_changes_these_letters(names: VariantNames, text: str, expected: str) -> None:
    assert changed(names, text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("c.1:g.11C>G", "has A at 11, not C"),
        ("c.1:g.11_13delCCC", "has ATG at 11, not CCC"),
        ("c.1:g.11_13dupCCC", "has ATG at 11, not CCC"),
        ("c.1:g.11_13insA", "between neighbours"),
        ("c.1:g.61del", "1 to 60"),
        ("c.1:g.60_61insA", ""),
        ("c.1:g.13_11del", "expected a place"),
        ("c.1:g.11A>A", "changes nothing"),
        ("c.1:g.11A>N", "A, C, G, T"),
        ("c.1:g.11A>E", "not DNA"),
        ("c.1:g.0A>G", "not read as a variant"),
        ("c.1:g.11_13inv", "not read as a variant"),
        ("c.1:c.11A>G", "not read as a variant"),
        ("x:g.11A>G", "no contig x"),
        ("g.11A>G", "says no contig"),
        ("11:A:G", "says no contig"),
        ("fwd:p.Lys2Lys", "changes nothing"),
        ("fwd:p.Lys2fs", "one amino acid"),
        ("fwd:p.Xyz2Lys", "one amino acid"),
        ("fwd:p.Trp2Leu", "fwd has K2 there"),
        ("fwd:p.Trp20Leu", "5 codons"),
        ("none:p.Lys2Glu", "no coding sequence is called none"),
        ("twin:p.Lys2Glu", "2 genes are called so"),
        ("<b>:p.Lys2Glu", "<b>"),
        ("", "not read as a variant"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(names: VariantNames, text: str, words: str) -> None:
    if not words:  # after the last base there is no neighbour, but the place is on the contig
        assert changed(names, text) == SEQUENCE + "A"
        return
    with pytest.raises(InputError, match=words) as error:
        names.read(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("gene", ["fwd", "rev"])
def test_every_amino_acid_is_reached_at_the_fewest_bases(names: VariantNames, gene: str) -> None:
    """Against the translation of each changed gene, and of every codon."""
    at, strand = {"fwd": (10, "+"), "rev": (40, "-")}[gene]
    for acid in "ACDEFGHIKLMNPQRSTVWY*":
        if acid == "W":
            continue
        variant = names.read(f"{gene}:p.W3{acid}").variant
        letters = apply_edits(SEQUENCE, 0, [variant.edit]).letters[at : at + 15]
        letters = letters if strand == "+" else reverse_complement(letters)
        assert str(Seq(letters).translate(table=11)) == f"MK{acid}C*"
        words = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]
        needed = min(
            sum(x != y for x, y in zip(w, "TGG", strict=True))
            for w in words
            if str(Seq(w).translate(table=11)) == acid
        )
        assert sum(x != y for x, y in zip(letters, GENE, strict=True)) == needed


@pytest.fixture(scope="module")
def tuberculosis(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> VariantNames:
    path = shared / "data/tb/NC_000962.3.gbk.gz"
    genome = Genome(path, cache=tmp_path_factory.mktemp("cache"))
    coding = next(track for track in read_tracks(path, genome) if track.type == "CDS")
    return VariantNames(Annotation(genome, coding.intervals, None), sources=[path])


@pytest.mark.parametrize(
    ("text", "position", "reference", "alternative"),
    [  # positions of the WHO catalogue of mutations (2023)
        ("rpoB:p.Ser450Leu", 761155, "C", "T"),
        ("rpoB_p.Ser450Leu", 761155, "C", "T"),
        ("Rv0667:p.S450L", 761155, "C", "T"),
        ("rpoB:p.(Asp435Val)", 761110, "A", "T"),
        ("katG:p.Ser315Thr", 2155168, "C", "G"),
        ("katG:p.Arg463Leu", 2154724, "C", "A"),
        ("inhA:p.Ser94Ala", 1674481, "T", "G"),
        ("pncA:p.His57Asp", 2289073, "G", "C"),
        ("NC_000962.3:g.761155C>T", 761155, "C", "T"),
        ("NC_000962:g.761155C>T", 761155, "C", "T"),
    ],
)
def test_resistance_mutations_of_h37rv(
    tuberculosis: VariantNames, text: str, position: int, reference: str, alternative: str
) -> None:
    found = tuberculosis.read(text)
    assert found.variant.name == f"NC_000962.3:{position}:{reference}:{alternative}"
    if "450" in text:
        assert "codon TCG to TTG changes 1 base (others of L: CTG 2, TTA 2" in found.said


def test_the_numbering_of_another_species_is_told(tuberculosis: VariantNames) -> None:
    """Ser531 of *E. coli* is Ser450 of *M. tuberculosis*."""
    with pytest.raises(InputError, match="rpoB has D531 there; is it numbered otherwise"):
        tuberculosis.read("rpoB:p.Ser531Leu")


def test_the_command_reads_them_and_says_which_codon(tmp_path: Path, cli: Any, refused: Any) -> None:
    letters = "ACGTTGCAAGTC" * 10 + GENE + "GATTACAGGCAT" * 10
    (tmp_path / "g.fa").write_text(f">c.1\n{letters}\n")
    row = "c.1\tx\tCDS\t121\t135\t.\t+\t0\tID=a;gene=abcD;locus_tag=T_1"
    (tmp_path / "g.gff3").write_text(f"##gff-version 3\n{row}\n")
    words = ("variants", "mini", "--genome", tmp_path / "g.fa", "--tracks", tmp_path / "g.gff3")
    words = (*words, "--window", 128, "--null", 0)
    code, out, said = cli(*words, "--json", "--variants", "abcD:p.Trp3Leu,T_1:p.K2E,c:g.127T>A")
    assert code == 0, said
    assert {row["variant"] for row in json.loads(out)["variants"]} == {
        "c.1:128:G:T", "c.1:124:A:G", "c.1:127:T:A",
    }  # fmt: skip
    assert "abcD W3L: codon TGG to TTG changes 1 base" in said and "T_1 K2E: codon AAA to GAA" in said
    assert "abcD has W3 there" in refused(*words, "--variants", "abcD:p.L3W")
