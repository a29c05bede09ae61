"""Embeddings: what layers of a model hold of regions, base by base or pooled, on both strands.

Regions are read on the fixed grid of their contig, so that a base has the values that a study's features are
made from; bases without a value (too little context behind them, or a letter other than ACGT) are left out of
pools, and are NaN where every base is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from genomic_models import DNAModel
from workbench.analysis.readings import read_cell_layers
from workbench.genome.windows import Grid, Sequences

COLUMNS = ["chrom", "start", "end", "name", "strand", "bases"]
# Values of one part at most: what a process holds, and what is lost with it.
MOST_VALUES = 1 << 24


class Asked(NamedTuple):
    """What is kept: the layers, mean, max, last or none, the strands that are read, the readings averaged."""

    layers: tuple[str, ...]
    pool: str
    strands: tuple[str, ...]
    phases: int = 1


class Embedded(NamedTuple):
    """Embeddings of some regions.

    Attributes
    ----------
    rows : DataFrame
        A row a region and strand: ``COLUMNS``; ``bases`` are those with a value.
    values : dict of str to ndarray
        By layer, float32 ``(rows, d)``; where nothing is pooled ``(sum of end - start, d)``, the bases of
        each row in turn, along the genome on both strands.
    """

    rows: pd.DataFrame
    values: dict[str, np.ndarray]


class Components(NamedTuple):
    """Embeddings of a layer on their first two principal components.

    table : a row a region and strand: ``COLUMNS``, first, second and gc
    shares : of variance, of each
    """

    layer: str
    table: pd.DataFrame
    shares: tuple[float, float]


def whole_records(lengths: Mapping[str, int]) -> pd.DataFrame:
    """Every record from end to end, as regions: ``chrom, start, end, name``."""
    rows = [(name, 0, length, name) for name, length in lengths.items()]
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "name"])


def cut_regions(regions: pd.DataFrame, asked: Asked, width: int) -> Iterator[pd.DataFrame]:
    """Yield the regions part by part; a region is cut only where its bases are not pooled.

    A part's embeddings have at most ``MOST_VALUES`` numbers, where all layers together have ``width``.
    """
    most = max(1, MOST_VALUES // (width * len(asked.strands)))
    if asked.pool == "none":
        pieces = [
            (row.chrom, start, min(start + most, row.end), row.name)
            for row in regions[["chrom", "start", "end", "name"]].itertuples(index=False)
            for start in range(row.start, row.end, most)
        ]
        regions = pd.DataFrame(pieces, columns=["chrom", "start", "end", "name"])
        part = (regions["end"] - regions["start"]).cumsum().sub(1) // most
    else:
        part = pd.Series(np.arange(len(regions)) // most, index=regions.index)
    for _, own in regions.groupby(part.to_numpy(), sort=True):
        yield own.reset_index(drop=True)


class _Pool:
    """The running pool of one region and strand at every layer."""

    def __init__(self, how: str, size: int, widths: Sequence[int]) -> None:
        self.how, self.bases = how, 0
        shapes = [(size, width) if how == "none" else (width,) for width in widths]
        self.values = [np.full(shape, np.nan, np.float32) for shape in shapes]
        if how == "mean":
            self.sums = [np.zeros(width) for width in widths]

    def add(self, rows: Sequence[np.ndarray], known: np.ndarray, offset: int, strand: str) -> None:
        """Take the values of some bases, along the genome; ``offset`` is that of the first in the region."""
        self.bases += int(known.sum())
        if self.how == "none":
            for values, own in zip(self.values, rows, strict=True):
                values[offset : offset + len(own)][known] = own[known]
            return
        if not known.any():
            return
        for i, own in enumerate(rows):
            if self.how == "mean":
                self.sums[i] += own[known].sum(axis=0, dtype=np.float64)
                self.values[i] = (self.sums[i] / self.bases).astype(np.float32)
            elif self.how == "max":
                self.values[i] = np.fmax(self.values[i], own[known].max(axis=0))
            elif strand == "+" or np.isnan(self.values[i]).all():
                # The last base of the reading: the rightmost on the plus strand, the leftmost on the minus.
                self.values[i] = own[known][-1 if strand == "+" else 0].copy()


def embed_regions(
    model: DNAModel,
    genome: Sequences,
    grid: Grid,
    regions: pd.DataFrame,
    asked: Asked,
    batch: int,
    told: Callable[[int], None] = lambda bases: None,
) -> Embedded:
    """Embeddings of regions (``chrom, start, end, name``; 0-based half-open).

    Every cell of the grid is read once, however many regions it meets; passes end at the last of the layers.
    ``told`` hears of the bases that were read.
    """
    widths = [model.d_model(layer) for layer in asked.layers]
    sizes = (regions["end"] - regions["start"]).to_numpy()
    pools = {
        (i, strand): _Pool(asked.pool, int(size), widths)
        for i, size in enumerate(sizes)
        for strand in asked.strands
    }
    places = {chrom: own for chrom, own in regions.groupby("chrom", sort=False)}
    cells = grid.cells_of(regions, genome.lengths)
    readings = read_cell_layers(model, asked.layers, genome, grid, cells, batch, asked.strands, asked.phases)
    for reading in readings:
        cell, own = reading.cell, places[reading.cell.chrom]
        for i in own.index[(own["start"] < cell.end) & (own["end"] > cell.start)]:
            first = int(regions["start"].iat[i])
            start, end = max(first, cell.start), min(int(regions["end"].iat[i]), cell.end)
            inside = slice(start - cell.start, end - cell.start)
            rows = [values[inside] for values in reading.activations]
            pools[i, reading.strand].add(rows, reading.callable[inside], start - first, reading.strand)
        told(cell.end - cell.start)
    table = regions.loc[regions.index.repeat(len(asked.strands)), ["chrom", "start", "end", "name"]]
    table = table.assign(
        strand=list(asked.strands) * len(regions), bases=[pool.bases for pool in pools.values()]
    )
    join = np.concatenate if asked.pool == "none" else np.stack
    values = {
        layer: join([pool.values[i] for pool in pools.values()]) for i, layer in enumerate(asked.layers)
    }
    return Embedded(table.reset_index(drop=True), values)
