"""Writing files so that a half-written one is never seen."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import InputError

_CAUSES = {
    errno.ENOSPC: "the disk is full; free space",
    errno.EDQUOT: "the disk quota is used up; free space",
    errno.EROFS: "the folder is read-only; choose another",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
}


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
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in _CAUSES:
            text = f"{path}: cannot be written: {_CAUSES[error.errno]}, then run again"
            raise InputError(text) from error
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
