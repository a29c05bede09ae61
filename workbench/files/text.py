"""Reading text files, gzipped or not, line by line, with errors that name the file and the line."""

from __future__ import annotations

import codecs
import gzip
import io
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from workbench.errors import InputError
from workbench.interruption import heed
from workbench.wording import visible, visible_name

_GZIP = b"\x1f\x8b"
# Letters of a line, at most.
LONGEST = 64 << 20
# Bytes of a file that is read whole, at most.
LARGEST = 256 << 20
# Letters after which a request to stop is looked for.
_OFTEN = 1 << 20
_PACKED = (".gz", ".bgz", ".bgzip")
_ENCODINGS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MARK = "\ufeff"
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
    return visible_name(name.rsplit(".", 1)[0])


def check_file(path: Path) -> None:
    """Raise ``InputError`` for what cannot be read to an end: nothing there, a folder, a pipe, a device."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise InputError(f"{path}: is {kind}; expected a file")


def read_text(path: Path) -> str:
    """The whole of a small text file of a study's own; ``InputError`` where it is none."""
    check_file(path)
    try:
        with path.open("rb") as handle:
            content = handle.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError(f"{path}: larger than {LARGEST >> 20} MiB; expected a file of a study")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


class _Text(io.TextIOWrapper):
    """Text whose lines have an end, so that memory is bounded, and hold nothing unseen but tabs.

    Names enter here, whatever the format: control characters in them stand as their escapes from here on.
    """

    def __init__(self, path: Path, raw: BinaryIO, encoding: str) -> None:
        super().__init__(cast(io.BufferedReader, raw), encoding=encoding)
        self._path, self._number, self._unasked = path, 1, 0

    @property
    def read_to(self) -> int:
        """Number of the line that was read last, from 1."""
        return max(1, self._number - 1)

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        line = super().readline(size if size >= 0 else LONGEST)
        if size < 0 and len(line) == LONGEST and not line.endswith("\n"):
            raise InputError(
                f"{self._path}: line {self._number:,}: longer than {LONGEST >> 20} MiB (it begins"
                f" {line[:40]!r}); expected text in lines"
            )
        if "\0" in line:
            raise InputError(
                f"{self._path}: line {self._number:,}: holds a zero byte; expected text in UTF-8, not a"
                " binary file or UTF-16 without its mark"
            )
        self._number += line.endswith("\n")
        self._unasked += len(line)
        if self._unasked > _OFTEN:
            self._unasked = 0
            heed()
        return visible(line)

    def __next__(self) -> str:  # type: ignore[override]
        if line := self.readline():
            return line
        raise StopIteration


def open_text(path: Path) -> _Text:
    """Open a text file, gzipped or not, in UTF-8, or UTF-16 with its mark (by its first bytes).

    Raises ``InputError`` if it cannot be opened, or is a bgzip file without its end marker; when read by
    lines, for one longer than ``LONGEST``.
    """
    check_file(path)
    try:
        with path.open("rb") as handle:
            head = handle.read(18)
            if head[:2] == _GZIP and head[12:14] == b"BC":
                handle.seek(-min(len(_BGZF_END), path.stat().st_size), io.SEEK_END)
                if handle.read() != _BGZF_END:
                    raise InputError(
                        f"{path}: a bgzip file without its end marker: truncated; fetch the file again"
                    )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    raw = gzip.open(path) if head[:2] == _GZIP else path.open("rb")  # noqa: SIM115 (closed by the caller)
    try:
        first = raw.peek(4)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        first = b""  # whoever reads on meets the damage, and knows at which line
    encoding = next((name for mark, name in _ENCODINGS if first.startswith(mark)), "utf-8")
    return _Text(path, cast(BinaryIO, raw), encoding)


def read_lines(path: Path, limit: int = -1) -> Iterator[tuple[int, str]]:
    """``(number, line)`` of a text file, from 1, line ends off.

    Lines longer than ``limit`` letters come in pieces that share their number; without it, ``InputError``
    for one longer than ``LONGEST``. Raises ``InputError`` for a damaged gzip or bytes that are not UTF-8,
    with the line.
    """
    number = 1
    try:
        with open_text(path) as handle:
            while line := handle.readline(limit):
                # Files that were put together keep the marks of their parts.
                yield number, line.rstrip("\r\n").removeprefix(_MARK)
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
