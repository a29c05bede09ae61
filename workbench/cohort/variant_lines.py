"""Lines of a VCF or BCF: the header, the records, and those of a stretch.

A VCF is text and read as such. Indexes and BCF are read by htslib in a child process, BCF as the lines of VCF
that it stands for.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.files.contained import ReadFailure, read_foreign
from workbench.files.foreign import INDEXES
from workbench.files.text import read_lines, suffix_of
from workbench.tracks.renaming import Told, told_by_vcf
from workbench.wording import visible, visible_name

SITE = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
FIXED = (*SITE, "FORMAT")
SUFFIXES = (".vcf", ".bcf")
_CONTIG = re.compile(r"##contig=<(?:[^>]*,)?ID=([^,>]+)")
_END = re.compile(r"(?:^|;)END=([0-9]{1,18})(?:;|$)")
_SPAN = re.compile(r"(?:^|;)SVLEN=([-0-9,.]+)(?:;|$)")
# Symbolic alleles whose SVLEN counts bases of the reference.
_SPANNING = re.compile(r"<(?:DEL|DUP|INV|CNV)")
# Places of a contig, at most: the reach of an index.
_FURTHEST = 1 << 29


class Line(NamedTuple):
    """A record: where it stands (for messages: its file and line, or place), and its columns as text.

    start, end : 0-based half-open, of the bases that it speaks of: REF, or to INFO's END or as far as SVLEN
        says where an allele is symbolic.
    """

    where: str
    chrom: str
    start: int
    end: int
    columns: list[str]

    @property
    def placed(self) -> str:
        """Where it stands, its place in any case."""
        place = f": {self.chrom}:{self.start + 1}"
        return self.where.removesuffix(place) + place


class VariantLines:
    """The text of a VCF or BCF.

    Attributes
    ----------
    header : list of str
        Lines that begin with ``##``.
    samples : list of str

    Raises
    ------
    InputError
        Another suffix, no such file, a first line that is not VCF, a ``#CHROM`` line that is missing, not
        separated by tabs or lacks columns; here and in its methods a damaged file, and records that are no
        lines of a VCF.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if suffix_of(path) not in SUFFIXES:
            raise InputError(f"{path}: unknown kind of variants; expected .vcf, .vcf.gz or .bcf")
        if not path.exists():
            raise InputError(f"{path}: no such file")
        self._binary = suffix_of(path) == ".bcf"
        self.header: list[str] = []
        for number, line in self._text():
            where = f"{path}: line {number:,}"
            if number == 1 and not line.startswith("##fileformat=VCF"):
                raise InputError(
                    f"{where}: found {line[:40]!r}; expected ##fileformat=VCF, the first line of a VCF"
                )
            if not line.startswith("##"):
                self.samples = _samples(where, line)
                return
            self.header.append(line)
        raise InputError(f"{path}: no #CHROM line; expected a VCF")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VariantLines) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def _text(self) -> Iterator[tuple[int, str]]:
        """Numbered lines: all of a VCF, the header of a BCF."""
        if not self._binary:
            yield from read_lines(self.path)
            return
        for text in self._foreign("bcf_header"):
            yield from enumerate(visible(text.decode()).split("\n"), 1)

    def _foreign(self, reading: str, *arguments: object) -> Iterator[bytes]:
        try:
            yield from read_foreign(reading, self.path, *arguments)
        except ReadFailure as error:
            at = f" at {arguments[0]}:{arguments[1]}-{arguments[2]}" if arguments else ""
            raise InputError(
                f"{self.path}: cannot be read as VCF or BCF{at} ({error}); check it with bcftools view"
            ) from None

    @cached_property
    def indexed(self) -> bool:
        """Whether stretches can be fetched without reading the whole file.

        Raises ``InputError`` for an index that is older than the file, or of another.
        """
        found = [index for s in INDEXES if (index := self.path.with_name(self.path.name + s)).exists()]
        if found and not json.loads(b"".join(self._foreign("index_fits"))):
            command = "bcftools index -f" if self._binary else "tabix -f -p vcf"
            raise InputError(
                f"{found[0]}: is not the index of {self.path.name} as it is now, but an older one or that of"
                f" another file; make it anew with {command} {self.path.name}"
            )
        return bool(found)

    def told(self) -> dict[str, Told]:
        """What the header says of the contigs that the records name."""
        return told_by_vcf(self.header, self.contigs)

    @cached_property
    def contigs(self) -> dict[str, int]:
        """Contigs as the records name them, which a header may not, and how many records each has.

        An index and a BCF tell the names alone: each counts as one.
        """
        if self._binary:
            return {found[1]: 1 for line in self.header if (found := _CONTIG.match(line))}
        if self.indexed:
            names = (c for text in self._foreign("indexed_contigs") for c in json.loads(text))
            return {visible_name(name): 1 for name in names}
        return {name: met.records for name, met in self._read_through().items()}

    def _read_through(self) -> dict[str, _Met]:
        stat = self.path.stat()
        return _met(self, stat.st_size, stat.st_mtime_ns)

    def records(self) -> Iterator[Line]:
        """All records, in the order of the file."""
        if self._binary:
            yield from self._fetched("bcf_records")
            return
        header = True
        for number, text in self._text():
            if text.startswith("#"):
                if not header:
                    raise InputError(
                        f"{self.path}: line {number:,}: {text[:20]!r} after the header: these are several"
                        " files, one after the other, whose samples need not be in one order; put them"
                        " together with bcftools concat"
                    )
                header = not text.startswith("#CHROM")
            elif text:
                yield self._line(f"{self.path}: line {number:,}", text)

    def meeting(self, contig: str, start: int, end: int) -> Iterator[Line]:
        """Records of a contig (the file's name) that meet ``[start, end)``."""
        # An index does not know a name that has escapes in it.
        if not self.indexed or "\\" in contig:
            lines = self.records()
        else:
            reading = "bcf_records" if self._binary else "indexed_lines"
            lines = self._fetched(reading, contig, start, end)
        for line in lines:
            if line.chrom == contig and line.start < end and line.end > start:
                yield line

    def outside(self, contig: str, length: int) -> Line | None:
        """A record of a contig (the file's name) that lies where a contig of that length has no base.

        None where there is none; one that an index cannot tell (before the first base) is not found.
        """
        if self._binary or (self.indexed and "\\" not in contig):
            if not self.indexed or length >= _FURTHEST:
                return None
            lines = self.meeting(contig, length, _FURTHEST)
            return next((line for line in lines if line.start >= length), None)
        met = self._read_through().get(contig)
        ends = () if met is None else (met.first, met.last)
        return next((line for line in ends if line.start < 0 or line.start >= length), None)

    def _fetched(self, reading: str, *arguments: object) -> Iterator[Line]:
        for text in self._foreign(reading, *arguments):
            for line in visible(text.decode()).split("\n"):
                place = ":".join(line.split("\t", 2)[:2])[:80]
                yield self._line(f"{self.path}: {place}", line)

    def _line(self, where: str, text: str) -> Line:
        columns = text.split("\t")
        expected = len(FIXED) + len(self.samples) if self.samples else len(SITE)
        if len(columns) != expected and (self.samples or len(columns) < expected):
            raise InputError(
                f"{where}: {len(columns)} columns, the header has {expected}; expected tabs between columns"
            )
        chrom, position, _, reference, alternatives, _, _, info = columns[: len(SITE)]
        if not (position.isascii() and position.isdigit() and len(position) < 19):
            raise InputError(f"{where}: POS is {position[:20]!r}; expected a whole number")
        start = int(position) - 1
        end = start + len(reference)
        if "<" in alternatives and (found := _END.search(info)):
            end = max(end, int(found[1]))
        if _SPANNING.search(alternatives) and (found := _SPAN.search(info)):
            sizes = [int(size) for size in re.findall(r"[0-9]{1,18}", found[1])]
            end = max(end, start + 1 + max(sizes, default=0))
        return Line(where, chrom, start, end, columns)


class _Met(NamedTuple):
    """Records of a contig: how many, and the first and last by place, without their columns."""

    records: int
    first: Line
    last: Line


@lru_cache(maxsize=64)
def _met(lines: VariantLines, size: int, changed: int) -> dict[str, _Met]:
    """Records of each contig; the file is read for them once while it does not change."""
    counts: Counter[str] = Counter()
    first: dict[str, Line] = {}
    last: dict[str, Line] = {}
    for line in lines.records():
        counts[line.chrom] += 1
        for outermost, further in ((first, -1), (last, 1)):
            known = outermost.get(line.chrom)
            if known is None or (line.start - known.start) * further > 0:
                outermost[line.chrom] = line._replace(columns=[])
    return {chrom: _Met(records, first[chrom], last[chrom]) for chrom, records in counts.items()}


def _samples(where: str, line: str) -> list[str]:
    """Samples of the ``#CHROM`` line."""
    columns = line.split("\t")
    if tuple(columns[: len(FIXED)]) not in (SITE, FIXED):
        spaced = line.split()[: len(SITE)] == list(SITE)
        hint = (
            "its columns are separated by spaces, or FORMAT and samples are missing; write tabs"
            if spaced
            else f"expected {' '.join(FIXED)} and samples"
        )
        raise InputError(f"{where}: malformed header {line[:60]!r}: {hint}")
    return columns[len(FIXED) :]
