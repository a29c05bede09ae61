"""What can be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def models(
    name: Annotated[
        str | None, typer.Argument(help="One model, with its layers and where its file is sought.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder with the files of released models.")
    ] = None,
) -> None:
    """List the models: size, memory needed, context, precision, and whether the file is here.

    Besides these: a folder written by `workbench pretrain`, and hf:OWNER/NAME for other families.
    """
    from rich.console import Console
    from rich.table import Column, Table

    from workbench.model_list import describe, list_models

    console = Console()
    if name is not None:
        for line in describe(name, folder):
            console.print(line, markup=False, highlight=False)
        return
    name_column = Column("model", no_wrap=True)
    table = Table(name_column, "size", "weights", "bf16", "context", "FP8", "here")
    for row in list_models(folder):
        table.add_row(*row)
    console.print(table)
    console.print("workbench models NAME shows layers, the files looked for, and notes.")
