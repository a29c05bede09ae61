"""Hashes of files of any size, and whether a file is still the one that was noted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from workbench.files.packs import Part
from workbench.interruption import heed

_PIECE = 1 << 20


def note_of(path: Path) -> list[int | str]:
    """What `is_noted` tells a file by: size, time of change in nanoseconds, SHA-256."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, sha256_of(path)]


def is_noted(path: Path, noted: Sequence[object], thorough: bool = False) -> bool:
    """Whether a file is the one of a note: by its size and time, or where its time differs by its hash.

    By its hash in any case where ``thorough``.
    """
    try:
        stat = path.stat()
        size, changed, digest = noted
        return stat.st_size == size and (
            (stat.st_mtime_ns == changed and not thorough) or sha256_of(path) == digest
        )
    except (OSError, ValueError, TypeError):
        return False


def sha256_of(path: Path | Part) -> str:
    """SHA-256 of a file's bytes, streamed. Raises ``OSError``, and ``Stopped`` after a request to stop."""
    digest = hashlib.sha256()
    with path.open() if isinstance(path, Part) else path.open("rb", buffering=0) as handle:
        while piece := handle.read(_PIECE):
            digest.update(piece)
            heed()
    return digest.hexdigest()
