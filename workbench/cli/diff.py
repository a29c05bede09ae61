"""A study's model beside another."""

from __future__ import annotations

from typing import Annotated

import typer

from genomic_models.files import expanded
from workbench.cli.experiments import Folder, Later, Name, Workers, ask
from workbench.cli.remote_code import RemoteCode, announce_code
from workbench.experiments.diff_settings import DiffSettings
from workbench.files.settings import sentence
from workbench.study.study import Study
from workbench.study.trust import accept

DEFAULT = DiffSettings()


def diff(
    folder: Folder,
    model: Annotated[str, typer.Option(help=sentence(DiffSettings, "model"))] = DEFAULT.model,
    layer: Annotated[str, typer.Option(help=sentence(DiffSettings, "layer"))] = DEFAULT.layer,
    sae: Annotated[str, typer.Option(help=sentence(DiffSettings, "sae"))] = DEFAULT.sae,
    null: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(DiffSettings, 'null')} Repeatable.")
    ] = None,
    bases: Annotated[int, typer.Option(help=sentence(DiffSettings, "bases"))] = DEFAULT.bases,
    whole: Annotated[bool, typer.Option(help=sentence(DiffSettings, "whole"))] = DEFAULT.whole,
    train: Annotated[int, typer.Option(help=sentence(DiffSettings, "train"))] = DEFAULT.train,
    shifts: Annotated[int, typer.Option(help=sentence(DiffSettings, "shifts"))] = DEFAULT.shifts,
    seed: Annotated[int, typer.Option(help=sentence(DiffSettings, "seed"))] = DEFAULT.seed,
    trust_remote_code: RemoteCode = False,
    name: Name = "diff",
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Say what differs between a study's model, a, and b: a fine-tune, a layer, an autoencoder, another kind.

    Compared on the same bases: predictions (divergence and bits a base, as bigWig files, by stretch and by
    word); the study's autoencoder on both, where widths agree; a crosscoder trained on both; and the features
    of a's and b's own autoencoders, matched by what they do, which also goes across architectures. Tables,
    and page.html with the leading differences and their genes, in the study's experiments/NAME.

    Another seed differs, too. Train two on the same genome with nothing to find, and give them as --null:

    workbench pretrain --from mini --genome genome.fa --seed 1 --out one

    workbench pretrain --from mini --genome genome.fa --seed 2 --out two

    workbench diff STUDY --model tuned --null one --null two

    Of two models without a study make one of the first: workbench new, then workbench run.
    """
    names = [_whole(each) for each in (model, *(null or []))]
    if trust_remote_code:
        from workbench.experiments.diff import code_of  # PyTorch

        for each in names:
            announce_code(each, True)
            accept(Study.open(folder).folder, code_of(each))
    settings = DiffSettings(names[0], layer, _whole(sae), names[1:], bases, whole, train, shifts, seed)
    ask(folder, name, "diff", settings, workers, later)


def _whole(name: str) -> str:
    """A name, a path in it written out from the root: the study may be run from elsewhere."""
    kind, sign, place = name.rpartition(":")
    path = expanded(place)
    return f"{kind}{sign}{path.resolve()}" if place and path.exists() else name
