"""A model treated for what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.experiments import Folder, Later, Name, Workers, ask
from workbench.experiments.treat_settings import TreatSettings
from workbench.files.settings import sentence

DEFAULT = TreatSettings()


def treat(
    folder: Folder,
    symptom: Annotated[
        str, typer.Option(help=f"{sentence(TreatSettings, 'symptom')} Or a BED file in place of a track.")
    ],
    treatment: Annotated[str, typer.Option(help=sentence(TreatSettings, "treatment"))] = DEFAULT.treatment,
    most: Annotated[int, typer.Option(help=sentence(TreatSettings, "most"))] = DEFAULT.most,
    loss: Annotated[float, typer.Option(help=sentence(TreatSettings, "loss"))] = DEFAULT.loss,
    train: Annotated[int, typer.Option(help=sentence(TreatSettings, "train"))] = DEFAULT.train,
    bases: Annotated[int, typer.Option(help=sentence(TreatSettings, "bases"))] = DEFAULT.bases,
    seed: Annotated[int, typer.Option(help=sentence(TreatSettings, "seed"))] = DEFAULT.seed,
    name: Name = "treatment",
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Treat a model for a symptom, and see what else that changes.

    On the select split the symptom is attributed to features and to parts of the network, beside random
    directions, other features and the same loss at another place; treatments are made of what carries it and
    tried. The one that relieves most within --loss is followed up on the report split, beside a sham
    (features of the same density, parts of the same kind, training on shuffled sequence) and a random
    direction: the symptom, bits a base by class of region, every detector, verdict and flag, before and
    after, with intervals over blocks of the genome. The treatment is kept as plan.json or as a model.
    """
    kind, _, place = symptom.partition(":")
    if kind == "loci" and Path(place).is_file():
        # The question may be run from another folder.
        symptom = f"loci:{Path(place).resolve()}"
    settings = TreatSettings(symptom, treatment, most, loss, train, bases, seed)
    ask(folder, name, "treat", settings, workers, later)
