"""What the controls need before they read labels: random weights trained by the same recipe, directions.

Shard 0 trains the autoencoder of the random-weights model, as long as the study's own, on a sample of what
that one is trained on (`control_cells`); shard 1 draws activations of the train split for the bin edges of
neurons and for the principal directions. Neither knows of the tracks.
"""

from __future__ import annotations

import numpy as np

from workbench.analysis.controls import folder, random_model
from workbench.analysis.detectors import Directions
from workbench.analysis.imported_sae import source_files
from workbench.analysis.kept_readings import read_kept
from workbench.analysis.sample import sample
from workbench.analysis.training import train_sae
from workbench.analysis.training_setup import train_config
from workbench.files.arrays import write_arrays
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study

# Cells of the train split that directions and bin edges are taken from.
CELLS = 16


def _directions(study: Study, progress: Progress) -> int:
    drawn = sample(study, "train", CELLS * study.grid.stride)
    cells = [d.cell for d in drawn][:CELLS]
    parts = []
    for reading in read_kept(study, cells):
        parts.append(reading.activations[reading.callable])
        progress.advance(len(reading.callable) / 2)
    values = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
    if len(values) < 2:
        raise ValueError("the train split holds no callable base to take directions from")
    made = {"neuron": Directions.neurons(values), "pca": Directions.principal(values)}
    arrays = {f"{name}_{part}": array for name, d in made.items() for part, array in d._asdict().items()}
    write_arrays(folder(study) / "directions.npz", arrays)
    return sum(cell.end - cell.start for cell in cells)


def run(study: Study, shard: Shard, progress: Progress) -> int:
    """Train the random-weights autoencoder (0), or find directions (1)."""
    bases: int = shard.task(study, progress)
    return bases


def _random(study: Study, progress: Progress) -> int:
    if not study.config.controls.random_weights:
        return 0
    return train_sae(study, random_model(study), folder(study) / "random", progress)


def _shards(study: Study) -> list[Shard]:
    config = train_config(study)
    rows = config.steps * config.batch if study.config.controls.random_weights else 0
    return [Shard(0, rows, _random), Shard(1, CELLS * study.grid.stride, _directions)]


STAGE = Stage(
    name="baselines",
    title="preparing the controls",
    needs=("plan",),
    sections=("sae", "windows", "controls", "statistics", "tracks"),
    run=run,
    shards=_shards,
    inputs=source_files,
    model=True,
    wanted=lambda study: study.config.has_annotation,
)
