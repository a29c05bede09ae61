"""What the controls are read from: random weights, neurons and principal directions, headline features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from feature_mining.association.labels import Column
from feature_mining.association.scores import best_per_track
from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from genomic_models import DNAModel
from genomic_models.registry import with_random_weights
from workbench.analysis.detectors import Directions, Source
from workbench.analysis.labels import study_columns
from workbench.analysis.sample import deal, report_sample
from workbench.errors import InputError
from workbench.files.arrays import read_arrays
from workbench.study.study import Study

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
    return {name: Directions(*(arrays[f"{name}_{part}"] for part in Directions._fields)) for name in DENSE}


def refuse_without_work(study: Study) -> None:
    """Raise ``InputError`` where a study that ran is without its work files, as a copy for readers."""
    if not folder(study).is_dir():
        raise InputError(
            f"{study.folder}: is without its work files, which this reads; make them with `workbench run"
            f" {study.folder} --force annotate`"
        )


def sampled_path(study: Study, shard: int) -> Path:
    """File of one part of the report sample: scores of the controls, labels and weights of its bases."""
    return folder(study) / "scores" / f"{shard:05d}.npz"


def sampled(study: Study, name: str) -> np.ndarray:
    """An array of all parts of the report sample, a row a callable base of a reading, in their order."""
    parts = range(len(deal(report_sample(study))))
    return np.concatenate([read_arrays(sampled_path(study, part), [name])[name] for part in parts])


def headline_features(study: Study) -> np.ndarray:
    """The feature of each column, picked on the whole select split; -1 where there is none."""
    best = headlines(study)
    return np.array([best[c]["feature"] if c in best else -1 for c in study_columns(study)], int)


def headlines(study: Study) -> dict[Column, dict[str, Any]]:
    """Row of the associations of each column's best feature; a track absent from select has none."""
    best = best_per_track(study.table("associations")).dropna(subset=["feature"])
    rows = best.astype({"feature": int}).to_dict("records")
    return {(row["track"], row["mode"]): row for row in rows}
