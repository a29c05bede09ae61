"""What the controls need before they read labels: random weights trained by the same recipe, directions.

Shard 0 trains the autoencoder of the random-weights model; shard 1 draws activations of the train split
for the bin edges of neurons and for the principal directions. Neither knows of the tracks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from genomic_models import DNAModel
from genomic_models.registry import with_random_weights
from workbench.arrays import read_arrays, write_arrays
from workbench.control_sample import sample
from workbench.detectors import Directions, Source
from workbench.progress import Progress
from workbench.reading import read_cells
from workbench.stages.imported import source_files
from workbench.stages.sae import train_config, train_sae
from workbench.stages.stage import Stage
from workbench.study import Study

CELLS = 16
"""Cells of the train split that directions and bin edges are taken from."""
DENSE = ("neuron", "pca")


def folder(study: Study) -> Path:
    """Work files of the controls."""
    return study.folder / "work" / "controls"


def random_model(study: Study) -> DNAModel:
    """The probed architecture with fresh weights; the same in every process."""
    return with_random_weights(study.model, study.config.run.seed)


def random_source(study: Study) -> Source:
    """Autoencoder of the random-weights model."""
    path = folder(study) / "random"
    return Source(SparseAutoencoder.load(path), Calibration.load(path))


def directions(study: Study) -> dict[str, Directions]:
    """Neurons and principal directions, by name."""
    arrays = read_arrays(folder(study) / "directions.npz")
    return {
        name: Directions(*(arrays[f"{name}_{part}"] for part in Directions._fields))
        for name in DENSE
    }


def _directions(study: Study, progress: Progress) -> int:
    drawn = sample(study, "train", CELLS * study.grid.stride)
    cells = [d.cell for d in drawn][:CELLS]
    stream = read_cells(study.model, study.layer, study.genome, study.grid, cells, study.batch)
    parts = []
    for reading in stream:
        parts.append(reading.activations[reading.callable])
        progress.advance(len(reading.callable) / 2)
    values = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
    if len(values) < 2:
        raise ValueError("the train split holds no callable base to take directions from")
    made = {"neuron": Directions.neurons(values), "pca": Directions.principal(values)}
    arrays = {
        f"{name}_{part}": array for name, d in made.items() for part, array in d._asdict().items()
    }
    write_arrays(folder(study) / "directions.npz", arrays)
    return sum(cell.end - cell.start for cell in cells)


def run(study: Study, shard: int, progress: Progress) -> int:
    """Train the random-weights autoencoder (0), or find directions (1)."""
    if shard == 1:
        return _directions(study, progress)
    if not study.config.controls.random_weights:
        return 0
    return train_sae(study, random_model(study), folder(study) / "random", progress)


def _size(study: Study, shard: int) -> float:
    if shard == 1:
        return CELLS * study.grid.stride
    config = train_config(study)
    return config.steps * config.batch if study.config.controls.random_weights else 0


STAGE = Stage(
    name="baselines",
    title="preparing the controls",
    needs=("plan",),
    sections=("sae", "windows", "controls", "statistics"),
    run=run,
    count=lambda study: 2,
    size=lambda study, shard: int(_size(study, shard)),
    inputs=source_files,
    model=True,
)
