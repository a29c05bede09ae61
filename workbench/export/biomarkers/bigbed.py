"""BigBed with the columns that it says it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pybigtools

from workbench.errors import InputError
from workbench.files.atomic import write_atomic

# As UCSC's own programs describe BED, the ninth column by its former name.
_COLUMNS = (
    ("string", "chrom", "Reference sequence"),
    ("uint", "chromStart", "First base, 0-based"),
    ("uint", "chromEnd", "Base after the last"),
    ("string", "name", "Name of the item"),
    ("uint", "score", "0 to 1000"),
    ("char[1]", "strand", "+, - or ."),
    ("uint", "thickStart", "Where the thick part begins"),
    ("uint", "thickEnd", "Where it ends"),
    ("uint", "reserved", "Colour"),
)

# Contig, first base (0-based), base after the last, and the other columns apart by tabs.
Entry = tuple[str, int, int, str]


def write_bigbed(contigs: Mapping[str, int], path: Path, entries: Iterable[Entry], columns: int) -> Path:
    """Write entries of so many of BED's first nine columns, sorted as ``bedToBigBed`` asks for.

    They are counted when they are read back: the library does not raise what fails in writing. Raises
    ``InputError``.
    """
    listed = sorted(entries, key=lambda entry: (entry[0].encode(), *entry[1:3]))
    with write_atomic(path) as temporary:
        draft = temporary.with_name(f"{temporary.name}.bb")
        try:
            pybigtools.open(str(draft), "w").write(dict(contigs), iter(listed), autosql(columns))
            with pybigtools.open(str(draft)) as file:
                found = sum(1 for contig in file.chroms() for _ in file.records(contig))
            if found != len(listed):
                raise InputError(
                    f"{path}: {found} of {len(listed)} entries were written; free disk space, then run again"
                )
            draft.replace(temporary)
        finally:
            draft.unlink(missing_ok=True)
    return path


def autosql(columns: int) -> str:
    """The description of BED's first columns that browsers read out of the file."""
    rows = "".join(f'    {kind} {name}; "{text}"\n' for kind, name, text in _COLUMNS[:columns])
    return f'table bed{columns}\n"Browser extensible data"\n(\n{rows})\n'
