"""Many files of one process in one: appended whole, read in place.

A pack only grows, and only the process that began it appends to it; what of it counts is known by whoever
keeps the places of its parts. Bytes behind them, torn by a kill, are passed over.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import NamedTuple


class Part(NamedTuple):
    """A file within another: ``size`` bytes of ``path`` from ``offset`` on."""

    path: Path
    offset: int
    size: int

    @property
    def name(self) -> str:
        """Name of the file and where in it."""
        return f"{self.path.name}@{self.offset}"

    def __str__(self) -> str:
        return f"{self.path}@{self.offset}"

    def open(self) -> io.BufferedReader:
        """The part as a file to read."""
        return io.BufferedReader(_Window(self))


class _Window(io.RawIOBase):
    def __init__(self, part: Part) -> None:
        self._file = part.path.open("rb", buffering=0)
        self._part, self._at = part, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, to: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, to + (0, self._at, self._part.size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        room = max(0, min(len(buffer), self._part.size - self._at))
        data = os.pread(self._file.fileno(), room, self._part.offset + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
