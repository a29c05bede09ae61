"""Features along sequence, cell by cell, from a study's maps or read anew; memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from feature_mining.feature_map import Csr
from workbench.analysis.readings import STRANDS, read_cells
from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.genome.windows import Cell, Grid, Sequences
from workbench.interruption import heed
from workbench.study.study import CONFIG, Study


class Piece(NamedTuple):
    """One strand of a cell: row ``r`` is base ``cell.start + r`` on both strands.

    features : Csr, n rows; valued : bool (n), bases that have a value
    """

    cell: Cell
    strand: str
    features: Csr
    valued: np.ndarray


class Source(Protocol):
    """Sequence whose features can be read."""

    @property
    def genome(self) -> Sequences:
        """Its letters."""

    def cells(self, chrom: str) -> list[Cell]:
        """How a sequence is cut, in order."""

    def read(self, cells: Sequence[Cell], strands: Sequence[str] = STRANDS) -> Iterator[Piece]:
        """Each strand of each cell, in the order of ``cells``."""


class StudySource:
    """The feature maps of a study: its own genome, read when the study was run."""

    def __init__(self, study: Study) -> None:
        self.study, self.genome = study, study.genome

    def cells(self, chrom: str) -> list[Cell]:
        """Cells of the study's grid."""
        return self.study.grid.cells(chrom, self.study.manifest.contigs[chrom])

    def read(self, cells: Sequence[Cell], strands: Sequence[str] = STRANDS) -> Iterator[Piece]:
        """From the maps; bases that the study did not read have no value."""
        store = self.study.features
        for cell in cells:
            for strand in strands:
                rows = store.rows(cell.chrom, cell.start, cell.end, strand)
                yield Piece(cell, strand, rows.features, rows.callable)
            heed()


class FileSource:
    """A sequence file, read by a study's model and autoencoder.

    Parameters
    ----------
    study : Study
    path : Path
        FASTA, GenBank or EMBL.
    whole : bool
        A sequence no longer than a window is read in one piece from its first base, as it is when it is
        written, and all of its bases have a value. Otherwise all are read by the study's windows, whose first
        bases are warm-up.
    """

    def __init__(self, study: Study, path: Path, whole: bool = False) -> None:
        self.study, self.path, self.whole = study, path, whole
        self.genome = Genome(path)

    def _grid(self, chrom: str) -> Grid:
        grid = self.study.grid
        short = self.whole and self.genome.lengths[chrom] <= grid.window
        return Grid(grid.window, 0) if short else grid

    def cells(self, chrom: str) -> list[Cell]:
        """Cells of the study's grid, or the whole of a short sequence."""
        return self._grid(chrom).cells(chrom, self.genome.lengths[chrom])

    def read(self, cells: Sequence[Cell], strands: Sequence[str] = STRANDS) -> Iterator[Piece]:
        """Read anew by the model; ``cells`` are of one sequence."""
        if not cells:
            return
        study, grid = self.study, self._grid(cells[0].chrom)
        readings = read_cells(study.model, study.layer, self.genome, grid, cells, study.batch, strands)
        for cell, strand, activations, valued in readings:
            features = study.sae.encode_sparse(np.ascontiguousarray(activations))
            yield Piece(cell, strand, features, valued)
            heed()


def open_source(subject: Path, study: Path | None, whole: bool = False) -> tuple[Study, Source]:
    """What is scanned, and the study whose model and autoencoder read it.

    Parameters
    ----------
    subject : Path
        Folder of a study, or a sequence file.
    study : Path, optional
        Needed for a file.
    whole : bool
        See `FileSource`.
    """
    if (subject / CONFIG).exists():
        own = Study.open(subject)
        return own, StudySource(own)
    if subject.is_dir():
        raise InputError(f"{subject}: holds no study; expected the folder of one, or a sequence file")
    if study is None:
        raise InputError(f"{subject}: read by which model and autoencoder? Give the study, with --study DIR")
    opened = Study.open(study)
    return opened, FileSource(opened, subject, whole)
