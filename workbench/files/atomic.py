"""Writing files so that a half-written one is never seen."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import IO, Any

from genomic_models.files import owner, write_whole
from workbench.errors import InputError
from workbench.files.packs import Part

# Folders of a study that runs and experiments write to.
WRITTEN = (
    *("activations", "cache", "concepts", "experiments", "features", "jobs", "layers"),
    *("ledger", "logs", "sae", "tables", "work"),
)
_CAUSES = {
    errno.ENOSPC: "the disk is full; free space",
    errno.EDQUOT: "the disk quota is used up; free space",
    errno.EROFS: "the folder is read-only; choose another",
    errno.EACCES: "no permission to write there; choose another folder",
    errno.EPERM: "no permission to write there; choose another folder",
}
_NO_FILE = {errno.ELOOP: "a link", errno.ENXIO: "a pipe or a device", errno.EISDIR: "a folder"}


def refusal(error: OSError) -> str:
    """The sentence for a disk that does not take what is written; empty for another error."""
    cause = _CAUSES.get(error.errno or 0)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}cannot be written: {cause}, then run again" if cause else ""


_written: ContextVar[list[Path | Part] | None] = ContextVar("_written", default=None)


@contextmanager
def recording() -> Iterator[list[Path | Part]]:
    """Collect the paths that ``write_atomic`` (or ``note_written``) finishes inside the block."""
    paths: list[Path | Part] = []
    token = _written.set(paths)
    try:
        yield paths
    finally:
        _written.reset(token)


_own = (0, "")


def own_name() -> str:
    """Host, process and a random part: names a file that this process alone writes; another after a fork."""
    global _own
    if _own[0] != os.getpid():
        _own = os.getpid(), f"{owner()}-{secrets.token_hex(4)}"
    return _own[1]


def note_written(path: Path | Part) -> None:
    """Tell ``recording`` of a file that was written whole by other means."""
    paths = _written.get()
    if paths is not None:
        paths.append(path)


def open_own(path: Path, mode: str) -> IO[Any]:
    """Open a file of a study's own in place; ``InputError`` where it is a link, a pipe or a device.

    Files that are not replaced whole (a lock, a log) could otherwise be made to overwrite others, and a pipe
    would be waited for.
    """

    def opener(name: str, flags: int) -> int:
        number = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        mode = os.fstat(number).st_mode
        if not S_ISREG(mode):
            os.close(number)
            raise OSError(errno.EISDIR if S_ISDIR(mode) else errno.ENXIO, "")
        return number

    try:
        return open(path, mode, opener=opener)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        raise InputError(
            f"{path}: is {_NO_FILE[error.errno]}, which a study's own files never are; remove it"
        ) from None


def refuse_links(study: Path) -> None:
    """Raise ``InputError`` where a folder that a study writes to is a link to a place outside of it.

    ``study`` itself has no links in its path.
    """
    for name in WRITTEN:
        found = [study / name]
        for folder, names, _ in os.walk(study / name):
            found += [Path(folder, each) for each in names]
        for path in found:
            if path.is_symlink() and not path.resolve().is_relative_to(study):
                raise InputError(
                    f"{path}: is a link to a place outside of the study, where it never writes; remove it"
                )


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Raise ``InputError`` where the disk is full or the folder read-only."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        if sentence := refusal(error):
            raise InputError(sentence) from error
        raise


@contextmanager
def write_atomic(path: Path) -> Iterator[Path]:
    """`write_whole`, noted for ``recording``; a full disk or a read-only folder raises ``InputError``."""
    with _refusing(path), write_whole(path) as temporary:
        yield temporary
    note_written(path)


def append_line(path: Path, line: bytes, lasting: bool = True) -> None:
    """Append a line to a file that this process alone writes; where ``lasting`` it is on the disk then.

    A line that was torn, by a full disk, is ended first. Raises ``InputError`` as `write_atomic` does.
    """
    with _refusing(path), open_own(path, "ab") as handle:
        handle.write(b"\n" + line + b"\n")
        handle.flush()
        if lasting:
            os.fsync(handle.fileno())


def append_part(pack: Path, data: bytes) -> Part:
    """Append to a pack that this process alone writes: on the disk then, and noted for ``recording``.

    A kill leaves bytes behind that no part is of. Raises ``InputError`` as `write_atomic` does.
    """
    with _refusing(pack), open_own(pack, "ab") as handle:
        part = Part(pack, handle.seek(0, os.SEEK_END), len(data))
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    note_written(part)
    return part
