"""Dividing the genome into train, select and report, so that choosing and reporting never share data.

Six or more contigs of useful size are divided whole; otherwise each contig is cut into blocks with gaps of
a window between them, aligned to the grid and dealt out in a pattern that spreads each kind evenly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.windows import Cell, Grid

TRAIN, SELECT, REPORT, UNUSED = 0, 1, 2, 255
CODES = {"train": TRAIN, "select": SELECT, "report": REPORT}
_BLOCK = 98_304
_FEWEST_BLOCKS = 12
_WHOLE_CONTIGS = 6


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


def _deal(count: int, shares: dict[str, float], rng: np.random.Generator) -> list[str]:
    """Names for ``count`` blocks: each name as often as its share asks, spread evenly, ties by ``rng``."""
    names = list(shares)
    given = dict.fromkeys(names, 0.0)
    dealt = []
    for i in range(count):
        jitter = rng.random(len(names)) * 1e-3
        owed = [shares[n] * (i + 1) - given[n] + j for n, j in zip(names, jitter, strict=True)]
        name = names[int(np.argmax(owed))]
        given[name] += 1
        dealt.append(name)
    return dealt


def make_split(
    lengths: Mapping[str, int],
    grid: Grid,
    shares: dict[str, float],
    seed: int,
    block: int = 0,
) -> Split:
    """Divide contigs.

    Parameters
    ----------
    lengths : mapping
        Contig to length.
    grid : Grid
        Blocks begin and end on its cells; gaps are at least one window.
    shares : dict
        ``train``, ``select``, ``report``, summing to 1.
    seed : int
    block : int
        Bases of a block; 0 for about 98 kb, or a sixteenth of a shorter contig.

    Raises
    ------
    InputError
        Where no contig is long enough to hold a block of each kind.
    """
    rng = np.random.default_rng([seed, 3])
    usable = {c: n for c, n in lengths.items() if n >= 4 * grid.window}
    rows: list[tuple[str, int, int, str]] = []
    if len(usable) >= _WHOLE_CONTIGS and not block:
        names = list(usable)
        order = sorted(names, key=lambda c: -usable[c])
        for chrom, name in zip(order, _deal(len(order), shares, rng), strict=True):
            rows.append((chrom, 0, usable[chrom], name))
    else:
        gap = -(-grid.window // grid.stride)
        for chrom, length in usable.items():
            cells = -(-length // grid.stride)
            size = max(1, round((block or min(_BLOCK, length / 16)) / grid.stride))
            while size > 1 and cells // (size + gap) < _FEWEST_BLOCKS:
                size -= 1
            first = range(0, cells, size + gap)
            for cell, name in zip(first, _deal(len(first), shares, rng), strict=True):
                start, end = cell * grid.stride, min(length, (cell + size) * grid.stride)
                if end - start >= grid.stride // 2:
                    rows.append((chrom, start, end, name))
    blocks = pd.DataFrame(rows, columns=["chrom", "start", "end", "split"])
    missing = [name for name in shares if name not in set(blocks["split"])]
    if missing:
        longest = max(lengths.values(), default=0)
        raise InputError(
            f"the genome is too small to be split: no block left for {', '.join(missing)} (longest contig"
            f" {longest:,} bases, window {grid.window:,}); use a smaller window or more sequence"
        )
    order = {c: i for i, c in enumerate(lengths)}
    blocks = blocks.sort_values(
        ["chrom", "start"], key=lambda s: s.map(order) if s.name == "chrom" else s, kind="stable"
    )
    return Split(blocks.reset_index(drop=True))
