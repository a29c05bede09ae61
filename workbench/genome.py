"""The reference sequence: FASTA of any packing, or GenBank/EMBL, read by coordinates.

Files are checked once, streaming. Compressed and annotated formats are rewritten as plain FASTA in a cache
folder, and the index lies there too, so nothing is written beside the user's file and memory does not grow
with the genome.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TextIO

import pyfaidx

from workbench.atomic import write_atomic
from workbench.errors import InputError

DNA = frozenset("ACGTRYSWKMBDHVN")
_COMPLEMENT = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")
_ANNOTATED = {".gb": "genbank", ".gbk": "genbank", ".gbff": "genbank", ".embl": "embl"}
_LINE = 60


def reverse_complement(sequence: str) -> str:
    """Reverse complement, IUPAC codes included; upper case in, upper case out."""
    return sequence.translate(_COMPLEMENT)[::-1]


def suffix_of(path: Path) -> str:
    """Suffix in lower case, compression taken off: ``.fa`` for ``x.fa.gz``."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".bgz", ".bgzip"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def open_text(path: Path) -> TextIO:
    """Open a text file, gzipped or not (by its first bytes). Raises ``InputError`` if it cannot be."""
    try:
        with path.open("rb") as handle:
            packed = handle.read(2) == b"\x1f\x8b"
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if packed:
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """``(number, line)`` of a text file, from 1, line ends off; damaged files raise ``InputError``."""
    number = 0
    try:
        with open_text(path) as handle:
            for number, line in enumerate(handle, 1):
                yield number, line.rstrip("\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: damaged or truncated gzip after line {number:,} ({error}); fetch the file again"
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: line {number + 1:,} is not text (UTF-8); expected a text file, plain or gzipped"
        ) from None


def _check_letters(path: Path, number: int, name: str, letters: str) -> str:
    upper = letters.upper()
    strange = set(upper) - DNA
    if not strange:
        return upper
    listed = ", ".join(repr(c) for c in sorted(strange)[:6])
    if strange == {"U"}:
        return upper.replace("U", "T")
    protein = strange & set("EFILPQZJXO*")
    hint = "this looks like protein" if protein else "expected the letters of DNA (IUPAC)"
    raise InputError(
        f"{path}: line {number:,}, record {name}: found {listed}; {hint}; give a DNA FASTA"
    )


def fasta_records(path: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """``(name, pieces)`` of a checked FASTA; pieces are upper-case letters, U read as T.

    The pieces of a record must be taken before the next record. Raises ``InputError`` naming file and line
    for: no record, letters before the first header, an unnamed, repeated or empty record, letters that are
    not DNA, a damaged gzip.
    """
    lines = read_lines(path)
    seen: set[str] = set()
    header: list[tuple[int, str]] = []

    def pieces(name: str, at: int) -> Iterator[str]:
        count = 0
        for number, line in lines:
            if line.startswith(">"):
                header.append((number, line))
                break
            text = line.strip()
            if text:
                count += len(text)
                yield _check_letters(path, number, name, text)
        if not count:
            raise InputError(f"{path}: line {at:,}: record {name} is empty; expected a sequence")

    for number, line in lines:
        if not line.strip() or line.startswith(";"):
            continue
        if not line.startswith(">"):
            raise InputError(
                f"{path}: line {number:,}: found {line[:30]!r} before any header; expected FASTA, with"
                " '>name' before each sequence"
            )
        header.append((number, line))
        break
    while header:
        number, line = header.pop()
        words = line[1:].split()
        if not words:
            raise InputError(f"{path}: line {number:,}: a header without a name; expected '>name'")
        if words[0] in seen:
            raise InputError(
                f"{path}: line {number:,}: the name {words[0]} is there twice; give each record its own"
            )
        seen.add(words[0])
        yield words[0], pieces(words[0], number)
    if not seen:
        raise InputError(f"{path}: empty: no sequence record; expected FASTA")


def annotated_records(path: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """``(name, pieces)`` of a GenBank or EMBL file's sequences."""
    from workbench.tracks.genbank import parse_records

    found = False
    for record in parse_records(path):
        found = True
        sequence = str(record.seq)
        if not sequence.strip("NX?"):
            raise InputError(f"{path}: record {record.id} has no sequence; fetch it with its sequence")
        yield record.id, iter([_check_letters(path, 0, record.id, sequence)])
    if not found:
        raise InputError(f"{path}: empty: no record; expected GenBank or EMBL")


def _write_fasta(records: Iterable[tuple[str, Iterator[str]]], path: Path) -> None:
    """Write records with lines of equal length, as the index needs."""
    with write_atomic(path) as temporary, temporary.open("w", newline="\n") as handle:
        for name, pieces in records:
            handle.write(f">{name}\n")
            rest = ""
            for piece in pieces:
                rest += piece
                whole = len(rest) - len(rest) % _LINE
                for i in range(0, whole, _LINE):
                    handle.write(rest[i : i + _LINE] + "\n")
                rest = rest[whole:]
            if rest:
                handle.write(rest + "\n")


def default_cache() -> Path:
    """Folder for indices and unpacked sequences: under XDG_CACHE_HOME, or temporary if that is closed."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "genomics-workbench"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="genomics-workbench-"))


class Genome:
    """Contigs of a sequence file.

    Parameters
    ----------
    path : Path
        FASTA (plain, gzip, bgzip), GenBank or EMBL.
    circular : iterable of str
        Circular contigs, besides those that a GenBank/EMBL file declares.
    cache : Path, optional
        Folder for the checked copy and its index.

    Attributes
    ----------
    lengths : dict of str to int
        In file order.
    circular : frozenset of str
    """

    def __init__(
        self, path: Path, circular: Iterable[str] = (), cache: Path | None = None
    ) -> None:
        self.path = Path(path)
        declared: set[str] = set()
        if suffix_of(self.path) in _ANNOTATED:
            from workbench.tracks.genbank import circular_records

            declared = circular_records(self.path)
        copy = self._copy(cache or default_cache())
        self._fasta = pyfaidx.Faidx(str(copy))
        self.lengths = {name: int(entry.rlen) for name, entry in self._fasta.index.items()}
        unknown = set(circular) - set(self.lengths)
        if unknown:
            raise InputError(
                f"{self.path}: no contig {', '.join(sorted(unknown))} to be circular; it has"
                f" {', '.join(list(self.lengths)[:8])}"
            )
        self.circular = frozenset(declared | set(circular))

    def _copy(self, cache: Path) -> Path:
        """The checked plain copy in the cache, made once for each content."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        key = f"{self.path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        copy = cache / f"{name}.fa"
        if not copy.exists():
            try:
                cache.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{cache}: cannot make the folder ({error.strerror})") from None
            annotated = suffix_of(self.path) in _ANNOTATED
            read = annotated_records if annotated else fasta_records
            _write_fasta(read(self.path), copy)
        return copy

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        """Letters of ``[start, end)``, 0-based, upper case; '-' gives the reverse complement.

        On a circular contig ``start`` may be negative and ``end`` past the end: it wraps. Raises
        ``InputError`` for an unknown contig or a range past a linear contig's ends.
        """
        if chrom not in self.lengths:
            known = ", ".join(list(self.lengths)[:8])
            raise InputError(f"{self.path}: no contig {chrom}; it has {known}")
        length = self.lengths[chrom]
        if start > end:
            raise InputError(f"{chrom}:{start}-{end}: start is past end")
        if chrom in self.circular:
            parts = []
            while start < end:
                lo = start % length
                size = min(length - lo, end - start)
                parts.append(self._letters(chrom, lo, lo + size))
                start += size
            sequence = "".join(parts)
        elif start < 0 or end > length:
            raise InputError(f"{chrom}:{start}-{end}: outside the contig, which has {length:,} bases")
        else:
            sequence = self._letters(chrom, start, end)
        return sequence if strand == "+" else reverse_complement(sequence)

    def _letters(self, chrom: str, start: int, end: int) -> str:
        if start == end:
            return ""
        return str(self._fasta.fetch(chrom, start + 1, end))

    @cached_property
    def sha256(self) -> str:
        """Hash of names and letters, whatever the packing of the file."""
        digest = hashlib.sha256()
        for name, length in self.lengths.items():
            digest.update(f">{name}\n".encode())
            for at in range(0, length, 1 << 20):
                digest.update(self._letters(name, at, min(length, at + (1 << 20))).encode())
        return digest.hexdigest()
