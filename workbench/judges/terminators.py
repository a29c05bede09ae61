"""Rho-independent terminators, as TransTermHP finds them: a hairpin and a tail of U."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from workbench.judges.judge import Card, Check, Column, Judge, NotJudged
from workbench.judges.tools import program_version, run_program

# Confidence from which the program itself, unless told otherwise, reports a terminator.
CONFIDENT = 76

CARD = Card(
    name="terminators",
    reads="rho-independent terminators on both strands, without knowledge of genes",
    columns=(
        Column("terminators", "Int64", f"terminators with a confidence of {CONFIDENT} or more"),
        Column("confidence", "Int64", "confidence of the best of all, 0 to 100; 0 for none"),
        Column("start", "Int64", "first base of its hairpin"),
        Column("end", "Int64", "the base after its last"),
        Column("strand", "string", "its strand"),
    ),
    tool="transtermhp",
    licence="GPL-2.0-or-later",
    source="Kingsford, Ayanbule and Salzberg 2007, Genome Biology 8:R22",
    version=lambda: program_version("transterm") if _background() else "",
    install="apt install transtermhp",
    checks=(
        Check(
            "terminators_found",
            "EcoCyc terminators (some need rho) found with a confidence of 76 or more, share (300 sequences)",
            0.79,
        ),
        Check(
            "terminators_found_in_coding",
            "the same in as many stretches of 120 bases within genes (300 sequences)",
            0.01,
        ),
        Check(
            "terminators_found_in_shuffled", "the same in EcoCyc's terminators shuffled (300 sequences)", 0.03
        ),
        Check(
            "terminators_auroc_shuffled",
            "AUROC of confidence, EcoCyc terminators against shuffled (300 sequences)",
            0.914,
        ),
        Check(
            "terminators_auroc_coding",
            "AUROC of confidence, EcoCyc terminators against coding sequence (300 sequences)",
            0.9187,
        ),
    ),
)
_LINE = re.compile(r"^\s*TERM\s+\d+\s+(\d+)\s+-\s+(\d+)\s+([+-])\s+\S+\s+(\d+)\s")
# Bases below which the program refuses a sequence.
_SHORTEST = 75


class Terminator(NamedTuple):
    """A hairpin, 0-based half-open, and the program's confidence in it, 0 to 100."""

    start: int
    end: int
    strand: str
    confidence: int


def _background() -> Path | None:
    """The table of random sequence that belongs to the installed program; None where it is not there."""
    program = shutil.which("transterm")
    if program is None:
        return None
    file = Path(program).resolve().parents[1] / "share/transtermhp/expterm.dat"
    return file if file.is_file() else None


def find(letters: str) -> Iterator[Terminator]:
    """Terminators of any confidence. Raises `NotJudged` where the program fails.

    The program wants genes. As its manual says, two of a base each at the ends stand for none.
    """
    with TemporaryDirectory() as folder:
        fasta, genes = Path(folder) / "sequence.fa", Path(folder) / "genes.coords"
        fasta.write_text(f">s\n{letters}\n")
        size = len(letters)
        genes.write_text(f"first\t1\t2\ts\nlast\t{size}\t{size - 1}\ts\n")
        printed = run_program(["transterm", "--min-conf=0", "-S", "-p", _background(), fasta, genes])
    for line in printed.splitlines():
        if found := _LINE.match(line):
            low, high = sorted((int(found[1]), int(found[2])))
            yield Terminator(low - 1, high, found[3], int(found[4]))


class Terminators(Judge):
    """Judge of terminators."""

    card = CARD

    def read(self, letters: str) -> Mapping[str, object]:
        if len(letters) < _SHORTEST:
            raise NotJudged(f"{len(letters)} bases, {_SHORTEST} at least")
        found = list(find(letters))
        facts: dict[str, object] = {
            "terminators": sum(t.confidence >= CONFIDENT for t in found),
            "confidence": max((t.confidence for t in found), default=0),
        }
        if not found:
            return facts
        best = max(found, key=lambda t: t.confidence)
        return facts | {"start": best.start, "end": best.end, "strand": best.strand}
