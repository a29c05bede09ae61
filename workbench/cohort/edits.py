"""Edits of a reference: what variants change, applied to a stretch, with every letter's place kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genomic_models.dna import BASES, IUPAC
from workbench.errors import InputError

_POSITION = re.compile(r"[1-9](?:[0-9]{0,14}|[0-9]{0,2}(?:,[0-9]{3}){1,4})")


class Edit(NamedTuple):
    """Replace ``[start, end)`` of the reference (0-based half-open) by ``letters``.

    ``name`` is ``chrom:pos:ref:alt`` as in the file, 1-based. An insertion has ``start == end`` and belongs
    to the base before it, its anchor.
    """

    start: int
    end: int
    letters: str
    name: str = ""

    @property
    def key(self) -> tuple[int, int, str]:
        """What the edit does, whatever its name."""
        return self.start, self.end, self.letters

    @property
    def longest(self) -> int:
        """Bases of the longer of what is replaced and what replaces it."""
        return max(self.end - self.start, len(self.letters))

    def inside(self, start: int, end: int) -> bool:
        """Whether it changes ``[start, end)``; an insertion does where its anchor is."""
        if self.start == self.end:
            return start < self.start <= end
        return self.start < end and self.end > start

    def shifted(self, by: int) -> Edit:
        """The same edit at other coordinates."""
        return self._replace(start=self.start + by, end=self.end + by)


def make_edit(start: int, reference: str, alternative: str, name: str = "") -> Edit:
    """The smallest edit that turns one allele into another: common ends taken off, the right end first.

    Letters before the first base of a contig, where no anchor is, replace that base by themselves and it.
    """
    lo, r, a = start, reference, alternative
    while r and a and r[-1] == a[-1]:
        r, a = r[:-1], a[:-1]
    while r and a and r[0] == a[0]:
        r, a, lo = r[1:], a[1:], lo + 1
    if not r and lo == 0:
        r, a = reference[:1], a + reference[:1]
    return Edit(lo, lo + len(r), a, name)


class Variant(NamedTuple):
    """A variant by itself: ``start`` 0-based, alleles upper case."""

    chrom: str
    start: int
    reference: str
    alternative: str

    @property
    def name(self) -> str:
        """``chrom:pos:ref:alt``, 1-based."""
        return f"{self.chrom}:{self.start + 1}:{self.reference}:{self.alternative}"

    @property
    def edit(self) -> Edit:
        """What it does."""
        return make_edit(self.start, self.reference, self.alternative, self.name)


def parse_variant(name: str) -> Variant:
    """Read ``chrom:pos:ref:alt`` (1-based); raises ``InputError`` for anything else."""
    parts = name.rsplit(":", 3)
    if len(parts) != 4 or not _POSITION.fullmatch(parts[1]):
        raise InputError(f"{name}: not a variant; expected chrom:position:REF:ALT, as in chr1:1042:A:G")
    chrom, position, reference, alternative = parts
    for allele, letters in ((reference, IUPAC), (alternative, BASES)):
        if not allele or set(allele.upper()) - set(letters):
            raise InputError(f"{name}: allele {allele!r}; expected letters A, C, G, T, at least one")
    return Variant(chrom, int(position.replace(",", "")) - 1, reference.upper(), alternative.upper())


def conflicting(edits: Sequence[Edit]) -> bool:
    """Whether any two of some edits, sorted, touch the same bases or insert at the same place."""
    return any(b.start < a.end or (a.start == a.end == b.start == b.end) for a, b in pairwise(edits))


class Stretch(NamedTuple):
    """Letters of a haplotype over a window of the reference.

    letters : str
    positions : int64 (len(letters)), reference base of each letter; inserted letters have their anchor's
    """

    letters: str
    positions: np.ndarray


def apply_edits(reference: str, start: int, edits: Iterable[Edit]) -> Stretch:
    """A stretch of the reference with edits made.

    Parameters
    ----------
    reference : str
        Letters of ``[start, start + len(reference))``.
    edits : iterable of Edit
        Sorted, not `conflicting`. What lies outside is passed over, what reaches over an end is cut there.
    """
    end = start + len(reference)
    letters: list[str] = []
    positions: list[np.ndarray] = []
    at = start
    for edit in edits:
        if not edit.inside(start, end):
            continue
        lo, hi, new = edit.start, edit.end, edit.letters
        if lo < start:
            new, lo = new[start - lo :], start
        if hi > end:
            new, hi = new[: end - lo], end
        letters += (reference[at - start : lo - start], new)
        positions.append(np.arange(at, lo))
        positions.append(np.minimum(lo + np.arange(len(new)), hi - 1))
        at = hi
    letters.append(reference[at - start :])
    positions.append(np.arange(at, end))
    return Stretch("".join(letters), np.concatenate(positions).astype(np.int64))
