"""BED, 3 to 12 columns, and its narrowPeak and broadPeak forms: one track a file."""

from __future__ import annotations

import math
import re
from pathlib import Path

from workbench.errors import InputError
from workbench.files.numbers import parse_number, parse_whole
from workbench.files.text import read_lines, stem_of
from workbench.tracks.track import Contigs, Row, Track, check_span, frame

_DISPLAY = re.compile(r"#|(?:track|browser)(?:\s+[^\d\s]|\s*$)")
_STRANDS = ("+", "-", ".")


def is_display(line: str) -> bool:
    """Whether a line of BED or bedGraph is a comment or a setting of a browser, not an interval.

    A contig may be called ``track1``, or even ``track``: what a setting has second is no number.
    """
    return _DISPLAY.match(line) is not None


def _numbers(where: str, name: str, texts: list[str]) -> list[int]:
    try:
        return [parse_whole(t) for t in texts]
    except ValueError:
        listed = ", ".join(repr(t) for t in texts[:4])
        raise InputError(f"{where}: {name}: {listed}; expected whole numbers") from None


def _blocks(where: str, start: int, end: int, fields: list[str]) -> list[tuple[int, int]]:
    """Blocks of a BED12 line as (start, end) on the contig."""
    count = _numbers(where, "blockCount", fields[9:10])[0]
    sizes, offsets = (
        _numbers(where, name, text.rstrip(",").split(","))
        for name, text in zip(("blockSizes", "blockStarts"), fields[10:12], strict=True)
    )
    if not len(sizes) == len(offsets) == count:
        raise InputError(f"{where}: blockCount is {count}, with {len(sizes)} sizes and {len(offsets)} starts")
    spans = [(start + o, start + o + s) for o, s in zip(offsets, sizes, strict=True)]
    if any(not start <= a < b <= end for a, b in spans):
        raise InputError(f"{where}: a block lies outside {start} to {end}; expected blocks inside")
    return spans


def _parse(where: str, fields: list[str], group: str, contigs: Contigs) -> list[Row]:
    """Rows of one line: one, or one a block; none for an interval of no length."""
    chrom = fields[0]
    start, end = _numbers(where, "start and end", fields[1:3])
    if start == end:
        return []
    check_span(where, chrom, start, end, contigs)
    name = fields[3] if len(fields) > 3 else ""
    try:
        score = parse_number(fields[4]) if len(fields) > 4 and fields[4] != "." else math.nan
    except ValueError:
        raise InputError(f"{where}: score is {fields[4]!r}; expected a number or .") from None
    strand = fields[5] if len(fields) > 5 else "."
    if strand not in _STRANDS:
        raise InputError(f"{where}: strand is {strand!r}; expected +, - or .")
    spans = _blocks(where, start, end, fields) if len(fields) == 12 else [(start, end)]
    return [Row(chrom, a, b, name, score, strand, -1, group, i) for i, (a, b) in enumerate(spans)]


def read_bed(path: Path, contigs: Contigs) -> list[Track]:
    """Read BED; the track is named as the file.

    Each block of a BED12 line is an interval; blocks of a line are one group. Columns after the sixth of
    other forms are not used. Intervals of no length (insertion sites) are left out, with a note. Raises
    ``InputError`` naming file and line.
    """
    rows: list[Row] = []
    columns = empty = 0
    for number, line in read_lines(path):
        if not line.strip() or is_display(line):
            continue
        where = f"{path}: line {number:,}"
        fields = line.split("\t") if "\t" in line else line.split()
        if not 3 <= len(fields) <= 12:
            raise InputError(f"{where}: {len(fields)} columns; expected 3 to 12 (BED)")
        if columns and len(fields) != columns:
            raise InputError(f"{where}: {len(fields)} columns, {columns} in the lines before")
        columns = len(fields)
        found = _parse(where, fields, str(number), contigs)
        empty += not found
        rows += found
    if not rows:
        raise InputError(f"{path}: no interval in it; expected BED lines")
    notes = (f"{path}: {empty:,} intervals of no length left out",) if empty else ()
    return [Track(stem_of(path), frame(rows), str(path), notes=notes)]
