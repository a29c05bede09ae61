"""Files: written so that a half-written one is never seen; JSON that is read in one way; ``~`` in names."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

# What names of temporary files hold, before host, process and a random part.
MARK = ".tmp-"
# Seconds after which a temporary file of another host is taken for left behind.
LEFT = 86_400
_NUMBER = re.compile(r"\b(?:errno|os error)\W{1,3}(\d+)", re.IGNORECASE)
_SHORT = re.compile(r"requested and \d+ written|unexpected pos \d+ vs")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def expanded(path: str | Path) -> Path:
    """A path with ``~`` and ``~user`` written out; of a user that there is not, the path as it is."""
    return Path(os.path.expanduser(path))


@contextmanager
def write_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed to disk and renamed to ``path``.

    The file has the permissions that the umask leaves, also where a library asks for fewer. On failure it is
    removed and ``path`` stays as it was. Raises ``OSError`` with the system's number and ``path`` where the
    system refused to write, also where a library says so in a class of its own.
    """
    # A name that nobody can foresee, of a file that was not there: no link can be planted in its place.
    temporary = path.with_name(f".{path.name}{MARK}{owner()}-{secrets.token_hex(4)}")
    try:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        if temporary.stat().st_mode != mode:
            temporary.chmod(mode)
        temporary.replace(path)
    except Exception as error:
        number = _system_number(error)
        named = isinstance(error, OSError) and error.filename not in (None, str(temporary))
        if not number or named:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _system_number(error: Exception) -> int:
    """The system's number of an error; 0 where it has none.

    HDF5 (``errno = 28``), Arrow (``[errno 28]``) and safetensors (``os error 28``) tell of a disk without
    room in the text alone; NumPy and PyTorch tell only that less was written than they gave.
    """
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if _SHORT.search(str(error)):
        return errno.ENOSPC
    found = _NUMBER.search(str(error))
    number = int(found.group(1)) if found else 0
    return number if number in _NO_ROOM else 0


def read_json(path: Path) -> Any:
    """What a file of JSON holds; ``ValueError`` for one that is missing, damaged or nested without end."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{path}: cannot be read as JSON ({cause})") from None


def owner() -> str:
    """Host and process, as names of temporary files have them."""
    return f"{platform.node()}-{os.getpid()}"


def remove_leftovers(folder: Path, name: str = "", deep: bool = True) -> None:
    """Remove temporary files that a process which was killed left anywhere below a folder.

    Those of this host whose process is gone; of other hosts, those older than a day. With ``name``, those of
    that file of the folder alone; unless ``deep``, those of the folder itself, temporary folders too.
    """
    named = f".{escape(name) if name else '*'}{MARK}*"
    for path in list(folder.glob(named) if name or not deep else folder.rglob(named)):
        host, _, rest = path.name.partition(MARK)[2].rpartition("-")[0].rpartition("-")
        try:
            here = host == platform.node() and rest.isdigit()
            old = time.time() - path.lstat().st_mtime > LEFT
            if not _running(int(rest)) if here else old:
                shutil.rmtree(path) if not deep and path.is_dir() else path.unlink()
        except (OSError, OverflowError):
            continue  # gone already, not ours to remove, or of no process


def _running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
