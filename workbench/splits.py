"""Dividing the genome into train, select and report, so that choosing and reporting never share data.

Six or more contigs of useful size are divided whole, if that comes near the shares asked for; otherwise each
contig is cut into blocks with gaps of a window between them, aligned to the grid and dealt out so that each
kind is spread evenly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.windows import Cell, Grid

TRAIN, SELECT, REPORT, UNUSED = 0, 1, 2, 255
CODES = {"train": TRAIN, "select": SELECT, "report": REPORT}
_BLOCK = 98_304
_FEWEST_BLOCKS = 12
_FEWEST_USEFUL = 4
_WHOLE_CONTIGS = 6
_TOLERANCE = 0.1


@dataclass(frozen=True)
class Split:
    """Blocks of a split.

    Attributes
    ----------
    blocks : DataFrame
        ``chrom, start, end, split``; 0-based half-open; what no block covers is a gap.
    """

    blocks: pd.DataFrame

    def codes(self, chrom: str, start: int, end: int) -> np.ndarray:
        """uint8 ``(end - start)``: 0 train, 1 select, 2 report, 255 gap."""
        out = np.full(end - start, UNUSED, np.uint8)
        for row in self.blocks[self.blocks["chrom"] == chrom].itertuples():
            lo, hi = max(int(row.start), start), min(int(row.end), end)
            if lo < hi:
                out[lo - start : hi - start] = CODES[str(row.split)]
        return out

    def cells(self, grid: Grid, lengths: Mapping[str, int], split: str) -> list[Cell]:
        """Cells that lie wholly in blocks of one split, in genome order."""
        found = []
        for chrom, length in lengths.items():
            rows = self.blocks[(self.blocks["chrom"] == chrom) & (self.blocks["split"] == split)]
            starts, ends = rows["start"].to_numpy(), rows["end"].to_numpy()
            found += [
                cell
                for cell in grid.cells(chrom, length)
                if ((starts <= cell.start) & (ends >= cell.end)).any()
            ]
        return found


class _Piece(NamedTuple):
    chrom: str
    start: int
    end: int


def _deal(sizes: Sequence[int], shares: Mapping[str, float], rng: np.random.Generator) -> list[str]:
    """A name for each size: whoever is owed most of its share so far; ties by ``rng``."""
    names = list(shares)
    given = dict.fromkeys(names, 0.0)
    dealt, total = [], 0
    for size in sizes:
        total += size
        jitter = rng.random(len(names)) * 1e-3 * size
        owed = [shares[n] * total - given[n] + j for n, j in zip(names, jitter, strict=True)]
        name = names[int(np.argmax(owed))]
        given[name] += size
        dealt.append(name)
    return dealt


def _near(sizes: Sequence[int], dealt: Sequence[str], shares: Mapping[str, float]) -> bool:
    """Whether every name got its share of the bases, give or take a tenth of the genome."""
    got = {n: sum(s for s, d in zip(sizes, dealt, strict=True) if d == n) for n in shares}
    return all(abs(got[n] / sum(sizes) - share) <= _TOLERANCE for n, share in shares.items())


def _blocks(chrom: str, length: int, grid: Grid, block: int, gap: int, wraps: bool) -> list[_Piece]:
    """Blocks of a contig, ``gap`` cells between them (over the origin too, where it ``wraps``)."""
    stride = grid.stride
    cells = -(-length // stride)
    size = max(1, round((block or min(_BLOCK, length / 16)) / stride))
    while not block and size > 1 and cells // (size + gap) < _FEWEST_BLOCKS:
        size -= 1
    last = cells - gap if wraps else cells
    pieces = [
        _Piece(chrom, first * stride, min(length, min(last, first + size) * stride))
        for first in range(0, last, size + gap)
    ]
    return [p for p in pieces if p.end - p.start >= stride // 2]


def make_split(
    lengths: Mapping[str, int],
    grid: Grid,
    shares: Mapping[str, float],
    seed: int,
    block: int = 0,
    circular: Collection[str] = (),
) -> Split:
    """Divide contigs. The same arguments give the same split.

    Parameters
    ----------
    lengths : mapping
        Contig to length. Those shorter than two windows are not used.
    grid : Grid
        Blocks begin and end on its cells. Gaps are at least a window; where a genome is so small that fewer
        than four blocks would be left, at least a warm-up, so that no reading sees another block.
    shares : mapping
        ``train``, ``select``, ``report``, summing to 1.
    seed : int
    block : int
        Bases of a block; 0 for about 98 kb, or a sixteenth of a shorter contig.
    circular : collection of str
        Contigs whose last block must keep a gap from the first.

    Raises
    ------
    InputError
        Where no contig is long enough to hold a block of each kind.
    """
    rng = np.random.default_rng([seed, 3])
    usable = {c: n for c, n in lengths.items() if n >= 2 * grid.window}
    pieces = [_Piece(c, 0, n) for c, n in sorted(usable.items(), key=lambda item: -item[1])]
    sizes = [p.end for p in pieces]
    dealt = _deal(sizes, shares, rng)
    whole = not block and len(pieces) >= _WHOLE_CONTIGS and _near(sizes, dealt, shares)
    for context in () if whole else (grid.window, max(1, grid.warmup)):
        gap = -(-context // grid.stride)
        pieces = [
            p for c, n in usable.items() for p in _blocks(c, n, grid, block, gap, c in circular)
        ]
        if len(pieces) >= _FEWEST_USEFUL:
            break
    if not whole:
        dealt = _deal([p.end - p.start for p in pieces], shares, rng)
    blocks = pd.DataFrame(pieces, columns=_Piece._fields).assign(split=dealt)
    missing = [name for name in shares if name not in set(dealt)]
    if missing:
        longest = max(lengths.values(), default=0)
        raise InputError(
            f"the genome is too small to be split: no block left for {', '.join(missing)} (longest contig"
            f" {longest:,} bases, window {grid.window:,}); use a smaller window or more sequence"
        )
    rank = {c: i for i, c in enumerate(lengths)}
    order = np.lexsort((blocks["start"].to_numpy(), blocks["chrom"].map(rank).to_numpy()))
    return Split(blocks.iloc[order].reset_index(drop=True))
