"""What kind of region a base lies in: coding, tRNA, rRNA, intron, intergenic, other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.genome.windows import Cell
from workbench.tracks import Track

CLASSES = ("coding", "tRNA", "rRNA", "intron", "intergenic", "other")
_TYPES = {"CDS": "coding", "tRNA": "tRNA", "rRNA": "rRNA", "intron": "intron"}


def class_of(track: Track) -> str:
    """The class that a track stands for; empty for none."""
    # Intergenic bases are derived: their track has a name and no type.
    return _TYPES.get(track.type, "intergenic" if track.name == "intergenic" else "")


def region_classes(tracks: Sequence[Track], cell: Cell) -> np.ndarray:
    """Index into ``CLASSES`` of every base of a cell, int64; a base of two classes has the first of them."""
    out = np.full(cell.end - cell.start, CLASSES.index("other"), np.int64)
    ranked = sorted((t for t in tracks if class_of(t)), key=lambda t: -CLASSES.index(class_of(t)))
    for track in ranked:
        rows = track.intervals
        near = rows[(rows["chrom"] == cell.chrom) & (rows["start"] < cell.end) & (rows["end"] > cell.start)]
        for start, end in zip(near["start"], near["end"], strict=True):
            lo, hi = max(start, cell.start), min(end, cell.end)
            out[lo - cell.start : hi - cell.start] = CLASSES.index(class_of(track))
    return out


def cells_by_class(tracks: Sequence[Track], cells: Sequence[Cell]) -> np.ndarray:
    """Bases of each class in each cell, int64 (n_cells, n_classes)."""
    counts = [np.bincount(region_classes(tracks, c), minlength=len(CLASSES)) for c in cells]
    return np.array(counts, np.int64).reshape(-1, len(CLASSES))
