"""What can be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.tables import show


def models(
    name: Annotated[
        str | None, typer.Argument(help="One model, with its layers and where its file is sought.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder with the files of released models.")] = None,
) -> None:
    """List the models: size, memory needed, context, precision, and whether the file is here.

    Besides these: a folder written by `workbench pretrain`, and hf:OWNER/NAME for other families.
    """
    from workbench.models.listing import describe, list_models  # PyTorch

    if name is not None:
        print("\n".join(describe(name, folder)))
        return
    show(("model", "size", "weights", "bf16", "context", "FP8", "here"), list_models(folder))
    print("workbench models NAME shows layers, the files looked for, and notes.")
