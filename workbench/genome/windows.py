"""Cutting contigs into cells on a fixed grid, and reading each with enough context.

Cell ``i`` of a contig is ``[i * stride, (i + 1) * stride)``, clipped to the contig; the stride is the window
less the warm-up. The plus reading of a cell starts ``warmup`` bases to its left, the minus reading, the
reverse complement, ``warmup`` bases to its right; what the model says about those bases is discarded. A
model that sees both sides of a base is given ``lookahead`` bases after a cell too, and the stride is less by
as many. So a base has one value, whichever regions were asked for and whatever else was in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from genomic_models.dna import UNKNOWN, base_codes
from workbench.errors import InputError
from workbench.wording import listed

if TYPE_CHECKING:
    import pandas as pd


class Sequences(Protocol):
    """What cells are read from: a genome."""

    @property
    def lengths(self) -> Mapping[str, int]: ...

    @property
    def circular(self) -> frozenset[str]: ...

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str: ...


def check_strand(strand: str) -> None:
    """Raise ``InputError`` for what is neither + nor -."""
    if strand not in ("+", "-"):
        raise InputError(f"strand {strand!r}: expected + or -")


def check_fetch(genome: Sequences, chrom: str, start: int, end: int, strand: str) -> None:
    """Raise ``InputError`` for an unknown contig or strand, or a range past a linear contig's ends."""
    check_strand(strand)
    if chrom not in genome.lengths:
        raise InputError(f"no contig {chrom}; the genome has {listed(list(genome.lengths), 8)}")
    if start > end:
        raise InputError(f"{chrom}:{start}-{end}: start is past end")
    length = genome.lengths[chrom]
    if chrom not in genome.circular and (start < 0 or end > length):
        raise InputError(f"{chrom}:{start}-{end}: outside the contig, which has {length:,} bases")


class Cell(NamedTuple):
    """A piece of a contig: 0-based half-open; ``index`` counts from the contig's start."""

    chrom: str
    start: int
    end: int
    index: int  # type: ignore[assignment]  # hides tuple.index


class CellSequence(NamedTuple):
    """What the model is given for one strand of a cell.

    sequence : letters in the direction of the reading
    skip : leading letters to discard; those after the cell's are discarded too
    callable : bool (cell length), ascending genome position: full context, letter of ACGT
    """

    sequence: str
    skip: int
    callable: np.ndarray

    def own(self, rows: Any) -> Any:
        """The rows of the cell's bases among those of the letters, in the direction of the reading."""
        return rows[self.skip : self.skip + len(self.callable)]


@dataclass(frozen=True)
class Grid:
    """Window, warm-up and what is read after a cell, in bases.

    ``offset`` moves the grid to the right, to measure its effect.
    """

    window: int
    warmup: int
    offset: int = 0
    lookahead: int = 0

    def __post_init__(self) -> None:
        if min(self.warmup, self.lookahead) < 0 or self.warmup + self.lookahead >= self.window:
            both = f" and lookahead {self.lookahead}" if self.lookahead else ""
            raise ValueError(f"warmup {self.warmup}{both} must be at least 0, less than window {self.window}")

    @property
    def stride(self) -> int:
        """Bases of a whole cell."""
        return self.window - self.warmup - self.lookahead

    @property
    def kept(self) -> slice:
        """Positions of a whole window that its cell has."""
        return slice(self.warmup, self.window - self.lookahead)

    def cells(self, chrom: str, length: int) -> list[Cell]:
        """All cells of a contig."""
        return self.cells_between(chrom, length, 0, length)

    def cells_between(self, chrom: str, length: int, start: int, end: int) -> list[Cell]:
        """Cells of a contig of ``length`` bases that meet ``[start, end)``."""
        first = self._index(max(0, start))
        last = self._index(min(end, length) - 1)
        cuts = [min(length, self._start(i)) for i in range(first, last + 2)]
        return [Cell(chrom, a, b, i) for i, (a, b) in enumerate(pairwise(cuts), first)]

    def _index(self, position: int) -> int:
        """Index of the cell that holds a base."""
        shift = self.offset % self.stride
        return (position - shift) // self.stride + (shift > 0)

    def _start(self, index: int) -> int:
        """First base of a cell."""
        shift = self.offset % self.stride
        return max(0, (index - (shift > 0)) * self.stride + shift)

    def cells_of(self, regions: pd.DataFrame, lengths: Mapping[str, int]) -> list[Cell]:
        """Cells that meet any region (``chrom, start, end``), in order, each once."""
        found: list[Cell] = []
        for chrom, length in lengths.items():
            rows = regions[regions["chrom"] == chrom]
            if rows.empty:
                continue
            met: dict[int, Cell] = {}
            for start, end in zip(rows["start"], rows["end"], strict=True):
                met |= {c.index: c for c in self.cells_between(chrom, length, start, end)}
            found += [met[i] for i in sorted(met)]
        return found


def read_sequence(genome: Sequences, grid: Grid, cell: Cell, strand: str) -> CellSequence:
    """Letters of one strand of a cell with its context, and which bases will have a value.

    On a linear contig the context stops at the contig's end, and bases with less than ``warmup`` letters
    behind them, or ``lookahead`` before them, have no value; a circular contig wraps.
    """
    length = genome.lengths[cell.chrom]
    wraps = cell.chrom in genome.circular
    before, after = (grid.warmup, grid.lookahead) if strand == "+" else (grid.lookahead, grid.warmup)
    left, right = cell.start - before, cell.end + after
    if not wraps:
        left, right = max(0, left), min(length, right)
    sequence = genome.fetch(cell.chrom, left, right, strand)
    skip = cell.start - left if strand == "+" else right - cell.end
    size = cell.end - cell.start
    known = base_codes(sequence[skip : skip + size]) != UNKNOWN
    if strand == "-":
        known = known[::-1]
    if not wraps:
        positions = np.arange(cell.start, cell.end)
        known = known & (positions >= before) & (length - 1 - positions >= after)
    return CellSequence(sequence, skip, known)
