"""Promoters of sigma 70 and their rate of transcription, by the free-energy model of La Fleur et al."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pandas as pd

from genomic_models.dna import reverse_complement
from workbench.judges.judge import Card, Check, Column, Judge, NotJudged, References
from workbench.judges.tools import EXTRA, package_version

CARD = Card(
    name="promoters",
    reads="every base of both strands as the first of a transcript from a sigma 70 promoter of E. coli",
    columns=(
        Column("rate", "Float64", "rate of transcription from the strongest, the model's arbitrary units"),
        Column("tss", "Int64", "first base of its transcript, 0-based on the plus strand"),
        Column("strand", "string", "its strand"),
        Column("minus_35", "string", "its -35 hexamer"),
        Column("minus_10", "string", "its -10 hexamer"),
        Column("energy", "Float64", "its total free energy, the model's units; lower is stronger"),
    ),
    tool="promotercalculator",
    licence="GPL-3.0-or-later",
    source="La Fleur, Hossain and Salis 2022, Nature Communications 13:5159",
    version=lambda: package_version("promotercalculator"),
    install=EXTRA,
    longest=2_000,
    plain=True,
    checks=(
        Check(
            "promoters_lac_spearman",
            "rank correlation of rate with activity, mutants of the lac promoter (100 sequences)",
            0.3718,
        ),
        Check(
            "promoters_assay_spearman", "the same, stretches of MG1655 in a reporter (100 sequences)", 0.2335
        ),
        Check(
            "promoters_auroc_coding",
            "AUROC of rate, EcoCyc promoters against coding sequence (100 sequences)",
            0.8166,
        ),
        Check("promoters_auroc_shuffled", "the same against them shuffled (100 sequences)", 0.5491),
        Check("promoters_place_found", "EcoCyc promoters whose first base it names within 5, share", 0.37),
        Check("promoters_place_by_chance", "the same, were it chance", 0.1325),
    ),
)


class _MadeOnce:
    """`dataclass` that makes each class but once.

    The package declares one inside its innermost function, which takes nineteen twentieths of its time.
    """

    def __init__(self) -> None:
        self._made: dict[str, type] = {}

    def __call__(self, kind: type) -> type:
        if kind.__qualname__ not in self._made:
            self._made[kind.__qualname__] = dataclass(kind)
        return self._made[kind.__qualname__]


class Promoters(Judge):
    """Judge of promoters."""

    card = CARD

    def __init__(self, references: References) -> None:
        super().__init__(references)
        # By its name: the package has a function of that name in place of the module.
        module: Any = import_module("promoter_calculator.promoter_calculator")  # of the extra `judges`
        if not isinstance(module.dataclass, _MadeOnce):
            module.dataclass = _MadeOnce()
        self._calculator = module.Promoter_Calculator(threads=1, verbosity=0)

    def states(self, reading: str) -> Iterator[tuple[int, Any]]:
        """The best promoter of each first base of one reading: the base, and what the package says of it."""
        best, _ = self._calculator.predict(reading, [0, len(reading)], callback=lambda: None)
        yield from best.items()

    def find(self, letters: str) -> pd.DataFrame:
        """The best promoter of each first base: ``tss, strand, rate, energy, minus_35, minus_10``."""
        rows = []
        for strand, reading in (("+", letters), ("-", reverse_complement(letters))):
            for at, state in self.states(reading):
                tss = at if strand == "+" else len(letters) - 1 - at
                rows.append(
                    (tss, strand, state["Tx_rate"], state["dG_total"], state["hex35"], state["hex10"])
                )
        return pd.DataFrame(rows, columns=["tss", "strand", "rate", "energy", "minus_35", "minus_10"])

    def read(self, letters: str) -> Mapping[str, object]:
        found = self.find(letters)
        if found.empty:
            raise NotJudged(f"{len(letters)} bases: too short for a promoter and its transcript")
        return found.loc[found["rate"].idxmax()].to_dict()
