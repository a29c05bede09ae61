"""What a track is, and the checks that every reader shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.tracks.names import target_of

if TYPE_CHECKING:
    from workbench.tracks.signal import SignalTrack


class Row(NamedTuple):
    """One interval, 0-based half-open.

    ``phase``: bases to skip to the next codon, -1 where there is none. Rows of one feature, such as the parts
    of a CDS, share a ``group``; ``part`` is their place in the reading where the file gives it (GenBank;
    trans-spliced features of a GFF3), 0 where they follow the strand. ``complete`` is False for features
    whose ends are not known, and for pseudogenes.
    """

    chrom: str
    start: int
    end: int
    name: str = ""
    score: float = float("nan")
    strand: str = "."
    phase: int = -1
    group: str = ""
    part: int = 0
    complete: bool = True


COLUMNS = list(Row._fields)
_TYPES = {
    "start": np.int64,
    "end": np.int64,
    "score": np.float64,
    "phase": np.int64,
    "part": np.int64,
}


@dataclass(frozen=True)
class Track:
    """Annotation of one kind.

    Attributes
    ----------
    name : str
    intervals : DataFrame
        Columns of `Row`; the first six are bioframe's schema. Empty for a signal.
    source : str
        File it was read from, or the tracks it was derived from.
    kind : {"interval", "signal"}
    type : str
        Feature type, such as ``CDS``, whatever the name became; empty for BED and signals.
    signal : SignalTrack, optional
        Values, where kind is "signal".
    notes : tuple of str
        What the user should know, such as features left out.
    """

    name: str
    intervals: pd.DataFrame
    source: str
    kind: str = "interval"
    type: str = ""
    signal: SignalTrack | None = None
    notes: tuple[str, ...] = ()

    @property
    def stranded(self) -> bool:
        """Whether any interval has a strand."""
        return bool(self.intervals["strand"].isin(["+", "-"]).any())


@dataclass(frozen=True)
class Contigs:
    """What readers check coordinates against.

    Attributes
    ----------
    lengths : mapping
        The genome's contigs.
    circular : frozenset of str
    rename : mapping
        Name in a file to name in the genome.
    """

    lengths: Mapping[str, int]
    circular: frozenset[str]
    rename: Mapping[str, str] = field(default_factory=dict)
    _known: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    def target(self, name: str) -> str | None:
        """The genome's name for a name in a file; None where it has none."""
        if name not in self._known:
            self._known[name] = target_of(name, self.lengths, self.rename)
        return self._known[name]


def frame(rows: list[Row]) -> pd.DataFrame:
    """Rows as a table with fixed dtypes."""
    return pd.DataFrame(rows, columns=COLUMNS).astype({**_TYPES, "complete": bool})


def empty_intervals() -> pd.DataFrame:
    """No intervals, with the right columns."""
    return frame([])


def check_span(
    where: str, chrom: str, start: int, end: int, contigs: Contigs, first: int = 0
) -> None:
    """Refuse an interval (0-based half-open) that cannot be on its contig.

    ``first`` is the number that the file's format gives to the first base. A circular contig allows an end
    past its length, up to one turn. A contig that the genome does not have is no fault here: names are
    compared for the whole file. Raises ``InputError``.
    """
    if start < 0:
        raise InputError(f"{where}: start is {start + first}; expected {first} or more")
    if end <= start:
        raise InputError(
            f"{where}: start {start + first} is past end {end}; expected start"
            f" {'<= end' if first else '< end'}"
        )
    target = contigs.target(chrom)
    length = contigs.lengths.get(target) if target is not None else None
    if length is None or end <= length:
        return
    if target not in contigs.circular:
        raise InputError(
            f"{where}: ends at {end}, past the end of {chrom}, which has {length} bases; is this the"
            f" annotation of another assembly? (for a circular contig say --circular {target})"
        )
    if end > 2 * length or end - start > length:
        raise InputError(
            f"{where}: {start + first} to {end} is more than one turn of the circular {chrom}, which has"
            f" {length} bases"
        )


def unwrap(table: pd.DataFrame, contigs: Contigs) -> pd.DataFrame:
    """Cut intervals that cross the origin of a circular contig in two, of one group."""
    size = table["chrom"].map(dict(contigs.lengths)).to_numpy(np.int64)
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    crossing = end > size
    if not crossing.any():
        return table
    size, start, end = size[crossing], start[crossing], end[crossing]
    left, right = table[crossing].copy(), table[crossing].copy()
    left["end"] = size
    right["start"], right["end"] = np.maximum(0, start - size), end - size
    # The part that is read second begins elsewhere in its codon.
    phase = left["phase"].to_numpy()
    coding, minus = phase >= 0, (left["strand"] == "-").to_numpy()
    first = np.where(minus, end - size, size - start)
    second = np.where(coding, (phase - first) % 3, phase)
    left["phase"], right["phase"] = np.where(minus, second, phase), np.where(minus, phase, second)
    wholly = start >= size
    right["phase"] = np.where(wholly, phase, right["phase"])
    return pd.concat([table[~crossing], left[~wholly], right], ignore_index=True)


def order(table: pd.DataFrame, contigs: Contigs) -> pd.DataFrame:
    """Rows by contig (the genome's order), start, end."""
    rank = {c: i for i, c in enumerate(contigs.lengths)}
    keys = (table["end"], table["start"], table["chrom"].map(rank).fillna(len(rank)))
    return table.iloc[np.lexsort([k.to_numpy() for k in keys])].reset_index(drop=True)


def check_intervals(table: pd.DataFrame, source: str | Path = "intervals") -> pd.DataFrame:
    """The table itself, if it has bioframe's columns with usable values; else ``InputError``."""
    missing = [c for c in COLUMNS[:3] if c not in table.columns]
    if missing:
        raise InputError(f"{source}: no column {', '.join(missing)}; expected chrom, start, end")
    for column in ("start", "end"):
        if not pd.api.types.is_integer_dtype(table[column]):
            raise InputError(
                f"{source}: column {column} is {table[column].dtype}; expected whole numbers"
            )
    wrong = (table["start"] < 0) | (table["end"] <= table["start"])
    if wrong.any():
        row = table[wrong].iloc[0]
        raise InputError(
            f"{source}: {row['chrom']}:{row['start']}-{row['end']}; expected 0 <= start < end (0-based)"
        )
    if "strand" in table.columns and not table["strand"].isin(["+", "-", "."]).all():
        strange = next(s for s in table["strand"] if s not in ("+", "-", "."))
        raise InputError(f"{source}: strand is {strange!r}; expected +, - or .")
    return table
