"""Cutting contigs into cells on a fixed grid, and reading each with enough context.

Cell ``i`` of a contig is ``[i * stride, (i + 1) * stride)``, clipped to the contig; the stride is the window
less the warm-up. The plus reading of a cell starts ``warmup`` bases to its left, the minus reading, the
reverse complement, ``warmup`` bases to its right; what the model says about those bases is thrown away. So
a base has one value, whichever regions were asked for and whatever else was in the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd


class Sequences(Protocol):
    """What cells are read from: a genome."""

    @property
    def lengths(self) -> Mapping[str, int]: ...

    @property
    def circular(self) -> frozenset[str]: ...

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str: ...


class Cell(NamedTuple):
    """A piece of a contig: 0-based half-open; ``index`` counts from the contig's start."""

    chrom: str
    start: int
    end: int
    index: int  # type: ignore[assignment]  # hides tuple.index


class CellSequence(NamedTuple):
    """What the model is given for one strand of a cell.

    sequence : letters in the direction of the reading
    skip : leading letters to throw away
    callable : bool (cell length), ascending genome position: full context behind it, letter of ACGT
    """

    sequence: str
    skip: int
    callable: np.ndarray


@dataclass(frozen=True)
class Grid:
    """Window and warm-up in bases; ``offset`` moves the grid to the right, to measure its effect."""

    window: int
    warmup: int
    offset: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < self.window:
            raise ValueError(
                f"warmup {self.warmup} must be at least 0, less than window {self.window}"
            )

    @property
    def stride(self) -> int:
        """Bases of a whole cell."""
        return self.window - self.warmup

    def cells(self, chrom: str, length: int) -> list[Cell]:
        """All cells of a contig."""
        first = self.offset % self.stride
        cuts = [0, *range(first or self.stride, length, self.stride), length]
        return [Cell(chrom, a, b, i) for i, (a, b) in enumerate(pairwise(cuts)) if b > a]

    def cells_of(self, regions: pd.DataFrame, lengths: Mapping[str, int]) -> list[Cell]:
        """Cells that meet any region (``chrom, start, end``, past a ring's end too), in order, each once."""
        found: list[Cell] = []
        for chrom, length in lengths.items():
            rows = regions[regions["chrom"] == chrom]
            if rows.empty:
                continue
            # What goes on over the origin of a circular contig begins again at 0.
            over = rows[rows["end"] > length]
            rows = pd.concat([rows, over.assign(start=0, end=over["end"] - length)])
            cells = self.cells(chrom, length)
            starts = np.array([c.start for c in cells])
            first = np.searchsorted(starts, rows["start"].to_numpy(), "right") - 1
            last = np.searchsorted(starts, rows["end"].to_numpy(), "left")
            met = {i for a, b in zip(first, last, strict=True) for i in range(max(0, a), b)}
            found += [cells[i] for i in sorted(met)]
        return found


def read_sequence(genome: Sequences, grid: Grid, cell: Cell, strand: str) -> CellSequence:
    """Letters of one strand of a cell with its context, and which bases will have a value.

    On a linear contig the context stops at the contig's end, and bases with less than ``warmup`` letters
    behind them have no value; a circular contig wraps.
    """
    length = genome.lengths[cell.chrom]
    wraps = cell.chrom in genome.circular
    left = cell.start - grid.warmup if strand == "+" else cell.start
    right = cell.end if strand == "+" else cell.end + grid.warmup
    if not wraps:
        left, right = max(0, left), min(length, right)
    sequence = genome.fetch(cell.chrom, left, right, strand)
    skip = (right - left) - (cell.end - cell.start)
    letters = np.frombuffer(sequence[skip:].encode(), np.uint8)
    known = np.isin(letters, np.frombuffer(b"ACGT", np.uint8))
    if strand == "-":
        known = known[::-1]
    if not wraps:
        positions = np.arange(cell.start, cell.end)
        behind = positions if strand == "+" else length - 1 - positions
        known = known & (behind >= grid.warmup)
    return CellSequence(sequence, skip, known)
