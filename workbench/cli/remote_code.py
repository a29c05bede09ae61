"""The option that lets code of a model run, and what is said of that code before it does."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from genomic_models.code_files import code_files
from genomic_models.files import expanded
from workbench.errors import InputError

RemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run the code of an hf: or file: model; its files and their SHA-256 are said. Read it first.",
    ),
]


def announce_code(model: str, trusted: bool) -> None:
    """Say which files' code a model will run, to standard error, where its user agreed to that.

    Raises ``InputError`` for code of a repository that is not here: it could run only unseen.
    """
    if not trusted:
        return
    found = code_files(model)
    for path, digest in found.items():
        print(f"runs code of {path} (sha256 {digest})", file=sys.stderr)
    kind, _, place = model.partition(":")
    if kind == "hf" and not expanded(place).is_dir() and not any(path.endswith(".py") for path in found):
        raise InputError(
            f"model {model}: its code is not on this machine, to be read before it runs: fetch the repository"
            " into a folder and give hf:FOLDER, or leave --trust-remote-code out"
        )
