"""What written DNA must keep to, in terms that `guide` can hold every step to.

Positions are 0-based half-open in what is written, in the direction of the reading; a reading frame may begin
up to two bases before, with the last bases of the prompt. `Constraint.turned` gives the same constraint in
terms of the reverse complement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from Bio.Data.CodonTable import unambiguous_dna_by_id

from genomic_models.dna import BASES, IUPAC, check_letters, reverse_complement

CODONS = tuple("".join(letters) for letters in product(BASES, repeat=3))


class Constraint:
    """One thing that is asked for; subclasses give those parts of it that they have."""

    def letters(self, length: int) -> np.ndarray | None:
        """Bool ``(length, 4)``: the bases that each position may have; None for any."""
        return None

    def codons(self, length: int) -> np.ndarray | None:
        """Bool ``(length, 64)``: the words of three that may end at each position; None for any."""
        return None

    def motifs(self) -> tuple[str, ...]:
        """IUPAC words that may not occur, as they would be read."""
        return ()

    def gc(self, length: int) -> tuple[int, int] | None:
        """Fewest and most G and C; None for any."""
        return None

    def turned(self, length: int) -> Constraint:
        """The constraint in positions of the reverse complement."""
        return self

    def check(self, length: int) -> None:
        """Raise ``ValueError`` where it does not lie in what is written."""


@dataclass(frozen=True)
class Mask(Constraint):
    """Fixed bases and IUPAC letters from ``start`` on; N leaves a position free."""

    text: str
    start: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", check_letters(self.text))
        if not self.text or self.start < 0:
            raise ValueError(f"mask at {self.start}: expected letters, and a start of at least 0")

    def __str__(self) -> str:
        return f"mask {_short(self.text)} at {self.start}"

    def letters(self, length: int) -> np.ndarray:
        found = np.ones((length, 4), bool)
        for position, letter in enumerate(self.text, self.start):
            found[position] = [base in IUPAC[letter] for base in BASES]
        return found

    def turned(self, length: int) -> Mask:
        return Mask(reverse_complement(self.text), length - self.start - len(self.text))

    def check(self, length: int) -> None:
        _check_inside(self, self.start, self.start + len(self.text), length, 0)


@dataclass(frozen=True)
class NoSite(Constraint):
    """No occurrence of an IUPAC word on either strand, the join with the prompt included."""

    motif: str
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "motif", check_letters(self.motif).strip("N"))
        if not self.motif:
            raise ValueError(f"site {self.name or 'without a name'}: expected letters other than N")

    def __str__(self) -> str:
        return f"no {self.name} site ({self.motif})" if self.name else f"no {self.motif}"

    def motifs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([self.motif, reverse_complement(self.motif)]))

    @classmethod
    def of(cls, asked: str) -> NoSite:
        """A restriction enzyme by its name in REBASE, or an IUPAC word; ``ValueError`` for neither."""
        from Bio.Restriction import AllEnzymes  # type: ignore[attr-defined]  # a second of reading

        names = {str(enzyme): enzyme for enzyme in AllEnzymes}
        if asked in names:
            return cls(str(names[asked].site), asked)
        if re.fullmatch(f"[{''.join(IUPAC)}U]+", asked.upper()):
            return cls(asked)
        alike = [name for name in names if name.casefold() == asked.casefold()]
        hint = f"; did you mean {alike[0]}?" if alike else ""
        raise ValueError(f"site {asked!r}: neither a restriction enzyme nor IUPAC letters{hint}")


@dataclass(frozen=True)
class GCRange(Constraint):
    """Share of G and C of all that is written, from ``low`` to ``high``, both included."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1:
            raise ValueError(f"GC {self.low:g} to {self.high:g}: expected 0 <= low <= high <= 1")

    def __str__(self) -> str:
        return f"GC {self.low:g} to {self.high:g}"

    def gc(self, length: int) -> tuple[int, int]:
        # What rounding took off a share of whole bases is given back.
        return int(np.ceil(self.low * length - 1e-9)), int(np.floor(self.high * length + 1e-9))


@dataclass(frozen=True)
class LongestRun(Constraint):
    """No run of one base longer than ``most``, the run at the end of the prompt included."""

    most: int

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"longest run {self.most}: expected 1 or more")

    def __str__(self) -> str:
        return f"no run longer than {self.most}"

    def motifs(self) -> tuple[str, ...]:
        return tuple(base * (self.most + 1) for base in BASES)


@dataclass(frozen=True)
class _Frame(Constraint):
    """Codons of an interval on a strand; on the minus strand they are read from its end."""

    start: int
    end: int
    strand: str = "+"
    table: int = 11

    def __post_init__(self) -> None:
        if self.strand not in ("+", "-"):
            raise ValueError(f"strand {self.strand!r}: expected '+' or '-'")
        if self.table not in unambiguous_dna_by_id:
            known = ", ".join(map(str, sorted(unambiguous_dna_by_id)))
            raise ValueError(f"codon table {self.table}: expected one of NCBI's, {known}")

    def _place(self) -> str:
        return f"{self.start}-{self.end}" + ("" if self.strand == "+" else " on the minus strand")

    def _wanted(self) -> list[set[str]]:
        """What each codon may be, in the order in which they are read."""
        raise TypeError("_Frame is abstract: use OpenFrame or Protein")

    def codons(self, length: int) -> np.ndarray:
        found = np.ones((length, 64), bool)
        for number, wanted in enumerate(self._wanted()):
            first = self.start + 3 * number if self.strand == "+" else self.end - 3 * number - 3
            read = CODONS if self.strand == "+" else [reverse_complement(codon) for codon in CODONS]
            found[first + 2] = [codon in wanted for codon in read]
        return found

    def turned(self, length: int) -> _Frame:
        other = "-" if self.strand == "+" else "+"
        return replace(self, start=length - self.end, end=length - self.start, strand=other)

    def check(self, length: int) -> None:
        _check_inside(self, self.start, self.end, length, -2)


@dataclass(frozen=True)
class OpenFrame(_Frame):
    """A reading frame without stop codons: the whole codons of an interval, from its first base."""

    def __str__(self) -> str:
        return f"open frame {self._place()}"

    def _wanted(self) -> list[set[str]]:
        stops = set(unambiguous_dna_by_id[self.table].stop_codons)
        return [set(CODONS) - stops] * ((self.end - self.start) // 3)


@dataclass(frozen=True)
class Protein(_Frame):
    """Codons that spell a protein (``*`` for a stop), so that only synonymous ones are chosen from."""

    protein: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "protein", self.protein.upper())
        table = unambiguous_dna_by_id[self.table]
        known = {*table.forward_table.values(), "*"}
        if strange := sorted(set(self.protein) - known):
            raise ValueError(f"protein {_short(self.protein)}: no codon for {', '.join(strange)}")
        if not self.protein or self.end - self.start != 3 * len(self.protein):
            raise ValueError(
                f"protein {_short(self.protein)}: expected an interval of {3 * len(self.protein)} bases"
            )

    @classmethod
    def at(cls, protein: str, start: int, strand: str = "+", table: int = 11) -> Protein:
        """A protein whose codons begin at ``start`` (on the minus strand: end there)."""
        return cls(start, start + 3 * len(protein), strand, table, protein)

    def __str__(self) -> str:
        return f"protein {_short(self.protein)} at {self._place()}"

    def _wanted(self) -> list[set[str]]:
        table = unambiguous_dna_by_id[self.table]
        spelled: dict[str, set[str]] = {"*": set(table.stop_codons)}
        for codon, letter in table.forward_table.items():
            spelled.setdefault(letter, set()).add(codon)
        # A stop that the table also reads as an amino acid counts as either.
        return [spelled[letter] for letter in self.protein]


def combined_gc(constraints: Sequence[Constraint], length: int) -> tuple[int, int] | None:
    """Fewest and most G and C that all constraints take; None where none of them counts."""
    ranges = [own for each in constraints if (own := each.gc(length)) is not None]
    return (max(low for low, _ in ranges), min(high for _, high in ranges)) if ranges else None


def _check_inside(constraint: Constraint, start: int, end: int, length: int, first: int) -> None:
    if not first <= start < end <= length:
        raise ValueError(
            f"{constraint}: lies outside of the {length:,} bases that are written; expected"
            f" {first} <= start < end <= {length:,}"
        )


def _short(text: str) -> str:
    return text if len(text) <= 12 else f"{text[:9]}..."
