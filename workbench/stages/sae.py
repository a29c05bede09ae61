"""Training the autoencoder on the train split, and calibrating it on cells it did not see.

Files of a study::

    sae/config.json, sae.safetensors     the study's autoencoder
    sae/calibration.safetensors          where the values of its features lie
    sae/training.safetensors             checkpoint of the run, of all seeds together
    sae/seed-1/, sae/seed-2/, ...        with [sae] seeds = 3: the same three files of the others, which were
                                         trained off the same stream from dictionaries of seed + 1, + 2, ...

``seed_folders(study)`` lists the folders of all that were trained, the study's own first; each is read with
``SparseAutoencoder.load`` and ``Calibration.load``. Facts of the training are ``study.facts("training")``;
its ``seeds`` holds those of the others.
"""

from __future__ import annotations

from workbench.analysis.imported_sae import source_files
from workbench.analysis.training import train_sae
from workbench.analysis.training_setup import train_config
from workbench.stages.stage import Shard, Stage
from workbench.study.study import Study


def inputs(study: Study) -> dict[str, str]:
    """What else the autoencoder depends on: the one that is taken over, the processes that train."""
    together = study.config.run.trainers
    return source_files(study) | ({"trainers": str(together)} if together > 1 else {})


STAGE = Stage(
    name="sae",
    title="training the autoencoder",
    needs=("plan",),
    sections=("sae", "windows"),
    run=lambda study, shard, progress: train_sae(study, study.model, study.folder / "sae", progress),
    shards=lambda study: [Shard(0, train_config(study).steps * train_config(study).batch)],
    inputs=inputs,
    processes=lambda study: study.config.run.trainers,
    model=True,
)
