"""Readings that several stages make, kept from the first of them until the controls are done.

What the autoencoder trains on, what it is judged on, and the samples that controls are picked and compared on
are windows that ``encode`` reads too. Their activations are kept under ``cache/activations/``, in files of
about ``PIECE`` bytes: float32, as the model gave them, rows of callable bases alone, each reading with a
checksum. ``[activations] kept`` bounds them; what is not there, or damaged, is read with the model.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from feature_mining.sae.training.source import ShuffledActivations
from genomic_models import DNAModel
from genomic_models.files import write_whole
from workbench.analysis.activations import StrandWindows
from workbench.analysis.readings import STRANDS, CellReading, read_jobs
from workbench.files.atomic import own_name
from workbench.genome.windows import Cell, read_sequence
from workbench.study.study import Study

PIECE = 64 << 20
MEBIBYTE = 1 << 20
# Of the room that is left on the disk, what a file may take.
SHARE = 0.1
# Batches that are looked ahead for readings that lack.
AHEAD = 8


class KeptReadings:
    """Kept readings of a study by one model at the study's layer, each of one strand of a cell.

    Several processes may keep at once, each in files of its own. A disk that takes no more ends the keeping
    and nothing else.
    """

    def __init__(self, study: Study, model: DNAModel) -> None:
        facts = (study.manifest.hash, model.weights_hash, study.layer, study.config.model.dtype)
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        self.study, self.folder = study, _root(study) / key
        self.most = study.config.activations.kept * MEBIBYTE
        self._places: dict[str, Path] = {}
        self._waiting: dict[str, np.ndarray] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                with safe_open(path, "numpy") as file:
                    self._places |= dict.fromkeys(file.keys(), path)
            except (OSError, SafetensorError):
                continue  # removed meanwhile, or damaged: as if it were not there

    def has(self, cell: Cell, strand: str) -> bool:
        """Whether a reading is kept."""
        name = _name(cell, strand)
        return name in self._places or name in self._waiting

    def rows(self, cell: Cell, strand: str) -> np.ndarray | None:
        """Activations of a reading's callable bases, float32 (n, d), in genome order; None of others."""
        name = _name(cell, strand)
        if name in self._waiting:
            return self._waiting[name]
        if name in self._places:
            try:
                with safe_open(self._places[name], "numpy") as file:
                    found: np.ndarray = file.get_tensor(name)
                    if file.metadata()[name] == _checksum(found):
                        return found
            except (OSError, SafetensorError):
                pass
            del self._places[name]
        return None

    def add(self, cell: Cell, strand: str, rows: np.ndarray) -> None:
        """Keep the rows of a reading, unless it is kept, there is no room, or its window is not whole.

        Windows at the ends of contigs are padded to the length of others: what they give hangs on these.
        """
        if not self.most or self.has(cell, strand) or not is_whole(self.study, cell):
            return
        # A copy, for a view holds all of its batch.
        self._waiting[_name(cell, strand)] = np.array(rows, np.float32, order="C")
        if _size(self._waiting) >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Write what was added and is not written yet."""
        waiting, self._waiting = self._waiting, {}
        if not (size := _size(waiting)):
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            used = sum(path.stat().st_size for path in self.folder.glob("*.safetensors"))
            if used + size > self.most or size > SHARE * shutil.disk_usage(self.folder).free:
                self.most = 0
                return
            path = self.folder / f"{own_name()}-{used}.safetensors"
            with write_whole(path) as temporary:
                save_file(waiting, temporary, {name: _checksum(rows) for name, rows in waiting.items()})
        except OSError:
            self.most = 0
            return
        self._places |= dict.fromkeys(waiting, path)


def forget_kept(study: Study) -> None:
    """Remove all that is kept of a study."""
    shutil.rmtree(_root(study), ignore_errors=True)


def is_whole(study: Study, cell: Cell) -> bool:
    """Whether a cell is as long as any, and its window too, on both strands."""
    grid = study.grid
    reach = max(grid.warmup, grid.lookahead)
    inside = cell.start >= reach and cell.end + reach <= study.manifest.contigs[cell.chrom]
    return cell.end - cell.start == grid.stride and (inside or cell.chrom in study.genome.circular)


def read_kept(study: Study, cells: Iterable[Cell], keep: Collection[Cell] = ()) -> Iterator[CellReading]:
    """Both strands of cells as ``read_cells`` gives them, but what is kept without the model.

    Of bases that are not callable there may be zeros. ``keep``: cells whose readings are kept from now on.
    """
    kept, batch = KeptReadings(study, study.model), study.batch
    jobs = ((cell, strand) for cell in cells for strand in STRANDS)
    ahead: list[tuple[Cell, str]] = []
    while group := list(islice(jobs, batch)):
        # What is padded, at the ends of a contig, is read in the company that it always has.
        if not all(is_whole(study, cell) for cell, _ in group):
            yield from _readings(kept, ahead, keep)
            yield from _read(study, group)
            ahead = []
            continue
        for job in group:
            ahead.append(job)
            if sum(not kept.has(*each) for each in ahead) == batch or len(ahead) == AHEAD * batch:
                yield from _readings(kept, ahead, keep)
                ahead = []
    yield from _readings(kept, ahead, keep)
    kept.flush()


def _read(study: Study, jobs: Iterable[tuple[Cell, str]]) -> Iterator[CellReading]:
    found = read_jobs(study.model, [study.layer], study.genome, study.grid, jobs, study.batch)
    return (CellReading(r.cell, r.strand, r.activations[0], r.callable) for r in found)


def _readings(
    kept: KeptReadings, jobs: Sequence[tuple[Cell, str]], keep: Collection[Cell]
) -> Iterator[CellReading]:
    """Readings in their order; those that are not kept are made together."""
    study = kept.study
    fresh = _read(study, [job for job in jobs if not kept.has(*job)])
    for cell, strand in jobs:
        if not kept.has(cell, strand):
            reading = next(fresh)
            if cell in keep:
                kept.add(cell, strand, reading.activations[reading.callable])
            yield reading
            continue
        rows = kept.rows(cell, strand)
        if rows is None:
            yield from _read(study, [(cell, strand)])
            continue
        use = read_sequence(study.genome, study.grid, cell, strand).callable
        values = rows if use.all() else np.zeros((len(use), rows.shape[1]), np.float32)
        if values is not rows:
            values[use] = rows
        yield CellReading(cell, strand, values, use)


class KeptTraining(ShuffledActivations):
    """The stream of a model's activations over windows, of which each is read once and kept."""

    windows: StrandWindows

    def __init__(
        self, kept: KeptReadings, model: DNAModel, windows: StrandWindows, batch: int, seed: int
    ) -> None:
        super().__init__(model, kept.study.layer, windows, batch, kept.study.batch, seed=seed)
        self.kept = kept

    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        places = [(self.windows.cells[i // 2], STRANDS[i % 2]) for i in indices]
        # As in `read_kept`.
        whole = all(is_whole(self.kept.study, cell) for cell, _ in places)
        held = [self.kept.rows(*place) if whole else None for place in places]
        fresh = super().read([i for i, rows in zip(indices, held, strict=True) if rows is None])
        for (cell, strand), rows in zip(places, held, strict=True):
            # Kept in genome order, read in the direction of the strand.
            step = 1 if strand == "+" else -1
            if rows is None:
                made = next(fresh)
                self.kept.add(cell, strand, made.cpu().numpy()[::step])
                yield made
            else:
                yield torch.from_numpy(np.ascontiguousarray(rows[::step])).to(self.model.device)


def _root(study: Study) -> Path:
    return study.folder / "cache" / "activations"


def _name(cell: Cell, strand: str) -> str:
    return f"{cell.chrom}:{cell.start}:{strand}"


def _size(rows: dict[str, np.ndarray]) -> int:
    return sum(part.nbytes for part in rows.values())


def _checksum(rows: np.ndarray) -> str:
    return f"{zlib.crc32(rows.data):08x}"
