"""Genes, as Prodigal calls them with the models of its metagenomic mode: none is fitted to the sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.judges.judge import Card, Check, Column, Judge, References
from workbench.judges.tools import EXTRA, package_version

CARD = Card(
    name="genes",
    reads="protein-coding genes of bacteria and archaea on both strands, cut ones at the ends included",
    columns=(
        Column("genes", "Int64", "genes called"),
        Column("whole", "Int64", "of these, with both ends in the sequence"),
        Column("coding_density", "Float64", "share of bases in a gene, 0 to 1"),
        Column("longest", "Int64", "bases of the longest gene"),
        Column("best_score", "Float64", "Prodigal's score of the best gene"),
    ),
    tool="pyrodigal",
    licence="GPL-3.0-or-later",
    source="Hyatt et al. 2010, BMC Bioinformatics 11:119; Larralde 2022, JOSS 7:4296",
    version=lambda: package_version("pyrodigal"),
    install=EXTRA,
    checks=(
        Check("genes_recall", "annotated CDS of MG1655 whose stop codon ends a called gene, share", 0.9726),
        Check("genes_precision", "called genes of MG1655 that end at an annotated stop codon, share", 0.9542),
        Check("genes_same_start", "of these, those that begin at the annotated start codon, share", 0.9432),
        Check(
            "genes_density_error", "mean error of the coding density of stretches of 10 kb of MG1655", 0.02224
        ),
    ),
)


class Genes(Judge):
    """Judge of genes and coding density."""

    card = CARD

    def __init__(self, references: References) -> None:
        super().__init__(references)
        self._finder = _finder()

    def find(self, letters: str) -> pd.DataFrame:
        """Genes: ``start, end`` (0-based half-open), ``strand``, ``whole`` (bool), ``score``."""
        rows = [
            (
                g.begin - 1,
                g.end,
                "+" if g.strand == 1 else "-",
                not (g.partial_begin or g.partial_end),
                g.score,
            )
            for g in self._finder.find_genes(letters.encode())
        ]
        return pd.DataFrame(rows, columns=["start", "end", "strand", "whole", "score"])

    def read(self, letters: str) -> Mapping[str, object]:
        found = self.find(letters)
        coding = np.zeros(len(letters), bool)
        for start, end in zip(found["start"], found["end"], strict=True):
            coding[start:end] = True
        facts: dict[str, object] = {
            "genes": len(found),
            "whole": int(found["whole"].sum()),
            "coding_density": float(coding.mean()),
        }
        if found.empty:
            return facts
        longest = int((found["end"] - found["start"]).max())
        return facts | {"longest": longest, "best_score": float(found["score"].max())}


def _finder() -> Any:
    import pyrodigal  # of the extra `judges`

    # No gene runs through a run of N, which has no stops.
    return pyrodigal.GeneFinder(meta=True, mask=True)
