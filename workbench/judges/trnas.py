"""Genes of transfer RNA and tmRNA, as ARAGORN finds them by their structure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from workbench.judges.judge import Card, Check, Column, Judge
from workbench.judges.tools import program_version, run_program

CARD = Card(
    name="trnas",
    reads="genes of tRNA and tmRNA on both strands",
    columns=(
        Column("trnas", "Int64", "tRNA genes found"),
        Column("tmrnas", "Int64", "tmRNA genes found"),
        Column("first", "string", "amino acid and anticodon of the first tRNA, such as Ala(tgc)"),
        Column("start", "Int64", "its first base"),
        Column("end", "Int64", "the base after its last"),
        Column("strand", "string", "its strand"),
    ),
    tool="aragorn",
    licence="GPL-3.0-or-later",
    source="Laslett and Canback 2004, Nucleic Acids Research 32:11",
    version=lambda: program_version("aragorn", "-h"),
    install="apt install aragorn",
    checks=(
        Check("trnas_recall", "annotated tRNA genes of MG1655 that one found overlaps, share", 1.0),
        Check("trnas_precision", "found tRNA genes of MG1655 that an annotated one overlaps, share", 0.9773),
        Check("trnas_same_ends", "annotated tRNA genes of MG1655 found to the base, share", 0.9884),
    ),
)
_LINE = re.compile(
    r"^\d+\s+(?P<kind>\S+)\s+(?P<turned>c?)\[(?P<first>-?\d+),(?P<last>-?\d+)\]\s+(?P<rest>.*)$"
)


class Gene(NamedTuple):
    """A gene of an RNA: what it is (``tRNA-Ala``, ``tmRNA``), anticodon, interval 0-based half-open."""

    kind: str
    anticodon: str
    start: int
    end: int
    strand: str


def find(letters: str) -> Iterator[Gene]:
    """Genes along a linear sequence. Raises `NotJudged` where the program fails."""
    with TemporaryDirectory() as folder:
        fasta = Path(folder) / "sequence.fa"
        fasta.write_text(f">s\n{letters}\n")
        printed = run_program(["aragorn", "-l", "-w", "-gcbact", fasta])
    for line in printed.splitlines():
        if found := _LINE.match(line.strip()):
            bracket = re.search(r"\(([acgtryswkmbdhvn]+)\)", found["rest"])
            strand = "-" if found["turned"] else "+"
            anticodon = bracket[1] if bracket else ""
            yield Gene(found["kind"], anticodon, int(found["first"]) - 1, int(found["last"]), strand)


class TRNAs(Judge):
    """Judge of tRNA genes."""

    card = CARD

    def read(self, letters: str) -> Mapping[str, object]:
        genes = list(find(letters))
        trnas = [gene for gene in genes if gene.kind.startswith("tRNA")]
        facts: dict[str, object] = {"trnas": len(trnas), "tmrnas": len(genes) - len(trnas)}
        if not trnas:
            return facts
        first = min(trnas, key=lambda gene: gene.start)
        name = f"{first.kind.removeprefix('tRNA-')}({first.anticodon})"
        return facts | {"first": name, "start": first.start, "end": first.end, "strand": first.strand}
