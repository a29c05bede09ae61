"""Which cells the controls are run on: a sample of a split in which every track has its share.

Stratified sampling: a cell belongs to the stratum of the rarest track that it holds an interval of. Half
of the sample is dealt out evenly over the strata, the rest by their size, and within a stratum cells are
taken evenly along the genome from a seeded start. Every cell carries the weight N / n of its stratum, so
that weighted counts estimate those of the whole split; features and controls are always counted on the
same cells with the same weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from feature_mining.association.labels import Column, of_mode
from feature_mining.association.verdict import FEWEST
from genomic_models.dna import UNKNOWN, base_codes
from workbench.analysis.detectors import HALO
from workbench.analysis.labels import intervals_by_track
from workbench.genome.windows import Cell, Grid
from workbench.study.study import Study

_SAMPLED: WeakKeyDictionary[Study, frozenset[Cell]] = WeakKeyDictionary()

# Bases of a bootstrap block: the longest that cuts the sample into twice as many as a verdict needs.
#
# Shorter ones than the last hold so few genes that intervals of margins come out too short (simulated).
BLOCKS = (16_384, 8_192, 4_096)


class Drawn(NamedTuple):
    """A cell of the sample; it stands for ``weight`` cells of its split."""

    cell: Cell
    weight: float


def tracks_in_cells(cells: Sequence[Cell], tracks: dict[str, pd.DataFrame]) -> np.ndarray:
    """Whether a cell holds a base of an interval of a track, bool (n_cells, n_tracks)."""
    out = np.zeros((len(cells), len(tracks)), bool)
    for chrom in dict.fromkeys(cell.chrom for cell in cells):
        at = np.array([i for i, cell in enumerate(cells) if cell.chrom == chrom])
        starts = np.array([cells[i].start for i in at])
        ends = np.array([cells[i].end for i in at])
        for t, rows in enumerate(tracks.values()):
            own = rows[rows["chrom"] == chrom]
            lo, hi = own["start"].to_numpy(), own["end"].to_numpy()
            # Begun before the cell's end, less those ended by its start.
            begun = np.searchsorted(np.sort(lo), ends, "left")
            over = np.searchsorted(np.sort(hi), starts, "right")
            out[at, t] = begun > over
    return out


def draw_cells(cells: Sequence[Cell], present: np.ndarray, bases: int, seed: Sequence[int]) -> list[Drawn]:
    """About ``bases`` bases of cells, in genome order.

    Parameters
    ----------
    cells : in genome order
    present : bool (n_cells, n_tracks)
    bases : all cells are taken, with weight 1, where they have no more than this
    seed : the same seed gives the same cells
    """
    total = sum(cell.end - cell.start for cell in cells)
    if total <= bases:
        return [Drawn(cell, 1.0) for cell in cells]
    wanted = max(1, int(len(cells) * bases / total))
    held = present.sum(axis=0)
    rarity = np.where(present, held, len(cells) + 1)
    bare = ~present.any(axis=1)
    stratum = np.where(bare, -1, rarity.argmin(axis=1) if present.shape[1] else -1)
    names, sizes = np.unique(stratum, return_counts=True)
    share = _allot(sizes, wanted)
    random = np.random.default_rng([*seed, 7])
    drawn = []
    for name, size, count in zip(names, sizes, share, strict=True):
        first = random.random()
        chosen = ((first + np.arange(count)) * size / max(count, 1)).astype(int)
        members = np.flatnonzero(stratum == name)[chosen]
        drawn += [(int(i), size / count) for i in members]
    return [Drawn(cells[i], float(weight)) for i, weight in sorted(drawn)]


def _allot(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """Cells a stratum: an even share of half of them, the rest by size; at least 1, at most all."""
    even = np.minimum(sizes, max(1, wanted // (2 * len(sizes))))
    left = max(0, wanted - int(even.sum()))
    rest = sizes - even
    more = np.floor(left * rest / max(1, rest.sum())).astype(np.int64)
    return np.minimum(sizes, even + more)


def sample(study: Study, split: str, bases: int, grid: Grid | None = None) -> list[Drawn]:
    """The drawn cells of a split of a study, or of another grid; empty where it holds no whole cell."""
    cells = study.split.cells(grid or study.grid, study.manifest.contigs, split)
    present = tracks_in_cells(cells, intervals_by_track(study))
    return draw_cells(cells, present, bases, [study.config.run.seed])


def deal(drawn: list[Drawn], fewest: int = 12, most: int = 16) -> list[list[Drawn]]:
    """The sample in runs of neighbouring cells that can be counted apart: one, or an even number."""
    parts = max(1, min(most, len(drawn) // fewest) // 2 * 2)
    cuts = np.linspace(0, len(drawn), parts + 1).astype(int)
    return [drawn[a:b] for a, b in itertools.pairwise(cuts)]


def blocks(drawn: list[Drawn]) -> dict[tuple[str, int], int]:
    """Number of the bootstrap block of every cell, by contig and start."""
    cells = [d.cell for d in drawn]
    for size in BLOCKS:
        touched = sorted({(c.chrom, c.start // size) for c in cells})
        if len(touched) >= 2 * FEWEST:
            break
    number = {block: i for i, block in enumerate(touched)}
    return {(c.chrom, c.start): number[c.chrom, c.start // size] for c in cells}


def sampled_intervals(
    drawn: list[Drawn],
    tracks: dict[str, pd.DataFrame],
    columns: list[Column],
    left_out: dict[str, np.ndarray],
) -> list[int]:
    """Intervals of every column with a base in the sample; as in the scores, a unit a reading.

    ``left_out``: bool masks of contigs; intervals that lie wholly in them do not count.
    """
    cells = [d.cell for d in drawn]
    kept = {chrom: np.append(0, np.cumsum(~mask)) for chrom, mask in left_out.items()}
    counts = []
    for name, mode in columns:
        rows = tracks[name]
        met = np.zeros(len(rows), bool)
        for chrom in dict.fromkeys(cell.chrom for cell in cells):
            own = sorted((c.start, c.end) for c in cells if c.chrom == chrom)
            starts, ends = np.array(own).T
            lo, hi = rows["start"].to_numpy(), rows["end"].to_numpy()
            first = np.searchsorted(ends, lo, "right")
            inside = first < len(starts)
            reaches = starts[np.minimum(first, len(starts) - 1)] < hi
            if chrom in kept:
                before = kept[chrom]
                lo, hi = np.clip([lo, hi], 0, before.size - 1)
                reaches &= before[hi] > before[lo]
            met |= (rows["chrom"].to_numpy() == chrom) & inside & reaches
        counts.append(sum(int((met & of_mode(rows, mode, strand)).sum()) for strand in "+-"))
    return counts


def sequence_codes(study: Study, cell: Cell) -> np.ndarray:
    """Codes of a cell with ``HALO`` bases on both sides; unknown beyond a linear contig's ends."""
    length = study.manifest.contigs[cell.chrom]
    lo, hi = cell.start - HALO, cell.end + HALO
    if cell.chrom in study.genome.circular:
        return base_codes(study.genome.fetch(cell.chrom, lo, hi))
    inside = study.genome.fetch(cell.chrom, max(lo, 0), min(hi, length))
    codes = base_codes(inside)
    pad = (max(0, -lo), max(0, hi - length))
    return np.pad(codes, pad, constant_values=UNKNOWN)


def select_sample(study: Study) -> list[Drawn]:
    """Cells of the select split that controls are picked on."""
    drawn = sample(study, "select", study.config.controls.bases)
    if not drawn:
        raise ValueError("the select split holds no whole cell: use a smaller window or more sequence")
    return drawn


def sampled_cells(study: Study) -> frozenset[Cell]:
    """Cells that controls will be picked and compared on; none without annotation. Found once a study."""
    if study not in _SAMPLED:
        bases = study.config.controls.bases if study.config.has_annotation else 0
        drawn = [sample(study, split, bases) for split in ("select", "report") if bases]
        _SAMPLED[study] = frozenset(d.cell for part in drawn for d in part)
    return _SAMPLED[study]


def report_sample(study: Study) -> list[Drawn]:
    """Cells of the report split that features and controls are compared on."""
    return sample(study, "report", study.config.controls.bases)
