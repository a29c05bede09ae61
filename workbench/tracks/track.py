"""What a track is, and the checks that every reader shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import InputError

COLUMNS = ["chrom", "start", "end", "name", "score", "strand", "phase", "group"]


@dataclass(frozen=True)
class Track:
    """Annotation of one kind.

    Attributes
    ----------
    name : str
    intervals : DataFrame
        ``chrom, start, end, name, score, strand`` (0-based half-open), ``phase`` (0, 1, 2; -1 where
        none) and ``group`` (rows of one feature, such as the exons of a CDS, share it).
    source : str
        File it was read from, or the track it was derived from.
    kind : {"interval", "signal"}
        A signal track has no intervals; see ``workbench.tracks.signal``.
    """

    name: str
    intervals: pd.DataFrame
    source: str
    kind: str = "interval"

    @property
    def stranded(self) -> bool:
        """Whether any interval has a strand."""
        return bool(self.intervals["strand"].isin(["+", "-"]).any())


@dataclass(frozen=True)
class Contigs:
    """What readers check coordinates against: lengths, and which contigs are circular."""

    lengths: Mapping[str, int]
    circular: frozenset[str]


def empty_intervals() -> pd.DataFrame:
    """No intervals, with the right columns."""
    return frame([])


def frame(rows: list[tuple[str, int, int, str, float, str, int, str]]) -> pd.DataFrame:
    """Rows of ``COLUMNS`` as a table with fixed dtypes."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    for column in ("start", "end", "phase"):
        table[column] = table[column].astype(np.int64)
    table["score"] = table["score"].astype(np.float64)
    return table


def check_span(where: str, chrom: str, start: int, end: int, contigs: Contigs) -> None:
    """Refuse an interval (0-based half-open) that cannot be on its contig.

    A circular contig allows an end past its length, up to one turn. A contig that the genome does not have is
    no fault here: names are compared for the whole file.
    """
    if start < 0:
        raise InputError(f"{where}: start {start} is negative (0-based); expected 0 or more")
    if end <= start:
        raise InputError(
            f"{where}: start {start + 1:,} is past end {end:,} (1-based); expected start <= end"
        )
    length = contigs.lengths.get(chrom)
    if length is None:
        return
    if end > length and not (chrom in contigs.circular and end <= 2 * length):
        hint = "" if chrom in contigs.circular else " (if the contig is circular, say so: --circular)"
        raise InputError(
            f"{where}: ends at {end:,}, past the end of {chrom}, which has {length:,} bases{hint}; is this"
            " the annotation of another assembly?"
        )


def unwrap(table: pd.DataFrame, contigs: Contigs) -> pd.DataFrame:
    """Cut intervals that cross the origin of a circular contig in two, of one group."""
    length = table["chrom"].map(dict(contigs.lengths)).astype("float64")
    crossing = table["end"] > length
    if not crossing.any():
        return table
    head, tail = table[crossing].copy(), table[crossing].copy()
    size = length[crossing].astype(np.int64)
    head["end"] = size
    tail["start"] = np.maximum(0, tail["start"] - size)
    tail["end"] = tail["end"] - size
    head = head[head["start"] < head["end"]]
    return pd.concat([table[~crossing], head, tail], ignore_index=True)


def order(table: pd.DataFrame, contigs: Contigs) -> pd.DataFrame:
    """Rows by contig (the genome's order), start, end."""
    rank = {c: i for i, c in enumerate(contigs.lengths)}
    key = table["chrom"].map(rank).fillna(len(rank))
    return (
        table.assign(_rank=key)
        .sort_values(["_rank", "start", "end"], kind="stable")
        .drop(columns="_rank")
        .reset_index(drop=True)
    )
