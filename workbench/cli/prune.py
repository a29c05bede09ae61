"""A smaller model of a study's model."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.experiments import Folder, Later, Name, Workers, ask
from workbench.errors import InputError
from workbench.experiments.settings import PruneSettings
from workbench.files.settings import sentence

DEFAULT = PruneSettings()
SIZES = ",".join(f"{share:g}" for share in DEFAULT.sizes)


def prune(
    folder: Folder,
    track: Annotated[str, typer.Option(help=sentence(PruneSettings, "track"))] = DEFAULT.track,
    size: Annotated[float, typer.Option(help=sentence(PruneSettings, "size"))] = DEFAULT.size,
    loss: Annotated[float, typer.Option(help=sentence(PruneSettings, "loss"))] = DEFAULT.loss,
    sizes: Annotated[str, typer.Option(help=f"{sentence(PruneSettings, 'sizes')} Commas between.")] = SIZES,
    heal: Annotated[int, typer.Option(help=sentence(PruneSettings, "heal"))] = DEFAULT.heal,
    bases: Annotated[int, typer.Option(help=sentence(PruneSettings, "bases"))] = DEFAULT.bases,
    exact: Annotated[int, typer.Option(help=sentence(PruneSettings, "exact"))] = DEFAULT.exact,
    seed: Annotated[int, typer.Option(help=sentence(PruneSettings, "seed"))] = DEFAULT.seed,
    name: Name = "pruned",
    workers: Workers = 1,
    later: Later = False,
) -> None:
    """Make a smaller model that keeps what a study's regions need.

    Blocks, attention heads, filters of Hyena operators and inner channels of MLPs are ranked by what they are
    worth a parameter, in bits a base of the train split: by the gradient, and exactly for blocks and the
    leading ones. The least go until the model has --size; --heal trains it further. The smaller model lies in
    experiments/NAME/model of the study and is used as --model; page.html shows size against bits beside other
    orders (whole genome, size of weights, random), speed, and which features it kept, on the report split.
    """
    try:
        shares = [float(part) for part in sizes.split(",")]
    except ValueError:
        raise InputError(f"--sizes {sizes}: expected numbers with commas between, as 0.9,0.5") from None
    ask(
        folder,
        name,
        "prune",
        PruneSettings(track, size, loss, shares, heal, bases, exact, seed),
        workers,
        later,
    )
