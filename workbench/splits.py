"""Dividing what is read into train, select and report, so that choosing and reporting never share data.

Six or more contigs of useful size are divided whole, if that comes near the shares asked for; otherwise each
contig is cut into blocks with gaps of a window between them, aligned to the grid and dealt out so that each
kind is spread evenly. Where a study reads only regions, they are divided in the same way.
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


def _block_cells(spans: Sequence[_Piece], grid: Grid, block: int, gap: int) -> int:
    """Cells of a block where these stretches are cut together."""
    cells = [-(-(s.end - s.start) // grid.stride) for s in spans]
    bases = sum(s.end - s.start for s in spans)
    size = max(1, round((block or min(_BLOCK, bases / 16)) / grid.stride))
    while not block and size > 1:
        if sum(max(1, n // (size + gap)) for n in cells) >= _FEWEST_BLOCKS:
            break
        size -= 1
    return size


def _blocks(span: _Piece, grid: Grid, size: int, gap: int, wraps: bool) -> list[_Piece]:
    """Blocks of a stretch, ``gap`` cells between them (over the origin too, where it ``wraps``)."""
    stride = grid.stride
    cells = -(-(span.end - span.start) // stride)
    last = cells - gap if wraps else cells
    cuts = [(first, min(last, first + size)) for first in range(0, last, size + gap)]
    pieces = [
        _Piece(span.chrom, span.start + a * stride, min(span.end, span.start + b * stride))
        for a, b in cuts
    ]
    return [p for p in pieces if p.end - p.start >= stride // 2]


def _joined(regions: Sequence[tuple[str, int, int]], least: int) -> list[_Piece]:
    """Regions, those nearer to each other than ``least`` bases as one."""
    spans: list[_Piece] = []
    for chrom, start, end in regions:
        last = spans[-1] if spans else None
        if last and last.chrom == chrom and start - last.end < least:
            spans[-1] = last._replace(end=end)
        else:
            spans.append(_Piece(chrom, start, end))
    return spans


def _ring_ends(
    spans: Sequence[_Piece], lengths: Mapping[str, int], circular: Collection[str], least: int
) -> set[_Piece]:
    """Last stretches of circular contigs that come nearer than ``least`` to the first, over the origin."""
    first = {span.chrom: span for span in reversed(spans)}
    last = {span.chrom: span for span in spans}
    return {
        last[chrom]
        for chrom in last
        if chrom in circular and first[chrom].start + lengths[chrom] - last[chrom].end < least
    }


def make_split(
    lengths: Mapping[str, int],
    grid: Grid,
    shares: Mapping[str, float],
    seed: int,
    block: int = 0,
    circular: Collection[str] = (),
    regions: Sequence[tuple[str, int, int]] = (),
) -> Split:
    """Divide contigs, or the regions that are read of them. The same arguments give the same split.

    Parameters
    ----------
    lengths : mapping
        Contig to length. Those shorter than two warm-ups, or half a cell, are not used.
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
    regions : sequence of (chrom, start, end)
        What is read, whole cells in genome order, where it is less than the contigs. Regions are divided
        whole where contigs would be; otherwise all together are cut into blocks.

    Raises
    ------
    InputError
        Where no contig is long enough to hold a block of each kind.
    """
    rng = np.random.default_rng([seed, 3])
    if regions:
        spans = _joined(regions, grid.window)
        together = [spans]
    else:
        least = max(2 * grid.warmup, grid.stride // 2)
        spans = [_Piece(c, 0, n) for c, n in lengths.items() if n >= least]
        together = [[span] for span in spans]
    pieces = sorted(spans, key=lambda span: span.start - span.end)
    sizes = [p.end - p.start for p in pieces]
    dealt = _deal(sizes, shares, rng)
    whole = not block and len(pieces) >= _WHOLE_CONTIGS and _near(sizes, dealt, shares)
    rings = _ring_ends(spans, lengths, circular, grid.window)
    # A region at either end of a ring is beside the other: only blocks can keep a gap there.
    whole = whole and not (regions and rings)
    for context in () if whole else (grid.window, max(1, grid.warmup)):
        gap = -(-context // grid.stride)
        pieces = []
        for group in together:
            size = _block_cells(group, grid, block, gap)
            for span in group:
                pieces += _blocks(span, grid, size, gap, span in rings)
        if len(pieces) >= _FEWEST_USEFUL:
            break
    if not whole:
        dealt = _deal([p.end - p.start for p in pieces], shares, rng)
    blocks = pd.DataFrame(pieces, columns=_Piece._fields).assign(split=dealt)
    missing = [name for name in shares if name not in set(dealt)]
    if missing:
        what, kind = ("regions are", "region") if regions else ("genome is", "contig")
        sizes = [s.end - s.start for s in spans] if regions else list(lengths.values())
        raise InputError(
            f"the {what} too small to be split: no block left for {', '.join(missing)} (longest {kind}"
            f" {max(sizes, default=0):,} bases, window {grid.window:,}); use a smaller window or more"
            " sequence"
        )
    rank = {c: i for i, c in enumerate(lengths)}
    order = np.lexsort((blocks["start"].to_numpy(), blocks["chrom"].map(rank).to_numpy()))
    return Split(blocks.iloc[order].reset_index(drop=True))
