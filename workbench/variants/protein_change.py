"""The change of one amino acid as a change of its codon: of the codons that do, the one closest to it."""

from __future__ import annotations

import re
from itertools import product
from typing import NamedTuple

import numpy as np
from Bio.Data.CodonTable import unambiguous_dna_by_id
from Bio.Data.IUPACData import protein_letters_3to1

from genomic_models.dna import BASES, reverse_complement
from workbench.cohort.edits import Variant
from workbench.errors import InputError
from workbench.variants.consequence import Annotation

_CHANGE = re.compile(r"\(?([A-Za-z]{3}|[A-Z*])([1-9]\d{0,5})([A-Za-z]{3}|[A-Z*])\)?")
_LETTERS = {name.casefold(): letter for name, letter in protein_letters_3to1.items()} | {"ter": "*"}
_TRANSITIONS = ({"A", "G"}, {"C", "T"})


class ProteinChange(NamedTuple):
    """One amino acid for another, in one letter each (``*`` a stop); ``number`` counts codons from 1."""

    old: str
    number: int
    new: str

    def __str__(self) -> str:
        return f"{self.old}{self.number}{self.new}"


class CodonChange(NamedTuple):
    """Bases of a codon that change, ``[start, end)`` on the plus strand from the first to the last.

    letters : by place, the new base on the plus strand
    said : which codon was chosen, and which others would do
    """

    start: int
    end: int
    letters: dict[int, str]
    said: str

    def variant(self, chrom: str, there: str) -> Variant:
        """The variant, given the letters of the genome between its ends."""
        new = "".join(self.letters.get(self.start + i, letter) for i, letter in enumerate(there))
        return Variant(chrom, self.start, there, new)


def parse_change(text: str, change: str) -> ProteinChange:
    """Read ``Ser450Leu``, ``S450L``, ``Trp26Ter`` or ``W26*``; ``text`` is what was typed, for the sentence.

    Raises ``InputError`` for other changes, and for one that changes nothing.
    """
    found = _CHANGE.fullmatch(change)
    if found is not None:
        old, new = (_LETTERS.get(acid.casefold(), acid) for acid in found.group(1, 3))
        if {old, new} <= set(_LETTERS.values()):
            if old == new:
                raise InputError(f"{text}: changes nothing; expected another amino acid")
            return ProteinChange(old, int(found[2]), new)
    raise InputError(
        f"{text}: of proteins the change of one amino acid is read, as in rpoB:p.Ser450Leu or rpoB:p.S450L"
    )


def change_codon(
    text: str, letters: str, places: np.ndarray, strand: str, wanted: ProteinChange, annotation: Annotation
) -> CodonChange:
    """The codon that makes a change with the fewest substitutions; of equals that with most transitions.

    Parameters
    ----------
    text : str
        What was typed.
    letters, places : str, int64 (len(letters))
        The coding sequence as it is read, and where its letters lie on the plus strand.
    strand : {"+", "-"}
    wanted : ProteinChange
        Its old amino acid is there.
    annotation : Annotation
        The codon table.
    """
    at = 3 * (wanted.number - 1)
    codon = letters[at : at + 3]
    table = unambiguous_dna_by_id[annotation.table]
    words = ("".join(word) for word in product(BASES, repeat=3))
    able = [w for w in words if ("*" if w in table.stop_codons else table.forward_table.get(w)) == wanted.new]
    if not able:
        raise InputError(f"{text}: codon table {annotation.table} has no codon of {wanted.new}")
    best, *rest = sorted(able, key=lambda word: (*_cost(codon, word), word))
    changed = [i for i in range(3) if codon[i] != best[i]]
    new = {int(places[at + i]): best[i] if strand == "+" else reverse_complement(best[i]) for i in changed}
    said = f"codon {codon} to {best}"
    if rest:
        others = ", ".join(f"{word} {_cost(codon, word)[0]}" for word in rest)
        said += f" changes {len(changed)} base{'s' * (len(changed) > 1)} (others of {wanted.new}: {others})"
    return CodonChange(min(new), max(new) + 1, new, said)


def _cost(old: str, new: str) -> tuple[int, int]:
    """Bases that differ, and how many of these are transversions."""
    pairs = [{a, b} for a, b in zip(old, new, strict=True) if a != b]
    return len(pairs), sum(pair not in _TRANSITIONS for pair in pairs)
