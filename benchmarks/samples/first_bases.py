"""The beginning of a genome with its annotation: how the *E. coli* sample was made.

Cut at the first base, every coordinate stays what it is in the whole genome. The lines of a GFF3 are copied
as they are; left out are those that end beyond the cut, since a clipped gene would have an end that is none,
and those whose parent is left out.

``python -m benchmarks.samples.first_bases GENOME.fna.gz GENES.gff3.gz BASES OUT`` writes ``OUT.fa`` and
``OUT.gff3``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from workbench.files.atomic import write_atomic
from workbench.files.text import read_lines
from workbench.genome.fasta import write_fasta
from workbench.genome.reference import Genome


def first_lines(gff3: Path, contig: str, bases: int) -> Iterator[str]:
    """Lines of a GFF3 that lie in the first bases of a contig."""
    yield "##gff-version 3"
    yield f"##sequence-region {contig} 1 {bases}"
    left_out: set[str] = set()
    for _, line in read_lines(gff3):
        columns = line.split("\t")
        if len(columns) != 9 or columns[0] != contig:
            continue
        attributes = dict(pair.split("=", 1) for pair in columns[8].strip().split(";") if "=" in pair)
        parents = attributes.get("Parent", "").split(",")
        if int(columns[4]) > bases or left_out.intersection(parents):
            left_out.add(attributes.get("ID", ""))
            continue
        yield line.rstrip("\n")


def first_bases(source: Path, gff3: Path, bases: int, out: Path) -> tuple[Path, Path]:
    """Write ``OUT.fa`` and ``OUT.gff3`` of the first bases of a genome's first contig; returns both paths."""
    genome = Genome(source)
    contig, length = next(iter(genome.lengths.items()))
    _, header = next(read_lines(source))
    fasta, genes = Path(f"{out}.fa"), Path(f"{out}.gff3")
    named = f"{header.strip().removeprefix('>')}: bases 1 to {bases:,} of {length:,}"
    write_fasta([(named, [genome.fetch(contig, 0, bases)])], fasta)
    with write_atomic(genes) as temporary, temporary.open("w", encoding="utf-8") as handle:
        handle.writelines(f"{line}\n" for line in first_lines(gff3, contig, bases))
    return fasta, genes


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("usage: python -m benchmarks.samples.first_bases GENOME.fna.gz GENES.gff3.gz BASES OUT")
    print(*first_bases(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
