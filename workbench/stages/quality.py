"""Quality of the autoencoder on the report split: reconstruction, fidelity, shift consistency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from feature_mining.sae.quality import measure, summarise
from feature_mining.sae.source import read_activations
from feature_mining.sae.splice import splice_bits
from workbench.progress import Progress
from workbench.reading import read_cells
from workbench.stages.sae import StrandWindows, train_cells
from workbench.stages.stage import Stage
from workbench.study import Study
from workbench.windows import Cell, read_sequence

BASES = 100_000
SPLICED_CELLS = 16
SHIFTED_CELLS = 16
BINS = 64


def report_cells(study: Study, bases: int) -> list[Cell]:
    """Whole cells of the report split, thinned evenly to about ``bases`` bases."""
    cells = study.split.cells(study.grid, study.manifest.contigs, "report")
    step = max(1, sum(c.end - c.start for c in cells) // bases)
    return cells[::step]


def _mean_activation(study: Study) -> torch.Tensor:
    """Mean activation over calibration cells (not the report split)."""
    _, held_out = train_cells(study)
    step = max(1, len(held_out) // 8)
    stream = read_cells(
        study.model,
        study.layer,
        study.genome,
        study.grid,
        held_out[::step],
        study.batch,
    )
    rows = np.concatenate([r.activations[r.callable] for r in stream])
    return torch.from_numpy(rows.mean(axis=0))


def shift_curve(study: Study, cells: list[Cell]) -> dict[str, object]:
    """Relative change of a base's activations and features when its window begins elsewhere.

    For each whole cell the window is read as it is, and again begun half a window further left; at each
    position of the first the change is ``|a - b| / |b|``, ``b`` being the reading with more context.
    """
    grid = study.grid
    offset = grid.window // 2
    whole = replace(grid, warmup=0)
    change = np.zeros((2, grid.window))
    size = np.zeros((2, grid.window))
    for cell in cells:
        start = cell.start - grid.warmup
        if start - offset < 0 or start + grid.window > study.manifest.contigs[cell.chrom]:
            continue
        near = Cell(cell.chrom, start, start + grid.window, 0)
        far = Cell(cell.chrom, start - offset, start + grid.window, 0)
        short, long = (
            read_activations(
                study.model, study.layer, [read_sequence(study.genome, whole, c, "+").sequence]
            )[0].cpu()
            for c in (near, far)
        )
        long = long[offset:]
        f, g = study.sae.encode(short), study.sae.encode(long)
        for row, (a, b) in enumerate(((short, long), (f, g))):
            change[row] += (a - b).square().sum(1).numpy()
            size[row] += b.square().sum(1).numpy()
    step = max(1, grid.window // BINS)
    edges = np.arange(0, grid.window, step)
    with np.errstate(invalid="ignore", divide="ignore"):
        curve = np.sqrt(
            np.add.reduceat(change, edges, axis=1) / np.add.reduceat(size, edges, axis=1)
        )
    return {
        "offset": offset,
        "position": edges.tolist(),
        "activation": curve[0].tolist(),
        "features": curve[1].tolist(),
        "warmup": grid.warmup,
    }


def run(study: Study, shard: int, progress: Progress) -> int:
    """Write the facts ``quality``."""
    cells = report_cells(study, BASES)
    together = study.batch

    def rows() -> Iterator[np.ndarray]:
        stream = read_cells(study.model, study.layer, study.genome, study.grid, cells, together)
        for reading in stream:
            progress.advance(len(reading.callable) / 2)
            yield reading.activations[reading.callable]

    quality = summarise(measure(study.sae, rows()), study.sae.b_dec.numpy())
    numbers = {k: v for k, v in quality._asdict().items() if isinstance(v, float | int)}
    few = cells[:: max(1, len(cells) // SPLICED_CELLS)][:SPLICED_CELLS]
    windows = StrandWindows(study.genome, study.grid, few)
    spliced = splice_bits(
        study.model, study.layer, study.sae, windows, _mean_activation(study), together
    )
    facts = {
        **numbers,
        "k": study.sae.config.k,
        "bases": quality.rows,
        "split": "report",
        "density": {
            "edges": quality.density_edges.tolist(),
            "counts": quality.density_counts.tolist(),
        },
        "bits": {**spliced.per_base(), "bases": spliced.bases},
        "shift": shift_curve(study, cells[:: max(1, len(cells) // SHIFTED_CELLS)][:SHIFTED_CELLS]),
    }
    study.write_facts("quality", facts)
    return quality.rows


STAGE = Stage(
    name="quality",
    title="judging the autoencoder on held-out sequence",
    needs=("sae",),
    sections=("windows",),
    run=run,
    size=lambda study, shard: sum(c.end - c.start for c in report_cells(study, BASES)),
    model=True,
)
