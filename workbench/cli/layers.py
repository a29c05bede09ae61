"""Which layer of a model is worth a study."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.experiments import Folder, Later, Name, ask
from workbench.experiments.settings import LayersSettings
from workbench.files.settings import sentence

DEFAULT = LayersSettings()


def layers(
    folder: Folder,
    layer: Annotated[
        list[str] | None, typer.Option(help=f"{sentence(LayersSettings, 'layers')} Repeatable.")
    ] = None,
    bases: Annotated[int, typer.Option(help=sentence(LayersSettings, "bases"))] = DEFAULT.bases,
    name: Name = "layers",
    later: Later = False,
) -> None:
    """Scan the layers of a model on a sample of a planned study, and recommend one.

    At every layer linear probes are fitted to the study's tracks on half of the select split, and scored on
    the report split; beside them stand how many dimensions its activations have, and the bits a base that are
    lost with the layer at its mean. Run the study --until plan first, then set [model] layer to what you
    choose. Tables, and page.html with the pictures, in the study's experiments/NAME.
    """
    ask(folder, name, "layers", LayersSettings(layer or [], bases), 1, later)
