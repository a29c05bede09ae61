"""The *E. coli* sample: what is copied of the genome and its annotation, and what is left out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from Bio import SeqIO

from benchmarks.samples.first_bases import first_bases

STEM = "ecoli_k12_250kb"
BASES = 250_000


def row(kind: str, start: int, end: int, attributes: str, contig: str = "c1") -> str:
    return f"{contig}\tx\t{kind}\t{start}\t{end}\t.\t+\t.\t{attributes}"


def test_what_ends_beyond_the_cut_is_left_out_with_its_parts(tmp_path: Path) -> None:
    genome, genes = tmp_path / "g.fa", tmp_path / "g.gff3"
    genome.write_text(">c1 a ring\n" + "ACGTA" * 20 + "\n>c2\nGGGG\n")
    kept = [
        row("gene", 1, 9, "ID=a"),
        row("CDS", 1, 9, "ID=b;Parent=a"),
        row("gene", 20, 50, "ID=c;Name=last"),
    ]
    gone = [
        row("region", 1, 100, "ID=whole;Is_circular=true"),
        row("gene", 40, 51, "ID=d"),
        row("mRNA", 40, 50, "ID=e;Parent=d"),
        row("exon", 40, 45, "ID=f;Parent=e"),
        row("gene", 1, 3, "ID=g", contig="c2"),
        row("gene", 60, 70, "ID=h"),
    ]
    lines = ["##gff-version 3", "##sequence-region c1 1 100", *gone[:1], *kept, *gone[1:]]
    genes.write_text("\n".join(lines) + "\n")
    fasta, table = first_bases(genome, genes, 50, tmp_path / "out")
    assert fasta.read_text() == ">c1 a ring: bases 1 to 50 of 100\n" + "ACGTA" * 10 + "\n"
    assert table.read_text().splitlines() == ["##gff-version 3", "##sequence-region c1 1 50", *kept]


def test_the_sample_is_the_beginning_of_the_genome(samples: Path, shared: Path, tmp_path: Path) -> None:
    ecoli = shared / "data" / "ecoli"
    source, genes = ecoli / "NC_000913.3.fna.gz", ecoli / "NC_000913.3.gff3.gz"
    made = first_bases(source, genes, BASES, tmp_path / STEM)
    for path in made:
        assert path.read_bytes() == (samples / path.name).read_bytes()
    # Read by Biopython, and line by line: letters and coordinates are those of the whole genome.
    with gzip.open(source, "rt") as handle:
        whole = next(SeqIO.parse(handle, "fasta"))
    sample = SeqIO.read(samples / f"{STEM}.fa", "fasta")
    assert sample.id == whole.id == "NC_000913.3" and sample.seq == whole.seq[:BASES].upper()
    with gzip.open(genes, "rt") as handle:
        lines = [line.rstrip("\n") for line in handle if line.count("\t") == 8]
    inside = [line for line in lines if int(line.split("\t")[4]) <= BASES]
    assert (samples / f"{STEM}.gff3").read_text().splitlines()[2:] == inside


@pytest.mark.parametrize("name", ["thrA", "folA", "dksA", "rrsH"])
def test_it_holds_genes_that_everybody_knows(samples: Path, name: str) -> None:
    assert f";Name={name};" in (samples / f"{STEM}.gff3").read_text()
