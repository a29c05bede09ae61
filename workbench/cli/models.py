"""What can be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.remote_code import RemoteCode, announce_code
from workbench.cli.tables import show
from workbench.errors import InputError
from workbench.progress import showing


def models(
    name: Annotated[
        str | None, typer.Argument(help="One model, with its layers and where its file is sought; or get.")
    ] = None,
    wanted: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="After get: the model whose files are fetched.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder with the files of released models.")] = None,
    trust_remote_code: RemoteCode = False,
) -> None:
    """List the models: size, memory needed, context, precision, and whether the file is here.

    Besides these: a folder written by `workbench pretrain`, hf:OWNER/NAME for other families, and file:PATH
    for Python that makes a network of one's own. `workbench models get MODEL` fetches the files from the
    Hugging Face hub (or HF_ENDPOINT) into --folder, goes on where a connection broke, and compares them with
    the published size and hash, where these are known; those of an hf: model go into the hub's own cache.
    """
    if name == "get" or wanted is not None:
        if name != "get" or wanted is None:
            raise InputError("expected `workbench models`, `models NAME` or `models get NAME`")
        from workbench.models.get import get_model  # PyTorch

        with showing() as progress:
            place = get_model(wanted, folder, progress)
        print(f"files: {place}")
        return
    from workbench.models.listing import describe, list_models  # PyTorch

    if name is not None:
        announce_code(name, trust_remote_code)
        print("\n".join(describe(name, folder, trust_remote_code)))
        return
    show(("model", "size", "weights", "bf16", "context", "FP8", "here"), list_models(folder))
    print("workbench models NAME shows layers, the files looked for, and notes.")
