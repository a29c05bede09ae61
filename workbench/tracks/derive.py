"""Tracks made from others: ends of coding sequences, bases between genes, operons, parts of transcripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.tracks.spliced import SPLICED, spliced_tracks
from workbench.tracks.track import (
    COLUMNS,
    Contigs,
    Row,
    Track,
    empty_intervals,
    frame,
    note_left_out,
    order,
    unwrap,
)

CODON = 3
GENIC = frozenset(
    {"CDS", "gene", "pseudogene", "mRNA", "transcript", "exon", "intron", "tRNA", "rRNA", "ncRNA"}
    | {"tmRNA", "snRNA", "snoRNA", "antisense_RNA", "RNase_P_RNA", "SRP_RNA", "telomerase_RNA"}
)


class Part(NamedTuple):
    """A row of a feature, as far as reading it needs."""

    start: int
    end: int
    strand: str
    phase: int
    part: int


def reading_order(parts: list[Part], length: int, circular: bool) -> list[Part]:
    """Parts of one feature in the order in which they are read, 5' to 3'.

    Where the file numbers the parts (trans-splicing), that order holds. Parts that meet at the origin of a
    circular contig are read across it: the widest gap between parts is outside the feature.
    """
    if len(parts) == 1:
        return parts
    parts = sorted(parts)
    if circular and parts[0].start == 0 and parts[-1].end == length:
        gaps = [b.start - a.end for a, b in pairwise(parts)]
        first = 1 + gaps.index(max(gaps))
        parts = parts[first:] + parts[:first]
    if parts[0].strand == "-":
        parts.reverse()
    return sorted(parts, key=lambda p: p.part)


def _codon(parts: list[Part], first: bool) -> Iterator[tuple[int, int, str]]:
    """The first (or last) codon of parts in reading order, in pieces where an intron cuts it."""
    left = CODON
    for p in parts if first else reversed(parts):
        size = min(left, p.end - p.start)
        # The 5' end of the first part, the 3' end of the last.
        start = p.start if (p.strand == "+") == first else p.end - size
        yield start, start + size, p.strand
        left -= size
        if not left:
            return


def features(table: pd.DataFrame, contigs: Contigs) -> Iterator[tuple[str, str, str, bool, list[Part]]]:
    """``(chrom, group, name, complete, parts in reading order)`` of each feature of a track."""
    found: dict[tuple[str, str], tuple[str, list[bool], list[Part]]] = {}
    for i, values in enumerate(zip(*(table[c].tolist() for c in COLUMNS), strict=True)):
        row = Row(*values)
        key = (row.chrom, row.group or f"row {i}")
        _, complete, parts = found.setdefault(key, (row.name, [], []))
        complete.append(row.complete)
        parts.append(Part(row.start, row.end, row.strand, row.phase, row.part))
    for (chrom, group), (name, complete, parts) in found.items():
        parts = reading_order(parts, contigs.lengths[chrom], chrom in contigs.circular)
        yield chrom, group, name, all(complete), parts


def _codons(cds: pd.DataFrame, contigs: Contigs, first: bool) -> tuple[list[Row], Counter[str]]:
    """First (or last) codons of CDS, of those that share one, one; and why others have none."""
    rows: dict[tuple[str, int, int, str], Row] = {}
    left_out: Counter[str] = Counter()
    for chrom, group, name, complete, parts in features(cds, contigs):
        if why := _no_codons(complete, parts):
            left_out[why] += 1
            continue
        for start, end, strand in _codon(parts, first):
            row = Row(chrom, start, end, name, strand=strand, group=group)
            rows.setdefault((chrom, start, end, strand), row)
    return list(rows.values()), left_out


def _no_codons(complete: bool, parts: list[Part]) -> str:
    """Why a CDS has no first and last codon that can be told; empty where it has."""
    if not complete:
        return "incomplete (partial, a pseudogene, or of a GTF)"
    if any(p.strand == "." for p in parts):
        return "without a strand"
    if parts[0].phase > 0:
        return "that begin inside a codon"
    return "shorter than two codons" if sum(p.end - p.start for p in parts) < 2 * CODON else ""


def _between(tables: list[pd.DataFrame], contigs: Contigs) -> list[Row]:
    """Bases that no interval covers, on either strand, of the contigs that have any; unstranded."""
    joined = pd.concat([t[["chrom", "start", "end"]] for t in tables]).sort_values("start")
    rows = []
    for chrom, spans in joined.groupby("chrom", sort=False):
        length = contigs.lengths[str(chrom)]
        starts = np.append(spans["start"].to_numpy(), length)
        covered = np.append(0, np.maximum.accumulate(spans["end"].to_numpy()))
        rows += [Row(str(chrom), int(covered[i]), int(starts[i])) for i in np.flatnonzero(starts > covered)]
    return rows


def _of_codons(tracks: Sequence[Track], contigs: Contigs) -> Iterator[Track]:
    """``CDS_start`` and ``CDS_stop`` of each track of CDS, named after it; they may be empty."""
    for cds in (t for t in tracks if t.type == "CDS"):
        names = f"{cds.name}_start", f"{cds.name}_stop"
        for name, first in zip(names, (True, False), strict=True):
            rows, left_out = _codons(cds.intervals, contigs, first)
            notes = note_left_out(", ".join(names), {(cds.name, why): n for why, n in left_out.items()})
            yield Track(name, order(frame(rows), contigs), cds.name, notes=notes)


def _of_genes(tracks: Sequence[Track], contigs: Contigs) -> Iterator[Track]:
    """``intergenic``, where there are genes or CDS."""
    if any(t.type in ("CDS", "gene") for t in tracks):
        genic = [t for t in tracks if t.type in GENIC]
        rows = _between([t.intervals for t in genic], contigs)
        yield Track("intergenic", order(frame(rows), contigs), ", ".join(t.name for t in genic))


def _of_operons(tracks: Sequence[Track], contigs: Contigs) -> Iterator[Track]:
    """``operon``: from the first base to the last of all features that name the same operon."""
    tables = [t.intervals[t.intervals["operon"] != ""] for t in tracks if t.kind == "interval"]
    named = pd.concat(tables) if tables else empty_intervals()
    rows = []
    for (chrom, strand, name), part in named.groupby(["chrom", "strand", "operon"], sort=False):
        start, end, length = part["start"].min(), part["end"].max(), contigs.lengths[chrom]
        if chrom in contigs.circular and end - start > length / 2:  # over the origin
            low = part["start"] < length / 2
            start, end = part.loc[~low, "start"].min(), part.loc[low, "end"].max() + length
        rows.append(Row(chrom, int(start), int(end), name, strand=strand))
    if rows:
        yield Track("operon", order(unwrap(frame(rows), contigs), contigs), "attribute operon")


# What makes derived tracks, in the order in which they are shown, and names of what each makes.
DERIVATIONS: dict[Callable[[Sequence[Track], Contigs], Iterable[Track]], tuple[str, ...]] = {
    _of_codons: ("CDS_start", "CDS_stop"),
    _of_genes: ("intergenic",),
    _of_operons: ("operon",),
    spliced_tracks: SPLICED,
}
DERIVED = tuple(name for names in DERIVATIONS.values() for name in names)


def derive_tracks(tracks: list[Track], contigs: Contigs, wanted: Collection[str] = DERIVED) -> list[Track]:
    """Tracks that follow from others: those ``wanted`` of `DERIVED`.

    For each track of type CDS: ``CDS_start`` and ``CDS_stop``, the first and last codon of each complete CDS
    (named after the track, so that a second CDS track gives its own), with a note on CDS that have none; a
    derived track may be empty. Where there are genes or CDS: ``intergenic``, the bases of annotated contigs
    that no gene, transcript or CDS of any track covers. Where features name operons: ``operon``. Where
    transcripts are spliced: the tracks of `spliced_tracks`. One of the tracks may have such a name.
    """
    return [
        track
        for make, names in DERIVATIONS.items()
        if not set(names).isdisjoint(wanted)
        for track in make(tracks, contigs)
        if any(track.name.endswith(name) for name in names if name in wanted)
    ]
