"""What of the genome a cohort needs: cells that meet regions, and the readings that burdens are made of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.cohort.calls import Calls, read_calls
from workbench.cohort.edits import Edit
from workbench.cohort.sequences import sequence_calls, sequence_files
from workbench.cohort.vcf import VariantFile
from workbench.files.arrays import read_arrays, write_arrays
from workbench.genome.windows import Cell

if TYPE_CHECKING:
    from workbench.study.study import Study

# Neighbouring cells whose variants are read together, at most.
RUN = 32
SIDES = ("+", "-")


class CellHaplotypes(NamedTuple):
    """Unique haplotypes of one cell, plus and minus window.

    edits : a list a side: a tuple of edits for each haplotype, the first empty
    of_sample : int32 (h), one array a side
    """

    edits: tuple[list[tuple[Edit, ...]], list[tuple[Edit, ...]]]
    of_sample: tuple[np.ndarray, np.ndarray]


class Span(NamedTuple):
    """What of a region lies in a cell, 0-based half-open; ``region`` is the row of the table of regions."""

    region: int
    start: int
    end: int


def cohort_cells(study: Study) -> list[Cell]:
    """Cells that meet any region, in genome order."""
    return study.grid.cells_of(study.table("regions"), study.manifest.contigs)


def cell_runs(study: Study) -> list[list[int]]:
    """Places in `cohort_cells`, neighbours together."""
    runs: list[list[int]] = []
    cells = cohort_cells(study)
    for i, cell in enumerate(cells):
        before = cells[i - 1] if i else None
        beside = before and before.chrom == cell.chrom and before.end == cell.start
        if runs and beside and len(runs[-1]) < RUN:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def cell_spans(regions: pd.DataFrame, cell: Cell) -> list[Span]:
    """Parts of regions in a cell."""
    start, end = regions["start"].to_numpy(), regions["end"].to_numpy()
    met = (regions["chrom"] == cell.chrom).to_numpy() & (start < cell.end) & (end > cell.start)
    return [
        Span(int(i), max(int(start[i]), cell.start), min(int(end[i]), cell.end)) for i in np.flatnonzero(met)
    ]


def needed(spans: list[Span]) -> tuple[int, int]:
    """From the first to the last base of a cell that any region holds."""
    return min(s.start for s in spans), max(s.end for s in spans)


def calls_of(study: Study, names: list[str], chrom: str, start: int, end: int) -> Calls:
    """What a stretch of the cohort's variants, or of its samples' sequences, says."""
    given = study.config.cohort
    if given.sequences:
        files = sequence_files(study.resolve(given.sequences))
        chosen = {name: files[name] for name in names}
        return sequence_calls(chosen, study.genome, study.folder / "cache", chrom, start, end)
    file = open_variants(study, names)
    return read_calls(file, study.genome, chrom, start, end)


def open_variants(study: Study, names: list[str] | None = None) -> VariantFile:
    """The study's VCF or BCF, limited to samples."""
    path = study.resolve(study.config.cohort.variants)
    return VariantFile(path, names, study.genome.lengths, study.config.input.rename)


def samples_hash(names: list[str]) -> str:
    """Hash of names and their order."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


# -- files under work/haplotypes ------------------------------------------------------------------


def _path(study: Study, name: str) -> Path:
    return study.folder / "work" / "haplotypes" / f"{name}.npz"


def write_cell(study: Study, index: int, found: CellHaplotypes) -> None:
    """Store the haplotypes of a cell."""
    text = json.dumps([[list(s) for s in side] for side in found.edits])
    arrays = dict(zip(("plus", "minus"), found.of_sample, strict=True))
    arrays["edits"] = np.frombuffer(text.encode(), np.uint8)
    write_arrays(_path(study, f"{index:06d}"), arrays)


def read_cell(study: Study, index: int) -> CellHaplotypes:
    """Haplotypes of a cell; ``InputError`` where the file is missing or damaged."""
    arrays = read_arrays(_path(study, f"{index:06d}"))
    plus, minus = (
        [tuple(Edit(*e) for e in s) for s in side] for side in json.loads(arrays["edits"].tobytes().decode())
    )
    return CellHaplotypes((plus, minus), (arrays["plus"], arrays["minus"]))


def write_counts(study: Study, counts: np.ndarray) -> None:
    """Store unique haplotypes, int64 (cells, 2), plus and minus; 0 for cells that were dropped."""
    write_arrays(_path(study, "counts"), {"counts": counts})


def read_counts(study: Study) -> np.ndarray:
    """What `write_counts` stored."""
    return read_arrays(_path(study, "counts"))["counts"]


class Group(NamedTuple):
    """Haplotypes ``[start, end)`` of one side of a cell."""

    cell: int
    side: int
    start: int
    end: int


def reading_shards(counts: np.ndarray, size: int) -> list[list[Group]]:
    """Readings in shards of at most ``size``, cell by cell; a group may be cut, the rest goes to the next."""
    shards: list[list[Group]] = []
    room = 0
    for cell, sides in enumerate(counts):
        for side, count in enumerate(sides):
            at = 0
            while at < count:
                if room <= 0:
                    shards.append([])
                    room = max(2, size)
                stop = min(int(count), at + room)
                shards[-1].append(Group(cell, side, at, stop))
                room -= stop - at
                at = stop
    return shards
