"""Stretches of contigs."""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = re.compile(r"\d{1,3}(,\d{3}){1,4}|\d{1,15}")


class Interval(NamedTuple):
    """A stretch of a contig, 0-based half-open."""

    chrom: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.end}"

    @property
    def size(self) -> int:
        """Bases."""
        return self.end - self.start

    def meets(self, other: Interval) -> bool:
        """Whether the two share a base."""
        return self.chrom == other.chrom and self.start < other.end and self.end > other.start

    def within(self, other: Interval) -> Interval:
        """The part of it that lies in another, which it `meets`."""
        return self._replace(start=max(self.start, other.start), end=min(self.end, other.end))


def parse_place(text: str) -> Interval | None:
    """``contig:start-end`` as it was typed, thousands apart by commas or not; None for anything else."""
    chrom, colon, span = text.strip().rpartition(":")
    left, dash, right = (part.strip() for part in span.partition("-"))
    if not (colon and dash and _NUMBER.fullmatch(left) and _NUMBER.fullmatch(right)):
        return None
    return Interval(chrom.strip(), int(left.replace(",", "")), int(right.replace(",", "")))


class Block(NamedTuple):
    """A stretch that belongs to one part of a split: ``train``, ``select`` or ``report``."""

    chrom: str
    start: int
    end: int
    split: str

    @property
    def interval(self) -> Interval:
        """The stretch."""
        return Interval(*self[:3])
