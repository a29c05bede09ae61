"""BED, 3 to 12 columns, and narrowPeak: one track a file."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import InputError
from workbench.genome import read_lines
from workbench.tracks.track import Contigs, Track, check_span, frame

_SKIP = ("#", "track", "browser")


def read_bed(path: Path, contigs: Contigs) -> list[Track]:
    """Read BED; the name of the track is the file's. Raises ``InputError`` naming file and line.

    Blocks of BED12 are not taken apart: the interval is ``chromStart`` to ``chromEnd``.
    """
    rows = []
    for number, line in read_lines(path):
        if not line.strip() or line.startswith(_SKIP):
            continue
        where = f"{path}: line {number:,}"
        fields = line.split("\t") if "\t" in line else line.split()
        if not 3 <= len(fields) <= 12:
            raise InputError(f"{where}: {len(fields)} columns; expected 3 to 12 (BED)")
        chrom = fields[0]
        try:
            start, end = int(fields[1]), int(fields[2])
        except ValueError:
            raise InputError(
                f"{where}: start and end are {fields[1]!r} and {fields[2]!r}; expected whole numbers"
            ) from None
        check_span(where, chrom, start, end, contigs)
        name = fields[3] if len(fields) > 3 else ""
        try:
            score = float(fields[4]) if len(fields) > 4 and fields[4] != "." else float("nan")
        except ValueError:
            raise InputError(f"{where}: score is {fields[4]!r}; expected a number or .") from None
        strand = fields[5] if len(fields) > 5 else "."
        if strand not in ("+", "-", "."):
            raise InputError(f"{where}: strand is {strand!r}; expected +, - or .")
        rows.append((chrom, start, end, name, score, strand, -1, f"{number}"))
    if not rows:
        raise InputError(f"{path}: no interval in it; expected BED lines")
    stem = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    return [Track(stem, frame(rows), str(path))]
