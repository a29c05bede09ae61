"""Foreign binary files, read by libraries in a child process: what crashes or overfills them ends only that.

htslib (BCF, indexes) and pybigtools (bigWig) are native code; a few damaged bytes can end the process that
calls them. The child (`workbench.files.foreign`) has limits of memory and of time, is started at the first
request, and is used again.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path

from workbench.files.foreign import MEMORY, SECONDS
from workbench.interruption import heed

_SCRIPT = Path(__file__).with_name("foreign.py")
# Children that are kept for the next request.
_IDLE = 2
_LONGEST = 1 << 30


class ReadFailure(Exception):
    """A file could not be read; says why."""


class _Child:
    """A child process and the connection to it. ``ready``: whether it waits for a request."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        # What the libraries print: it often says more than their exceptions do.
        self.log = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-P", _SCRIPT, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.log,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        theirs.close()
        self.ready = True

    def ask(self, request: bytes) -> bytes | None:
        """The item that a request gives, None for the end; ``ReadFailure``."""
        self.log.truncate(0)
        self.ready = False
        try:
            self.connection.send_bytes(request)
            reply = self.connection.recv_bytes(_LONGEST)
        except (EOFError, OSError):
            raise ReadFailure(self._end()) from None
        self.ready = True
        if reply[:1] == b"!":
            more = [line for line in self._printed() if line.startswith(b"[E::")]
            raise ReadFailure("; ".join(_printable(s) for s in (reply[1:], *more[-1:])))
        return reply[1:] if reply[:1] == b"+" else None

    def _printed(self) -> list[bytes]:
        self.log.seek(0)
        return self.log.read().splitlines()

    def _end(self) -> str:
        """Close, and say what ended the child."""
        self.close()
        number, printed = -self.process.returncode, self._printed()
        if number == signal.SIGXCPU:
            return f"one step took its reader more than {SECONDS} s of computing"
        if any(b"memory allocation" in line for line in printed):
            return f"its reader wanted more than {MEMORY >> 30} GiB of memory"
        if number > 0:
            return f"its bytes made the reader crash, {signal.Signals(number).name}"
        return f"its reader did not start: {_printable(b' '.join(printed[-1:]))}"

    def close(self) -> None:
        """End the process."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


def _printable(text: bytes) -> str:
    return "".join(c if c.isprintable() else "?" for c in text.decode(errors="replace"))


_idle: list[_Child] = []
# Those of a parent are not ours to use or to end.
os.register_at_fork(after_in_child=_idle.clear)


@atexit.register
def _close() -> None:
    while _idle:
        _idle.pop().close()


def read_foreign(reading: str, path: Path, *arguments: object) -> Iterator[bytes]:
    """Items of a reading (a function of `workbench.files.foreign`) of a file; ``ReadFailure``.

    Any number may be open at a time; each has a child of its own until it ends or is closed.
    """
    if not path.is_file():
        raise ReadFailure("not a file")
    # An absolute path: the libraries take what looks like an address for one, and "-" for the input.
    request = json.dumps([reading, os.path.abspath(path), *arguments]).encode()
    try:
        child = _idle.pop()
    except IndexError:
        child = _Child()
    try:
        while (item := child.ask(request)) is not None:
            yield item
            heed()
            request = b""
    finally:
        if child.ready and len(_idle) < _IDLE:
            _idle.append(child)
        else:
            child.close()
