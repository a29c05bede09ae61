"""Reading a genome with a model: activations of cells, both strands, on genome coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from genomic_models import DNAModel
from workbench.windows import Cell, CellSequence, Grid, Sequences, read_sequence

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
        values = read_batch(model, layer, [p.sequence for p in parts])
        for (cell, strand), part, rows in zip(group, parts, values, strict=True):
            own = rows[part.skip :]
            yield CellReading(cell, strand, own if strand == "+" else own[::-1], part.callable)


def read_batch(model: DNAModel, layer: str, sequences: Sequence[str]) -> list[np.ndarray]:
    """Activations float32 (bases, d) of each sequence, a row a base; same lengths run together.

    Tokens of several bases give their activations to each of their bases.
    """
    results: list[np.ndarray] = [np.empty(0)] * len(sequences)
    for size in sorted({len(s) for s in sequences}):
        rows = [i for i, s in enumerate(sequences) if len(s) == size]
        forward = model.forward([sequences[i] for i in rows], taps=[layer], until=layer)
        values = forward.taps[layer].to(torch.float32).cpu().numpy()
        spans = forward.tokens.spans
        for j, i in enumerate(rows):
            if spans is None:
                results[i] = values[j, :size]
                continue
            start, end = spans[j, :, 0].numpy(), spans[j, :, 1].numpy()
            results[i] = np.repeat(values[j], end - start, axis=0)
    return results


def cell_sequences(
    genome: Sequences, grid: Grid, cells: Sequence[Cell]
) -> Iterator[CellSequence]:
    """Sequences of both strands of each cell."""
    for cell in cells:
        for strand in STRANDS:
            yield read_sequence(genome, grid, cell, strand)
