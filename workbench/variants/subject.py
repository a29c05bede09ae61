"""What variants are put to: a model with its genome, and what a study adds (autoencoder, labels, tracks)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from genomic_models import load
from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.study.study import CONFIG, Study
from workbench.tracks import read_tracks

if TYPE_CHECKING:
    from feature_mining.sae.model import SparseAutoencoder
    from genomic_models import DNAModel
    from workbench.genome.reference import Genome
    from workbench.tracks import Track


@dataclass(frozen=True)
class Subject:
    """Everything that is needed to judge a variant.

    Attributes
    ----------
    name : str
        For people.
    model : DNAModel
    genome : Genome
    tracks : list of Track
    window, warmup, batch : int
        Bases around a variant, bases of context before a value counts, sequences read together.
    layer : str
        Empty without an autoencoder.
    sae : SparseAutoencoder or None
    labels : dict of int to str
        What features are known as.
    """

    name: str
    model: DNAModel
    genome: Genome
    tracks: list[Track]
    window: int
    warmup: int
    batch: int
    layer: str
    sae: SparseAutoencoder | None
    labels: dict[int, str]


def _labels(study: Study) -> dict[int, str]:
    """Labels of the study's features; none before its catalog is there."""
    try:
        return {feature: label.text for feature, label in study.feature_labels().items()}
    except InputError:
        return {}


def of_study(folder: Path) -> Subject:
    """The model, genome, autoencoder and labels of a study that has run as far as its autoencoder."""
    study = Study.open(folder)
    study.verify()
    return opened(study)


def opened(study: Study) -> Subject:
    """The same of a study that is open."""
    return Subject(
        name=f"study {study.folder.name}",
        model=study.model,
        genome=study.genome,
        tracks=study.tracks,
        window=study.grid.window,
        warmup=study.grid.warmup,
        batch=study.batch,
        layer=study.layer,
        sae=study.sae,
        labels=_labels(study),
    )


def of_model(
    name: str,
    genome: Path | None,
    tracks: Sequence[Path],
    window: int,
    device: str,
    dtype: str,
    trust_remote_code: bool = False,
) -> Subject:
    """A model by name, with a genome; no features."""
    if genome is None:
        raise InputError(
            f"{name}: not a study folder; for a model give the sequence as well, with --genome FASTA"
        )
    sequence = Genome(genome)
    model = load(name, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    # Of tokens of several bases the model itself counts.
    if window > model.context and model.base_tokens() is not None:
        raise InputError(f"--window {window}: longer than the context of {name}, {model.context}")
    found = [track for path in tracks for track in read_tracks(path, sequence)]
    return Subject(f"model {name}", model, sequence, found, window, window // 4, 8, "", None, {})


def open_subject(
    target: str,
    genome: Path | None = None,
    tracks: Sequence[Path] = (),
    window: int = 2048,
    device: str = "cpu",
    dtype: str = "float32",
    trust_remote_code: bool = False,
) -> Subject:
    """A study folder, or the name of a model."""
    if (Path(target) / CONFIG).exists():
        return of_study(Path(target))
    return of_model(target, genome, tracks, window, device, dtype, trust_remote_code)


def intervals(subject: Subject, kind: str) -> pd.DataFrame | None:
    """Intervals of the first track of a type (``CDS``, ``gene``), or None."""
    for track in subject.tracks:
        if len(track.intervals) and kind in (track.type, track.name):
            return track.intervals
    return None
