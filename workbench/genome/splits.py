"""Dividing what is read into train, select and report, so that choosing and reporting never share data.

Six or more contigs of useful size are divided whole, if that comes near the shares asked for; otherwise each
contig is cut into blocks with gaps between them, aligned to the grid and dealt out so that each kind is
spread evenly. Gaps are a window, less on a small genome, never less than a warm-up: no reading sees another
block. Where a study reads only regions, they are divided in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from workbench.errors import InputError
from workbench.genome.interval import Block, Interval
from workbench.genome.windows import Cell, Grid

TRAIN, SELECT, REPORT, UNUSED = 0, 1, 2, 255
CODES = {"train": TRAIN, "select": SELECT, "report": REPORT}
_BLOCK = 98_304
_FEWEST_BLOCKS = 12
_FEWEST_USEFUL = 4
_WHOLE_CONTIGS = 6
_TOLERANCE = 0.1
_NO_BLOCKS = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))


@dataclass(frozen=True)
class Split:
    """Blocks of a split.

    Attributes
    ----------
    blocks : list of Block
        In the order of the genome; what no block covers is a gap.
    """

    blocks: list[Block]

    def codes(self, chrom: str, start: int, end: int) -> np.ndarray:
        """uint8 ``(end - start)``: 0 train, 1 select, 2 report, 255 gap."""
        out = np.full(end - start, UNUSED, np.uint8)
        starts, ends, codes = self._by_contig.get(chrom, _NO_BLOCKS)
        first, last = np.searchsorted(ends, start, "right"), np.searchsorted(starts, end, "left")
        for lo, hi, code in zip(starts[first:last], ends[first:last], codes[first:last], strict=True):
            out[max(lo, start) - start : min(hi, end) - start] = code
        return out

    @cached_property
    def _by_contig(self) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Starts, ends and codes of each contig's blocks, in order; blocks do not overlap."""
        found = {}
        ordered = sorted(self.blocks, key=lambda block: (block.chrom, block.start))
        for chrom, blocks in groupby(ordered, key=lambda block: block.chrom):
            rows = [(b.start, b.end, CODES[b.split]) for b in blocks]
            starts, ends, codes = np.array(rows, np.int64).T
            found[chrom] = starts, ends, codes.astype(np.uint8)
        return found

    def cells(self, grid: Grid, lengths: Mapping[str, int], split: str) -> list[Cell]:
        """Cells that lie wholly in blocks of one split, in genome order."""
        found = []
        for chrom, length in lengths.items():
            starts, ends, codes = self._by_contig.get(chrom, _NO_BLOCKS)
            for block in np.flatnonzero(codes == CODES[split]):
                lo, hi = int(starts[block]), int(ends[block])
                cells = grid.cells_between(chrom, length, lo, hi)
                found += [cell for cell in cells if lo <= cell.start and cell.end <= hi]
        return found


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


def _tried(grid: Grid) -> list[tuple[int, int, int]]:
    """Cells of a gap and of the shortest block, and how many blocks are enough, for ever smaller genomes."""
    widest, narrowest = (-(-max(1, bases) // grid.stride) for bases in (grid.window, grid.warmup))
    return [
        *((gap, 2 * gap, _FEWEST_BLOCKS) for gap in range(widest, narrowest - 1, -1)),
        *((narrowest, least, _FEWEST_USEFUL) for least in range(2 * narrowest, 0, -1)),
    ]


def _block_cells(spans: Sequence[Interval], grid: Grid, gap: int, least: int) -> int:
    """Cells of a block where these stretches are cut together."""
    cells = [-(-s.size // grid.stride) for s in spans]
    bases = sum(s.size for s in spans)
    size = max(least, round(min(_BLOCK, bases / 16) / grid.stride))
    while size > least:
        if sum(max(1, n // (size + gap)) for n in cells) >= _FEWEST_BLOCKS:
            break
        size -= 1
    return size


def _blocks(span: Interval, grid: Grid, size: int, gap: int, beyond: int | None) -> list[Interval]:
    """Blocks of a stretch, of about ``size`` cells and ``gap`` cells apart.

    ``beyond``: bases from its end to the next stretch over the origin of a ring, None where there is none.
    """
    stride, bases = grid.stride, span.size
    short = 0 if beyond is None else max(0, gap * stride - beyond)
    # Half a cell at the end is worth having, where nothing lies beyond.
    cells = (bases - short) // stride if short else (bases + stride // 2) // stride
    if cells < 1:
        return []
    count = max(1, (cells + gap) // (size + gap))
    # All that the gaps leave is used: blocks differ by a cell at most.
    widths = np.diff(np.linspace(0, cells - (count - 1) * gap, count + 1).astype(int))
    starts = np.cumsum(np.append(0, widths[:-1] + gap))
    return [
        Interval(span.chrom, span.start + a * stride, min(span.end, span.start + (a + n) * stride))
        for a, n in zip(starts.tolist(), widths.tolist(), strict=True)
    ]


def _joined(regions: Sequence[Interval], least: int) -> list[Interval]:
    """Regions, those nearer to each other than ``least`` bases as one."""
    spans: list[Interval] = []
    for region in regions:
        last = spans[-1] if spans else None
        if last and last.chrom == region.chrom and region.start - last.end < least:
            spans[-1] = last._replace(end=region.end)
        else:
            spans.append(region)
    return spans


def _ring_ends(
    spans: Sequence[Interval], lengths: Mapping[str, int], circular: Collection[str]
) -> dict[Interval, int]:
    """Last stretches of circular contigs, and how far each is from the first over the origin."""
    first = {span.chrom: span for span in reversed(spans)}
    last = {span.chrom: span for span in spans}
    return {
        last[chrom]: first[chrom].start + lengths[chrom] - last[chrom].end
        for chrom in last
        if chrom in circular
    }


def make_split(
    lengths: Mapping[str, int],
    grid: Grid,
    shares: Mapping[str, float],
    seed: int,
    block: int = 0,
    circular: Collection[str] = (),
    regions: Sequence[Interval] = (),
) -> Split:
    """Divide contigs, or the regions that are read of them. The same arguments give the same split.

    Parameters
    ----------
    lengths : mapping
        Contig to length. Those shorter than two warm-ups, or half a cell, are not used.
    grid : Grid
        Blocks begin and end on its cells. Gaps are at least a window; where blocks twice as long as that
        would be fewer than twelve, less, down to a warm-up in whole cells, so that no reading sees another
        block.
    shares : mapping
        ``train``, ``select``, ``report``, summing to 1.
    seed : int
    block : int
        Bases of a block; 0 for about 98 kb, or a sixteenth of a shorter contig.
    circular : collection of str
        Contigs whose last block keeps the same gap from the first.
    regions : sequence of Interval
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
        spans = [Interval(c, 0, n) for c, n in lengths.items() if n >= least]
        together = [[span] for span in spans]
    pieces = sorted(spans, key=lambda span: -span.size)
    sizes = [p.size for p in pieces]
    dealt = _deal(sizes, shares, rng)
    whole = not block and len(pieces) >= _WHOLE_CONTIGS and _near(sizes, dealt, shares)
    rings = _ring_ends(spans, lengths, circular)
    # A region at either end of a ring is beside the other: only blocks can keep a gap there.
    whole = whole and not (regions and any(far < grid.window for far in rings.values()))
    for gap, least, fewest in () if whole else _tried(grid):
        pieces = []
        for group in together:
            size = round(block / grid.stride) if block else _block_cells(group, grid, gap, least)
            for span in group:
                pieces += _blocks(span, grid, max(1, size), gap, rings.get(span))
        if len(pieces) >= (_FEWEST_USEFUL if block else fewest):
            break
    if not whole:
        dealt = _deal([p.size for p in pieces], shares, rng)
    missing = [name for name in shares if name not in set(dealt)]
    if missing:
        what, kind = ("regions are", "region") if regions else ("genome is", "contig")
        sizes = [s.size for s in spans] if regions else list(lengths.values())
        raise InputError(
            f"the {what} too small to be split: no block left for {', '.join(missing)} (longest {kind}"
            f" {max(sizes, default=0):,} bases, window {grid.window:,}); use a smaller window or more"
            " sequence"
        )
    rank = {c: i for i, c in enumerate(lengths)}
    blocks = [Block(*piece, name) for piece, name in zip(pieces, dealt, strict=True)]
    return Split(sorted(blocks, key=lambda block: (rank[block.chrom], block.start)))
