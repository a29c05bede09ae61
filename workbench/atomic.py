"""Writing files so that a half-written one is never seen."""

from __future__ import annotations

import errno
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from workbench.errors import InputError

_CAUSES = {
    errno.ENOSPC: "the disk is full; free space",
    errno.EDQUOT: "the disk quota is used up; free space",
    errno.EROFS: "the folder is read-only; choose another",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
}


def _number(error: OSError) -> int:
    """The system's error number; HDF5 gives it in the text alone."""
    found = re.search(r"errno = (\d+)", str(error))
    return error.errno or (int(found.group(1)) if found else 0)


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


@contextmanager
def write_atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed to disk and renamed to ``path``.

    On failure it is removed and ``path`` stays as it was. A full disk or a read-only folder raises
    ``InputError``.
    """
    temporary = path.with_name(f".{path.name}.tmp-{platform.node()}-{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        note_written(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        cause = _CAUSES.get(_number(error))
        if cause:
            raise InputError(f"{path}: cannot be written: {cause}, then run again") from error
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
