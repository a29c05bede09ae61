"""Start codons and how strongly ribosomes would start there, by OSTIR's thermodynamic model."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout

import pandas as pd

from genomic_models.dna import reverse_complement
from workbench.judges.judge import Card, Check, Column, Judge, References
from workbench.judges.tools import EXTRA, package_version

CARD = Card(
    name="starts",
    reads="every ATG, GTG and TTG of both strands as a start codon, with the RNA 35 bases around it",
    columns=(
        Column("starts", "Int64", "start codons that the model gives a rate"),
        Column("strength", "Float64", "initiation rate of the strongest, OSTIR's arbitrary units"),
        Column("codon", "string", "its codon"),
        Column("start", "Int64", "its first base on the plus strand"),
        Column("end", "Int64", "the base after its last"),
        Column("strand", "string", "its strand"),
    ),
    tool="ostir",
    licence="GPL-3.0-or-later (ViennaRNA: its own licence, free for research and teaching)",
    source="Roots, Lukasiewicz and Barrick 2021, JOSS 6:3362; Salis et al. 2009, Nature Biotechnology 27:946",
    version=lambda: package_version("ostir", "ViennaRNA"),
    install=EXTRA,
    longest=10_000,
    plain=True,
    checks=(
        Check(
            "starts_strongest",
            "annotated starts of MG1655 stronger than all others in frame within 150 bases, share",
            0.7831,
        ),
        Check("starts_strongest_by_chance", "the same, were it chance", 0.1926),
        Check(
            "starts_auroc",
            "AUROC of strength, annotated starts of MG1655 against others in frame within 150 bases",
            0.9061,
        ),
    ),
)


class Starts(Judge):
    """Judge of start codons."""

    card = CARD

    def __init__(self, references: References) -> None:
        super().__init__(references)
        with warnings.catch_warnings():
            # It looks for ViennaRNA's programs, and uses its library.
            warnings.simplefilter("ignore")
            from ostir.ostir import run_ostir  # of the extra `judges`
        self._run = run_ostir

    def rates(self, reading: str) -> Iterator[tuple[int, str, float]]:
        """First base, codon and initiation rate of each start codon of one reading."""
        # It prints a line for each codon that has nothing before it.
        with redirect_stdout(io.StringIO()):
            found = self._run(reading)
        for row in found:
            yield row["start_position"] - 1, row["start_codon"].replace("U", "T"), row["expression"]

    def find(self, letters: str) -> pd.DataFrame:
        """Start codons: ``start, end`` (0-based half-open), ``strand``, ``codon``, ``strength``."""
        rows = [(at, at + 3, "+", codon, rate) for at, codon, rate in self.rates(letters)]
        for at, codon, rate in self.rates(reverse_complement(letters)):
            end = len(letters) - at
            rows.append((end - 3, end, "-", codon, rate))
        return pd.DataFrame(rows, columns=["start", "end", "strand", "codon", "strength"])

    def read(self, letters: str) -> Mapping[str, object]:
        found = self.find(letters)
        if found.empty:
            return {"starts": 0}
        best = found.loc[found["strength"].idxmax()]
        return {"starts": len(found), **best.to_dict()}
