"""Writing files so that a half-written one is never seen."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

from genomic_models.files import write_whole
from workbench.errors import InputError

_CAUSES = {
    errno.ENOSPC: "the disk is full; free space",
    errno.EDQUOT: "the disk quota is used up; free space",
    errno.EROFS: "the folder is read-only; choose another",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
}


def refusal(error: OSError) -> str:
    """The sentence for a disk that does not take what is written; empty for another error."""
    cause = _CAUSES.get(error.errno or 0)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}cannot be written: {cause}, then run again" if cause else ""


_written: ContextVar[list[Path] | None] = ContextVar("_written", default=None)


@contextmanager
def recording() -> Iterator[list[Path]]:
    """Collect the paths that ``write_atomic`` (or ``note_written``) finishes inside the block."""
    paths: list[Path] = []
    token = _written.set(paths)
    try:
        yield paths
    finally:
        _written.reset(token)


def note_written(path: Path) -> None:
    """Tell ``recording`` of a file that was written whole by other means."""
    paths = _written.get()
    if paths is not None:
        paths.append(path)


def open_own(path: Path, mode: str) -> IO[Any]:
    """Open a file of a study's own for writing in place; ``InputError`` where it is a link to elsewhere.

    Files that are not replaced whole (a lock, a log) could otherwise be made to overwrite others.
    """
    try:
        return open(path, mode, opener=lambda p, flags: os.open(p, flags | os.O_NOFOLLOW, 0o666))
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise InputError(f"{path}: is a link, which a study's own files never are; remove it") from None


@contextmanager
def write_atomic(path: Path) -> Iterator[Path]:
    """`write_whole`, noted for ``recording``; a full disk or a read-only folder raises ``InputError``."""
    try:
        with write_whole(path) as temporary:
            yield temporary
    except OSError as error:
        if sentence := refusal(error):
            raise InputError(sentence) from error
        raise
    note_written(path)
