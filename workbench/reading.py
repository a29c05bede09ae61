"""Reading a genome with a model: activations of cells, both strands, on genome coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from feature_mining.sae.source import read_activations
from genomic_models import DNAModel
from workbench.windows import Cell, Grid, Sequences, read_sequence

STRANDS = ("+", "-")


class CellReading(NamedTuple):
    """One strand of one cell: row ``r`` is base ``cell.start + r`` on both strands.

    activations : float32 (n, d); callable : bool (n)
    """

    cell: Cell
    strand: str
    activations: np.ndarray
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
    """Activations at ``layer`` of each strand of each cell, in the order of ``cells``.

    Passes end at ``layer``; ``batch`` windows run together. Raises ``ModelError`` for an unknown layer.
    """
    model.resolve(layer)
    jobs = ((cell, strand) for cell in cells for strand in strands)
    while group := list(islice(jobs, batch)):
        parts = [read_sequence(genome, grid, cell, strand) for cell, strand in group]
        values = read_activations(model, layer, [p.sequence for p in parts])
        for (cell, strand), part, rows in zip(group, parts, values, strict=True):
            own = rows[part.skip :].cpu().numpy()
            yield CellReading(cell, strand, own if strand == "+" else own[::-1], part.callable)
