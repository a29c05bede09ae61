"""The reference sequence: FASTA of any packing, or GenBank/EMBL, read by coordinates.

Files are checked once, streaming, and rewritten as plain FASTA with its index in a cache folder, so nothing
is written beside the user's file and memory does not grow with the genome (GenBank and EMBL: with the longest
record).
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import pyfaidx

from workbench.atomic import write_atomic
from workbench.errors import InputError
from workbench.fasta import check_letters, read_fasta, reverse_complement, write_fasta
from workbench.text import suffix_of

_ANNOTATED = (".gb", ".gbk", ".gbff", ".embl")
_PIECE = 1 << 20


def annotated_records(path: Path, circular: set[str]) -> Iterator[tuple[str, Iterator[str]]]:
    """``(name, pieces)`` of a GenBank or EMBL file's sequences; adds circular ones to ``circular``."""
    from workbench.tracks.genbank import parse_records

    seen: set[str] = set()
    for record in parse_records(path):
        name = str(record.id)
        if name in seen:
            raise InputError(f"{path}: the record {name} is there twice; give each its own name")
        seen.add(name)
        if not record.seq or not record.seq.defined:
            raise InputError(f"{path}: record {name} has no sequence; fetch it with its sequence")
        if record.annotations.get("topology") == "circular":
            circular.add(name)
        yield name, iter([check_letters(f"{path}: record {name}", str(record.seq))])
    if not seen:
        raise InputError(f"{path}: empty: no record; expected GenBank or EMBL")


def default_cache() -> Path:
    """Folder for checked copies: under XDG_CACHE_HOME or ~/.cache, or temporary if that is closed."""
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
        FASTA (plain, gzip, bgzip), GenBank or EMBL. RNA is read as DNA (U as T), lower case as upper.
    circular : iterable of str
        Circular contigs, besides those that a GenBank/EMBL file declares.
    cache : Path, optional
        Folder for the checked copy and its index; default `default_cache`.

    Attributes
    ----------
    lengths : dict of str to int
        In file order.
    circular : frozenset of str

    Raises
    ------
    InputError
        For a file that is missing, damaged, empty, not DNA, or has unnamed, repeated or empty records; for
        an unknown name in ``circular``; for a cache folder that cannot be written.
    """

    def __init__(
        self, path: Path | str, circular: Iterable[str] = (), cache: Path | None = None
    ) -> None:
        self.path = Path(path)
        self._copy = self._checked_copy(cache or default_cache())
        self._process = os.getpid()
        self._file = self._open()
        self.lengths = {name: int(entry.rlen) for name, entry in self._file.index.items()}
        unknown = set(circular) - set(self.lengths)
        if unknown:
            raise InputError(
                f"{self.path}: no contig {', '.join(sorted(unknown))} to be circular; it has"
                f" {', '.join(list(self.lengths)[:8])}"
            )
        declared = json.loads(self._copy.with_suffix(".json").read_text())
        self.circular = frozenset(declared) | frozenset(circular)

    def _checked_copy(self, cache: Path) -> Path:
        """The checked plain copy in the cache, made once for each state of the file."""
        try:
            stat = self.path.stat()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        key = f"{self.path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
        copy = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.fa"
        declared = copy.with_suffix(".json")
        if copy.exists() and declared.exists():
            return copy
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{cache}: cannot make the folder ({error.strerror})") from None
        circular: set[str] = set()
        annotated = suffix_of(self.path) in _ANNOTATED
        records = annotated_records(self.path, circular) if annotated else read_fasta(self.path)
        write_fasta(records, copy, index=True)
        with write_atomic(declared) as temporary:
            temporary.write_text(json.dumps(sorted(circular)))
        return copy

    def _open(self) -> pyfaidx.Faidx:
        return pyfaidx.Faidx(str(self._copy), as_raw=True, rebuild=False, build_index=False)

    @cached_property
    def sha256(self) -> str:
        """Hash of names and letters, whatever the packing, case or line length of the file."""
        digest = hashlib.sha256()
        for name, length in self.lengths.items():
            digest.update(f">{name}\n".encode())
            for at in range(0, length, _PIECE):
                digest.update(self._letters(name, at, min(length, at + _PIECE)).encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        """Letters of ``[start, end)``, 0-based, upper case; '-' gives the reverse complement.

        On a circular contig ``start`` may be negative and ``end`` past the end: it wraps, as often as
        needed. Raises ``InputError`` for an unknown contig or a range past a linear contig's ends.
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
            raise InputError(
                f"{chrom}:{start}-{end}: outside the contig, which has {length:,} bases"
            )
        else:
            sequence = self._letters(chrom, start, end)
        return sequence if strand == "+" else reverse_complement(sequence)

    def _letters(self, chrom: str, start: int, end: int) -> str:
        if start == end:
            return ""
        # A forked process must not share the parent's place in the file.
        if self._process != os.getpid():
            self._process, self._file = os.getpid(), self._open()
        return str(self._file.fetch(chrom, start + 1, end))
