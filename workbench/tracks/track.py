"""What a track is, and the checks that every reader shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from workbench.errors import InputError
from workbench.tracks.names import Names
from workbench.wording import listed


class Assembly(Protocol):
    """What readers ask of a genome."""

    @property
    def lengths(self) -> Mapping[str, int]:
        """Bases by contig."""

    @property
    def circular(self) -> frozenset[str]:
        """Contigs that close."""


class Row(NamedTuple):
    """One interval, 0-based half-open.

    ``phase``: bases to skip to the next codon, -1 where there is none. Rows of one feature, such as the parts
    of a CDS, share a ``group``; ``part`` is their place in the reading where the file gives it (GenBank;
    trans-spliced features of a GFF3), 0 where they follow the strand. ``complete`` is False for features
    whose ends are not known, and for pseudogenes. ``parent``: IDs of what the feature is part of, apart by
    commas (transcripts of an exon); in GenBank, whose features have none, its locus tag or gene. ``joined``:
    what else than the spliceosome joins rows of a feature, one of `JOINED`. ``operon``: its name, if given.
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
    parent: str = ""
    joined: str = ""
    operon: str = ""


# What joins rows of a feature where the spliceosome does not. Gaps of RNA of the first kind are introns.
CUT_RNA, SLIPPAGE, TRANS, PSEUDOGENE = JOINED = ("RNA", "slippage", "trans-splicing", "pseudogene")
# Types of rows that describe a whole record, where they span it, and no place in it.
CONTIG_TYPES = frozenset(
    {"region", "source", "contig", "supercontig", "scaffold", "chromosome", "plasmid"}
    | {"sequence_assembly", "databank_entry"}
)
MOST_TYPES = 500
# Bases of a contig, at most.
LONGEST = 1 << 40
_MARKS = (
    *("partial", "pseudo", "pseudogene", "start_range", "end_range", "truncated"),
    *("5_prime_partial", "3_prime_partial", "missing_start_codon", "missing_stop_codon"),
    *("five_prime_partial", "three_prime_partial", "is_fragment", "inframe_stop_codon"),
    *("is_pseudo", "is_pseudogene"),
)
_TAGS = ("cds_start_NF", "cds_end_NF", "mRNA_start_NF", "mRNA_end_NF")
# Cut by endonucleases, or out of themselves: their introns have no splice sites.
_CUT_RNA = ("tRNA", "rRNA")
_DENIED = ("false", "no", "none", "0", "00")
COLUMNS = list(Row._fields)
_TYPES = {"start": np.int64, "end": np.int64, "score": np.float64, "phase": np.int64, "part": np.int64}


class SignalTrack(Protocol):
    """Values of a signal over the genome.

    Attributes
    ----------
    counts : mapping
        Name in the file to how much is there: intervals of a bedGraph, 1 a contig of a bigWig.
    """

    @property
    def counts(self) -> Mapping[str, int]: ...

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """float32 ``(end - start)`` of ``[start, end)``; NaN where the file says nothing.

        Raises ``InputError`` for a stretch that is not on the genome.
        """
        ...


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

    @cached_property
    def _names(self) -> Names:
        return Names(self.lengths, self.rename)

    def target(self, name: str) -> str | None:
        """The genome's name for a name in a file; None where it has none."""
        return self._names.target(name)

    def named(self, name: str) -> str:
        """The genome's name for a name that somebody gave, matched as in files; else ``InputError``."""
        target = name if name in self.lengths else self.target(name)
        if target is None or target not in self.lengths:
            raise InputError(f"no contig {name}; the genome has {listed(list(self.lengths), 8)}")
        return target

    def stretch(self, chrom: str, start: int, end: int) -> tuple[str, int, int]:
        """``[start, end)`` with the genome's name of the contig; ``InputError`` where it is not on it."""
        name = self.named(chrom)
        if not 0 <= start < end <= self.lengths[name]:
            raise InputError(
                f"{chrom}:{start}-{end}: expected 0 <= start < end <= {self.lengths[name]}, the length of"
                f" {name}"
            )
        return name, start, end


def frame(rows: list[Row]) -> pd.DataFrame:
    """Rows as a table with fixed dtypes."""
    return pd.DataFrame(rows, columns=COLUMNS).astype({**_TYPES, "complete": bool})


def typed_tracks(path: Path, rows: Mapping[str, list[Row]], notes: tuple[str, ...] = ()) -> list[Track]:
    """One track a feature type; ``InputError`` for more types than an annotation has."""
    if len(rows) > MOST_TYPES:
        first = ", ".join(list(rows)[:3])
        raise InputError(
            f"{path}: {len(rows):,} feature types ({first}, ...); expected {MOST_TYPES} at most, such as gene"
            " and CDS; are names of features where their types should be?"
        )
    # One table for all, cut: of many types each would cost more than its rows.
    table = frame([row for own in rows.values() for row in own])
    ends = accumulate(map(len, rows.values()))
    parts = (table[end - len(own) : end] for own, end in zip(rows.values(), ends, strict=True))
    return [
        Track(kind, part.reset_index(drop=True), str(path), type=kind, notes=notes)
        for kind, part in zip(rows, parts, strict=True)
    ]


def note_left_out(path: Path | str, counts: Mapping[tuple[str, str], int]) -> tuple[str, ...]:
    """A note on features of a file that were left out, whole or in parts; none where there are none.

    ``counts``: of each feature type and reason, as in ``("CDS", "on another sequence")``.
    """
    if not counts:
        return ()
    listed = "; ".join(f"{count:,} {kind} {why}" for (kind, why), count in counts.items())
    return (f"{path}: left out: {listed}",)


def is_broken(attributes: Mapping[str, str]) -> bool:
    """Whether a feature's attributes say that an end of it is not known, or that it is a pseudogene.

    A mark counts whatever its value, or without any (``partial=10`` of Prodigal, ``pseudo``), save one that
    denies it. Lists of tags are those of GENCODE and Ensembl (``cds_start_NF``, not found).
    """
    lower = {key.lower(): value for key, value in attributes.items()}
    marked = any(lower[m].strip().lower() not in _DENIED for m in _MARKS if m in lower)
    tags = attributes.get("tag", "").split(",")
    return marked or any(tag.strip() in _TAGS for tag in tags)


def joined_by(kind: str, attributes: Mapping[str, str]) -> str:
    """What a feature says of how its rows are joined: one of `JOINED`, empty for as usual.

    ``kind`` is its type or biotype; ``attributes`` are those of GFF3 or qualifiers of GenBank.
    """
    said = attributes.get("exception", "").lower()
    if "slippage" in said or "frameshift" in said or "ribosomal_slippage" in attributes:
        return SLIPPAGE
    if ("trans" in said and "splic" in said) or "trans_splicing" in attributes:
        return TRANS
    return CUT_RNA if kind.endswith(_CUT_RNA) else ""


def empty_intervals() -> pd.DataFrame:
    """No intervals, with the right columns."""
    return frame([])


def check_span(where: str, chrom: str, start: int, end: int, contigs: Contigs, first: int = 0) -> None:
    """Refuse an interval (0-based half-open) that cannot be on its contig.

    ``first`` is the number that the file's format gives to the first base. A circular contig allows an end
    past its length, up to one turn. A contig that the genome does not have is no fault here: names are
    compared for the whole file. Raises ``InputError``.
    """
    if end > LONGEST:
        raise InputError(f"{where}: ends past {LONGEST:,}; expected a place on a contig")
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
            raise InputError(f"{source}: column {column} is {table[column].dtype}; expected whole numbers")
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
