"""Reading text files, gzipped or not, line by line, with errors that name the file and the line."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from workbench.errors import InputError

_GZIP = b"\x1f\x8b"
_PACKED = (".gz", ".bgz", ".bgzip")
# The empty block that ends every file written by bgzip (SAM specification, section 4.1.2).
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def suffix_of(path: Path) -> str:
    """Suffix in lower case, compression taken off: ``.fa`` for ``x.fa.gz``."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def stem_of(path: Path) -> str:
    """File name without compression and suffix: ``peaks.v2`` for ``peaks.v2.bed.gz``."""
    name = path.name
    for packed in _PACKED:
        if name.lower().endswith(packed):
            name = name[: -len(packed)]
    return name.rsplit(".", 1)[0]


def open_text(path: Path) -> TextIO:
    """Open a text file, gzipped or not (by its first bytes).

    Raises ``InputError`` if it cannot be opened, or is a bgzip file without its end marker.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(18)
            if head[:2] == _GZIP and head[12:14] == b"BC":
                handle.seek(-min(len(_BGZF_END), path.stat().st_size), io.SEEK_END)
                if handle.read() != _BGZF_END:
                    raise InputError(
                        f"{path}: a bgzip file without its end marker: truncated; fetch the file again"
                    )
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if head[:2] == _GZIP:
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def read_lines(path: Path, limit: int = -1) -> Iterator[tuple[int, str]]:
    """``(number, line)`` of a text file, from 1, line ends off.

    Lines longer than ``limit`` letters come in pieces that share their number. Raises ``InputError`` for a
    damaged gzip or bytes that are not UTF-8, with the line.
    """
    number = 1
    try:
        with open_text(path) as handle:
            while line := handle.readline(limit):
                yield number, line.rstrip("\r\n")
                number += line.endswith("\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: damaged or truncated gzip, at line {number:,} ({error}); fetch the file again"
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: near line {number:,}: bytes that are not UTF-8 text; expected a text file, plain or"
            " gzipped"
        ) from None
