"""What a feature does because of where a window begins: warm-up spike, shift consistency."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.analysis.readings import read_shifted
from workbench.genome.windows import Cell
from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.study.study import Study

CELLS = 16
# Bases at a window's start that are looked at for a spike.
EARLY = 64
BINS = 32


class WindowEffects(NamedTuple):
    """Sums over windows, by feature.

    early, late : int64 (F), firings in the first `EARLY` bases of a window, and after the warm-up
    early_bases, late_bases : int64 ()
    change, size : float64 (F), squared change of values after the warm-up when the window begins half a
        window earlier, and their squares as read with more context
    fired : int64 (F), firings after the warm-up with more context
    profile : float64 (BINS), features a base by position in the window, all positions
    """

    early: np.ndarray
    late: np.ndarray
    early_bases: np.ndarray
    late_bases: np.ndarray
    change: np.ndarray
    size: np.ndarray
    fired: np.ndarray
    profile: np.ndarray


def measure_windows(study: Study, progress: Progress) -> WindowEffects:
    """Read windows of the report split whole, and again begun half a window earlier."""
    grid = study.grid
    width = study.sae_config.d_sae
    counts = np.zeros((3, width), np.int64)
    sums = np.zeros((2, width))
    profile = np.zeros(grid.window)
    read = 0
    early = min(EARLY, grid.warmup) or EARLY
    for index, cell in enumerate(_cells(study)):
        strand = "+-"[index % 2]
        both = read_shifted(study, cell, strand)
        assert both is not None  # there is room on both sides of these cells
        short, long = (study.sae.encode(rows).numpy() for rows in both)
        counts[0] += (short[:early] > 0).sum(axis=0)
        counts[1] += (short[grid.kept] > 0).sum(axis=0)
        counts[2] += (long[grid.kept] > 0).sum(axis=0)
        sums[0] += np.square(short[grid.kept] - long[grid.kept]).sum(axis=0)
        sums[1] += np.square(long[grid.kept]).sum(axis=0)
        profile += (short > 0).sum(axis=1)
        read += 1
        progress.advance(2.5 * grid.window)
    bins = np.array_split(profile / max(read, 1), min(BINS, grid.window))
    return WindowEffects(
        counts[0],
        counts[1],
        np.array(read * early),
        np.array(read * grid.stride),
        sums[0],
        sums[1],
        counts[2],
        np.array([b.mean() for b in bins]),
    )


def _cells(study: Study) -> list[Cell]:
    """Whole report cells with enough sequence on both sides, spread over the split."""
    grid = study.grid
    reach = grid.window
    lengths = study.manifest.contigs
    cells = [
        c
        for c in study.split.cells(grid, lengths, "report")
        if c.start - reach >= 0 and c.end + reach <= lengths[c.chrom]
    ]
    chosen = np.unique(np.linspace(0, len(cells) - 1, CELLS).astype(int)) if cells else ()
    return [cells[int(i)] for i in chosen]
