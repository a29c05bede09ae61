"""What a judge is: a card that says what it can and how good it was, and a row a sequence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import pandas as pd

from genomic_models.dna import BASES, check_letters, refuse_string
from workbench.errors import InputError

# Column that every judge has: why a sequence was not judged, empty where it was.
WHY_NOT = "not_judged"
# What measured the figures on the cards, and measures them again.
COMMAND = "python benchmarks/judges.py --json"


@dataclass(frozen=True)
class References:
    """What judges compare with: a genome's file, its annotation, and the model that wrote, code included."""

    genome: Path | None = None
    annotation: Path | None = None
    model: str = "mini"
    trust_remote_code: bool = False


class Column(NamedTuple):
    """A column of a judge's table: name, pandas dtype, what it holds with its unit."""

    name: str
    dtype: str
    holds: str


class Check(NamedTuple):
    """How good a judge was at one truth: a figure of `COMMAND`, what it is, and what it was."""

    figure: str
    holds: str
    value: float


class NotJudged(Exception):
    """A sequence, or anything at all, cannot be judged; says why."""


@dataclass(frozen=True)
class Card:
    """What is known of a judge.

    Attributes
    ----------
    name : str
        What the user calls it, and what its columns begin with in a table of several judges.
    reads : str
        What of a sequence it judges.
    columns : tuple of Column
    tool, licence, source : str
        Package or program, the licence of that, the publication of the method.
    version : callable
        The version of the installed tool; empty where it is not installed.
    install : str
        How to install it; empty where nothing is to be installed.
    needs : tuple of str
        Fields of `References` that it cannot do without.
    longest : int
        Bases of a sequence, at most; a longer one is not judged.
    plain : bool
        Whether it reads A, C, G and T alone; a sequence with another letter is not judged.
    checks : tuple of Check
        Empty where there is no truth to check it against.
    """

    name: str
    reads: str
    columns: tuple[Column, ...]
    tool: str
    licence: str
    source: str
    version: Callable[[], str]
    install: str = ""
    needs: tuple[str, ...] = ()
    longest: int = 20_000_000
    plain: bool = False
    checks: tuple[Check, ...] = ()


class Judge(ABC):
    """A judge that is ready to read sequences.

    Raises `NotJudged` where its tool is not installed or a reference that it needs was not given;
    ``InputError`` for a reference that cannot be read.
    """

    card: ClassVar[Card]

    def __init__(self, references: References) -> None:
        if not self.card.version():
            raise NotJudged(f"{self.card.tool} is not installed: {self.card.install}")
        for need in self.card.needs:
            if getattr(references, need) is None:
                raise NotJudged(f"it compares with a reference: give --{need}")

    @abstractmethod
    def read(self, letters: str) -> Mapping[str, object]:
        """Values of the columns for one sequence of upper-case letters; those left out are missing.

        Raises `NotJudged`.
        """

    def judge(
        self, sequences: Sequence[str], told: Callable[[int], object] = lambda bases: None
    ) -> pd.DataFrame:
        """A row a sequence: the columns of the card, and `WHY_NOT`.

        ``told`` is called with the bases of each sequence once it is judged. Positions are 0-based, intervals
        half-open, on the sequence as it was given; strand ``-`` is its reverse complement. Raises
        ``InputError`` for letters that are not DNA, ``TypeError`` for one string in place of a list.
        """
        refuse_string(sequences)
        rows = []
        for i, sequence in enumerate(sequences):
            try:
                letters = check_letters(sequence)
            except ValueError as error:
                raise InputError(f"sequence {i}: {error}") from None
            rows.append(self._row(letters))
            told(len(letters))
        dtypes = {c.name: c.dtype for c in self.card.columns} | {WHY_NOT: "string"}
        return pd.DataFrame(rows, columns=list(dtypes)).astype(dtypes)

    def _row(self, letters: str) -> Mapping[str, object]:
        try:
            self._refuse(letters)
            return {**self.read(letters), WHY_NOT: ""}
        except NotJudged as reason:
            return {WHY_NOT: str(reason)}

    def _refuse(self, letters: str) -> None:
        if not letters:
            raise NotJudged("no bases")
        if len(letters) > self.card.longest:
            raise NotJudged(f"{len(letters):,} bases, {self.card.longest:,} at most")
        if self.card.plain and (strange := len(letters) - sum(map(letters.count, BASES))):
            raise NotJudged(f"{strange:,} letters other than A, C, G and T")
