"""The command ``workbench session``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.text import read_text
from workbench.study.session_file import parse_session, read_session, restore_session, session_text
from workbench.study.study import Study


def session(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")],
    out: Annotated[Path | None, typer.Option(help="File to write, JSON.")] = None,
    restore: Annotated[Path | None, typer.Option(help="File to read, as --out wrote it.")] = None,
) -> None:
    """Save what was written in a study (notes, names, lists, marks, paintings) as one file, or restore it.

    To a file, and from it into a copy of the study on another machine:
    workbench session DIR --out session.json
    workbench session COPY --restore session.json

    Restoring adds to what is there; where both have a note or a list, that of the file stays. A file of
    another genome or autoencoder is refused with both hashes, a damaged one too; then nothing is written.
    """
    if (out is None) == (restore is None):
        raise InputError("session: expected either --out FILE or --restore FILE")
    study = Study.open(folder)
    if restore is not None:
        found = parse_session(study, read_text(restore), str(restore))
        restore_session(study, found)
        print(f"restored: {found}")
    elif out is not None:
        found = read_session(study, {})
        with write_atomic(out) as temporary:
            temporary.write_text(session_text(study, found), encoding="utf-8")
        print(f"{out}: {found}")
