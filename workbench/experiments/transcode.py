"""Transcoders of all MLPs of a study's model, trained off one pass: what circuits are traced through."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from feature_mining.circuits.transcoders import (
    TranscoderPlan,
    load_transcoders,
    mlp_blocks,
    require_fit,
    save_transcoders,
    train_transcoders,
)
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.contract import ModelError
from workbench.analysis.activations import StrandWindows
from workbench.analysis.training import CHECKPOINT, note_files, telling
from workbench.analysis.training_setup import calibration_windows, train_cells, training_readings
from workbench.errors import InputError
from workbench.experiments.circuit_settings import TranscodeSettings
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.page import write_experiment
from workbench.experiments.question import folder_of
from workbench.files.parquet import read_parquet, write_parquet
from workbench.interruption import requested, stopped
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.study import Study

# Folder of an experiment in which they lie, one a block.
FOLDER = "transcoders"
# Table of what letters each feature is active on.
WORDS = "words.parquet"


def study_transcoders(study: Study, name: str) -> dict[str, SparseAutoencoder]:
    """Transcoders of the experiment of that name, by block.

    Raises ``InputError`` where there are none, or they are not of the study's model.
    """
    folder = folder_of(study, name) / FOLDER
    if not folder.is_dir():
        raise InputError(
            f"{study.folder}: no transcoders {name!r}; train them first with `workbench transcode"
            f" {study.folder} --name {name}`"
        )
    try:
        found = load_transcoders(folder)
        require_fit(study.model, found)
    except (ValueError, ModelError) as error:
        raise InputError(f"{folder}: {error}") from error
    return found


def hash_of(transcoders: Mapping[str, SparseAutoencoder]) -> str:
    """SHA-256 of transcoders of all blocks: what a graph was traced through."""
    hashes = "".join(transcoders[block].hash for block in sorted(transcoders))
    return hashlib.sha256(hashes.encode()).hexdigest()


def _shards(experiment: Experiment) -> list[Shard]:
    study, given = experiment.study, experiment.settings
    blocks = mlp_blocks(study.model)
    least = min(given.width * study.model.d_model(f"{block}.post_norm") for block in blocks)
    if given.k > least:
        raise InputError(f"k {given.k}: a transcoder has {least} features; ask for fewer, or a larger width")
    there = training_readings(train_cells(study)[0])
    if given.batch > there:
        raise InputError(f"batch {given.batch}: the train split has {there:,} readings of bases; use less")
    return [Shard(0, _plan(given).steps * given.batch)]


def _plan(given: TranscodeSettings) -> TranscoderPlan:
    steps = max(1, given.bases // given.batch)
    return TranscoderPlan(given.width, given.k, steps, given.batch, given.seed)


def _run(experiment: Experiment, shard: Shard, progress: Progress) -> int:
    study, given = experiment.study, experiment.settings
    windows = StrandWindows(study.genome, study.grid, train_cells(study)[0])
    working = experiment.folder / "training"
    trained = train_transcoders(
        study.model, windows, calibration_windows(study), _plan(given), study.batch,
        telling(progress, given.batch), working / CHECKPOINT, requested,
    )  # fmt: skip
    if trained is None:
        raise stopped()
    save_transcoders(trained, experiment.folder / FOLDER)
    note_files(experiment.folder / FOLDER)
    write_parquet(experiment.folder / WORDS, trained.words)
    write_parquet(experiment.part(shard.index), pd.DataFrame(trained.fits))
    shutil.rmtree(working)
    return shard.size


def _finish(experiment: Experiment) -> None:
    fits = read_parquet(experiment.part(0))
    write_parquet(experiment.folder / "fits.parquet", fits)
    where = (Path(experiment.name) / FOLDER).as_posix()
    write_experiment(experiment, "transcoded.html.j2", fits=fits.to_dict("records"), where=where)


KIND = Kind(
    name="transcode",
    title="transcoders of all MLPs, for circuits",
    settings=TranscodeSettings,
    needs=("sae",),
    shards=_shards,
    run=_run,
    finish=_finish,
    features=False,
)
