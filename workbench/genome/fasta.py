"""FASTA: checked while it streams, and written with its index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from genomic_models import dna
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.text import read_lines

_LINE = 60
_PIECE = 1 << 20


def check_name(where: str, name: str) -> str:
    """The name of a record; ``InputError`` for one with which lines of other files cannot begin.

    With ``#`` begins a comment, with ``>`` the sequence in a GFF3.
    """
    if name[0] in "#>":
        raise InputError(
            f"{where}: the name {name[:40]} begins with {name[0]}, so that lines of BED, GFF3 and VCF that"
            " begin with it are none of a contig; rename it there and in the files that name it"
        )
    return name


def check_letters(where: str, letters: str) -> str:
    """Upper-case letters of DNA, U read as T; ``InputError`` for anything outside IUPAC."""
    try:
        return dna.check_letters(letters)
    except ValueError as error:
        raise InputError(f"{where}: {error}; give a DNA FASTA") from None


class _Reader:
    """One pass over a FASTA file; a line may come in pieces, so that memory stays bounded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = self._lines()
        self.header: tuple[int, str] | None = None

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Pieces of lines; those of comments, which begin with ``;``, are left out."""
        before = comment = 0
        for number, line in read_lines(self.path, _PIECE):
            if line.startswith(";") and number > before:
                comment = number
            before = number
            if number > comment:
                yield number, line

    def begin(self) -> None:
        for number, line in self.lines:
            if line.startswith(">"):
                self.header = (number, line)
                return
            if line.strip():
                raise InputError(
                    f"{self.path}: line {number:,}: found {line[:30]!r} before any header; expected FASTA,"
                    " with '>name' before each sequence"
                )

    def pieces(self, name: str, at: int) -> Iterator[str]:
        empty = True
        for number, line in self.lines:
            if line.startswith(">"):
                self.header = (number, line)
                break
            if text := line.strip():
                empty = False
                yield check_letters(f"{self.path}: line {number:,}, record {name}", text)
        if empty:
            raise InputError(f"{self.path}: line {at:,}: record {name} is empty; expected a sequence")


def read_fasta(path: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """``(name, pieces)`` of a checked FASTA; pieces are upper-case letters, U read as T.

    The pieces of a record must be taken before the next record; none is longer than a mebibyte. Raises
    ``InputError`` naming file and line for: no record, letters before the first header, an unnamed, repeated
    or empty record, letters that are not DNA, a damaged gzip.
    """
    reader = _Reader(path)
    reader.begin()
    seen: set[str] = set()
    while reader.header is not None:
        number, line = reader.header
        reader.header = None
        name = (line[1:].split() or [""])[0]
        if not name:
            raise InputError(f"{path}: line {number:,}: a header without a name; expected '>name'")
        if name in seen:
            raise InputError(
                f"{path}: line {number:,}: the name {name} is there twice; give each record its own"
            )
        seen.add(check_name(f"{path}: line {number:,}", name))
        yield name, reader.pieces(name, number)
    if not seen:
        raise InputError(f"{path}: empty: no sequence record; expected FASTA")


def write_fasta(records: Iterable[tuple[str, Iterable[str]]], path: Path, index: bool = False) -> None:
    """Write ``(header, pieces)`` with lines of 60 letters, atomically.

    With ``index``, ``path.fai`` (samtools faidx: name, length, offset, letters and bytes a line) is put in
    place first, so that whoever finds ``path`` finds its index too.
    """
    entries: list[str] = []
    with write_atomic(path) as temporary:
        with temporary.open("wb") as handle:
            for header, pieces in records:
                offset = handle.write(f">{header}\n".encode()) and handle.tell()
                length, rest = 0, ""
                for piece in pieces:
                    length += len(piece)
                    rest += piece
                    whole = len(rest) - len(rest) % _LINE
                    lines = [rest[i : i + _LINE] + "\n" for i in range(0, whole, _LINE)]
                    handle.write("".join(lines).encode())
                    rest = rest[whole:]
                if rest:
                    handle.write(f"{rest}\n".encode())
                width = min(_LINE, length)
                entries.append(f"{header.split()[0]}\t{length}\t{offset}\t{width}\t{width + 1}\n")
        if index:
            with write_atomic(path.with_name(f"{path.name}.fai")) as listing:
                listing.write_text("".join(entries))
