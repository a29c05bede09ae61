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
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyfaidx

from genomic_models.dna import reverse_complement
from genomic_models.files import remove_leftovers
from workbench.errors import InputError
from workbench.files.facts import read_facts, write_facts
from workbench.files.hashing import is_noted, note_of
from workbench.files.text import read_lines, suffix_of
from workbench.genome.fasta import check_letters, check_name, read_fasta, write_fasta
from workbench.genome.windows import check_fetch
from workbench.interruption import heed
from workbench.tracks.genbank import parse_records
from workbench.tracks.names import Names
from workbench.wording import listed

_ANNOTATED = (".gb", ".gbk", ".gbff", ".embl")
_PIECE = 1 << 20


def annotated_records(path: Path, circular: set[str]) -> Iterator[tuple[str, Iterator[str]]]:
    """``(name, pieces)`` of a GenBank or EMBL file's sequences; adds circular ones to ``circular``."""
    seen: set[str] = set()
    for record in parse_records(path):
        name = str(record.id)
        if name in seen:
            raise InputError(f"{path}: the record {name} is there twice; give each its own name")
        seen.add(check_name(f"{path}: record {name}", name))
        if not record.seq or not record.seq.defined:
            raise InputError(f"{path}: record {name} has no sequence; fetch it with its sequence")
        if record.annotations.get("topology") == "circular":
            circular.add(name)
        yield name, iter([check_letters(f"{path}: record {name}", str(record.seq))])
    if not seen:
        raise InputError(f"{path}: empty: no record; expected GenBank or EMBL")


def record_names(path: Path) -> list[str]:
    """Names of the records of a sequence file; the letters of a FASTA are not looked at.

    Raises ``InputError`` for a file that cannot be read.
    """
    if suffix_of(path) in _ANNOTATED:
        return [name for name, _ in annotated_records(path, set())]
    # A line may come in pieces, of which the first begins the record.
    lines = (next(pieces)[1] for _, pieces in groupby(read_lines(path, _PIECE), key=itemgetter(0)))
    return [line[1:].split()[0] for line in lines if line.startswith(">") and line[1:].strip()]


def record_lengths(path: Path) -> dict[str, int]:
    """Bases by record of a sequence file, read whole and checked. Raises ``InputError`` as `Genome` does."""
    records = annotated_records(path, set()) if suffix_of(path) in _ANNOTATED else read_fasta(path)
    return {name: sum(map(len, pieces)) for name, pieces in records}


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


def _index(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.fai")


def _write_note(copy: Path, circular: Iterable[str]) -> None:
    """Note a checked copy and its index beside them, and which contigs are circular."""
    files = {path.name: note_of(path) for path in (copy, _index(copy))}
    facts = {"circular": sorted(circular), "files": files}
    write_facts(copy.with_suffix(".json"), facts | {"sha256": _digest(facts)})


def _digest(facts: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _is_whole(copy: Path, thorough: bool = False) -> bool:
    """Whether a checked copy, its index and their note are there, as they were written.

    The index is read whole each time, the copy where its time differs or ``thorough``.
    """
    try:
        facts = read_facts(copy.with_suffix(".json"))
        sealed = facts.pop("sha256", "") == _digest(facts)
        return sealed and all(
            is_noted(path, facts["files"][path.name], thorough or path != copy)
            for path in (copy, _index(copy))
        )
    except (InputError, KeyError, AttributeError):  # of an older version, or damaged
        return False


def forget_damaged(cache: Path) -> list[str]:
    """Checked copies of a cache folder that are not what was written: read whole, and made anew when needed.

    Returns what is wrong, a line each.
    """
    noted = (p for p in sorted(cache.glob("*.fa")) if p.with_suffix(".json").exists())
    damaged = [copy for copy in noted if not _is_whole(copy, thorough=True)]
    for copy in damaged:
        copy.with_suffix(".json").unlink()
    return [f"{cache.name}/{copy.name} or its index is not the file that was written" for copy in damaged]


class Genome:
    """Contigs of a sequence file.

    Parameters
    ----------
    path : Path
        FASTA (plain, gzip, bgzip), GenBank or EMBL. RNA is read as DNA (U as T), lower case as upper.
    circular : iterable of str
        Circular contigs, besides those that a GenBank/EMBL file declares; names are matched as in tracks.
    cache : Path, optional
        Folder for the checked copy and its index; default `default_cache`.

    Attributes
    ----------
    lengths : dict of str to int
        In file order.
    circular : frozenset of str
    copy : Path
        The checked letters as plain FASTA, with its index beside it; of the cache, not to be changed.

    Raises
    ------
    InputError
        For a file that is missing, damaged, empty, not DNA, or has unnamed, repeated or empty records; for
        an unknown name in ``circular``; for a cache folder that cannot be written.
    """

    def __init__(self, path: Path | str, circular: Iterable[str] = (), cache: Path | None = None) -> None:
        self.path = Path(path)
        self.copy = self._checked_copy(cache or default_cache())
        self._process = os.getpid()
        self._file = self._open()
        self.lengths = {name: int(entry.rlen) for name, entry in self._file.index.items()}
        names = Names(self.lengths, {})
        named = {name: names.target(name) for name in circular}
        unknown = [name for name, target in named.items() if target is None]
        if unknown:
            raise InputError(
                f"{self.path}: no contig {', '.join(unknown)} to be circular; it has"
                f" {listed(list(self.lengths), 8)}"
            )
        declared = read_facts(self.copy.with_suffix(".json"))["circular"]
        self.circular = frozenset([*declared, *named.values()])

    def _checked_copy(self, cache: Path) -> Path:
        """The checked plain copy in the cache, made once for each state of the file."""
        try:
            stat = self.path.stat()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        key = f"{self.path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
        copy = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.fa"
        if _is_whole(copy):
            return copy
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{cache}: cannot make the folder ({error.strerror})") from None
        remove_leftovers(cache)
        circular: set[str] = set()
        annotated = suffix_of(self.path) in _ANNOTATED
        records = annotated_records(self.path, circular) if annotated else read_fasta(self.path)
        write_fasta(records, copy, index=True)
        _write_note(copy, circular)
        return copy

    def _open(self) -> pyfaidx.Faidx:
        return pyfaidx.Faidx(str(self.copy), as_raw=True, rebuild=False, build_index=False)

    @cached_property
    def sha256(self) -> str:
        """Hash of names and letters, whatever the packing, case or line length of the file."""
        digest = hashlib.sha256()
        for name, length in self.lengths.items():
            digest.update(f">{name}\n".encode())
            for at in range(0, length, _PIECE):
                digest.update(self._letters(name, at, min(length, at + _PIECE)).encode())
                heed()
            digest.update(b"\n")
        return digest.hexdigest()

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        """Letters of ``[start, end)``, 0-based, upper case; '-' gives the reverse complement.

        On a circular contig ``start`` may be negative and ``end`` past the end: it wraps, as often as
        needed. Raises ``InputError`` for an unknown contig or strand or a range past a linear contig's ends.
        """
        check_fetch(self, chrom, start, end, strand)
        length = self.lengths[chrom]
        if chrom in self.circular:
            parts = []
            while start < end:
                lo = start % length
                size = min(length - lo, end - start)
                parts.append(self._letters(chrom, lo, lo + size))
                start += size
            sequence = "".join(parts)
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
