"""Reading a genome with a model: activations of cells, both strands, on genome coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genomic_models import DNAModel
from genomic_models.activations import read_activations, read_phases
from workbench.genome.windows import Cell, Grid, Sequences, read_sequence

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.study.study import Study

STRANDS = ("+", "-")


class CellReading(NamedTuple):
    """One strand of one cell: row ``r`` is base ``cell.start + r`` on both strands.

    activations : float32 (n, d); callable : bool (n)
    """

    cell: Cell
    strand: str
    activations: np.ndarray
    callable: np.ndarray


class LayersReading(NamedTuple):
    """One strand of one cell at several layers, each float32 (n, d); see `CellReading`."""

    cell: Cell
    strand: str
    activations: tuple[np.ndarray, ...]
    callable: np.ndarray


def read_cells(
    model: DNAModel,
    layer: str,
    genome: Sequences,
    grid: Grid,
    cells: Iterable[Cell],
    batch: int,
    strands: Sequence[str] = STRANDS,
) -> Iterator[CellReading]:
    """Activations at ``layer`` of each strand of each cell; see ``read_cell_layers``."""
    for reading in read_cell_layers(model, [layer], genome, grid, cells, batch, strands):
        yield CellReading(reading.cell, reading.strand, reading.activations[0], reading.callable)


def read_cell_layers(
    model: DNAModel,
    layers: Sequence[str],
    genome: Sequences,
    grid: Grid,
    cells: Iterable[Cell],
    batch: int,
    strands: Sequence[str] = STRANDS,
    phases: int = 1,
) -> Iterator[LayersReading]:
    """Activations at some layers of each strand of each cell, in the order of ``cells``.

    Passes end at the last of the layers; ``batch`` windows run together. ``phases`` readings are averaged.
    Raises ``ModelError`` for an unknown layer.
    """
    jobs = ((cell, strand) for cell in cells for strand in strands)
    return read_jobs(model, layers, genome, grid, jobs, batch, phases)


def read_jobs(
    model: DNAModel,
    layers: Sequence[str],
    genome: Sequences,
    grid: Grid,
    jobs: Iterable[tuple[Cell, str]],
    batch: int,
    phases: int = 1,
) -> Iterator[LayersReading]:
    """As ``read_cell_layers``, of single strands of cells."""
    for layer in layers:
        model.resolve(layer)
    jobs = iter(jobs)
    while group := list(islice(jobs, batch)):
        parts = [read_sequence(genome, grid, cell, strand) for cell, strand in group]
        values = read_phases(model, layers, [p.sequence for p in parts], phases)
        for (cell, strand), part, found in zip(group, parts, values, strict=True):
            rows = [part.own(one).cpu().numpy() for one in found]
            forward = rows if strand == "+" else [one[::-1] for one in rows]
            yield LayersReading(cell, strand, tuple(forward), part.callable)


def read_shifted(study: Study, cell: Cell, strand: str = "+") -> tuple[Tensor, Tensor] | None:
    """Activations (window, d) of a cell's window, and of its bases in one begun half a window earlier.

    None where the contig does not reach that far.
    """
    grid, offset = study.grid, study.grid.window // 2
    start = cell.start - (grid.warmup if strand == "+" else grid.lookahead)
    near = Cell(cell.chrom, start, start + grid.window, 0)
    far = near._replace(start=start - offset) if strand == "+" else near._replace(end=near.end + offset)
    if far.start < 0 or far.end > study.manifest.contigs[cell.chrom]:
        return None
    whole = replace(grid, warmup=0, lookahead=0)
    short, long = (
        read_activations(study.model, study.layer, [read_sequence(study.genome, whole, c, strand).sequence])[
            0
        ].cpu()
        for c in (near, far)
    )
    return short, long[offset:]
