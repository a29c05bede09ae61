"""Annotation: intervals from GFF3, GTF, BED, GenBank and EMBL, signals from bigWig and bedGraph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from workbench.errors import InputError
from workbench.genome import Genome, suffix_of
from workbench.tracks.bed import read_bed
from workbench.tracks.derive import derive_tracks
from workbench.tracks.genbank import read_genbank
from workbench.tracks.gff import read_gff
from workbench.tracks.names import match_names
from workbench.tracks.signal import BEDGRAPH, BIGWIG, SignalTrack
from workbench.tracks.track import Contigs, Track, empty_intervals, order, unwrap

__all__ = ["Contigs", "SignalTrack", "Track", "derive_tracks", "read_tracks"]

Reader = Callable[[Path, Contigs], list[Track]]
READERS: dict[str, Reader] = {
    ".gff": read_gff,
    ".gff3": read_gff,
    ".gff2": read_gff,
    ".gtf": read_gff,
    ".bed": read_bed,
    ".narrowpeak": read_bed,
    ".gb": read_genbank,
    ".gbk": read_genbank,
    ".gbff": read_genbank,
    ".embl": read_genbank,
}


def read_tracks(
    path: Path, genome: Genome, rename: Mapping[str, str] | None = None
) -> list[Track]:
    """Read a file of annotation, contig names brought to the genome's.

    Intervals on contigs that the genome does not have are dropped if others meet it. A signal file gives one
    track of kind ``signal``.

    Raises
    ------
    InputError
        Unknown suffix, unreadable or malformed file (naming the line), coordinates past a contig's end, or
        no contig name in common.
    """
    renamed = dict(rename or {})
    suffix = suffix_of(path)
    names = {**{n: n for n in genome.lengths}, **renamed}
    lengths = {old: genome.lengths[new] for old, new in names.items() if new in genome.lengths}
    circular = frozenset(old for old, new in names.items() if new in genome.circular)
    contigs = Contigs(lengths, circular)
    if suffix in BIGWIG + BEDGRAPH:
        signal = SignalTrack(path, contigs, renamed)
        match_names(str(path), signal.lengths, list(genome.lengths), renamed)
        return [Track(signal.name, empty_intervals(), str(path), "signal")]
    if suffix not in READERS:
        known = ", ".join([*READERS, *BIGWIG, *BEDGRAPH])
        raise InputError(f"{path}: unknown kind of track {suffix!r}; expected one of {known}")
    tracks = READERS[suffix](path, contigs)
    found = [c for t in tracks for c in t.intervals["chrom"].unique()]
    matched = match_names(str(path), found, list(genome.lengths), renamed)
    own = Contigs(genome.lengths, genome.circular)
    result = []
    for track in tracks:
        table = track.intervals.assign(chrom=track.intervals["chrom"].map(matched))
        table = unwrap(table.dropna(subset=["chrom"]), own)
        past = table["end"] > table["chrom"].map(genome.lengths)
        if past.any():
            row = table[past].iloc[0]
            raise InputError(
                f"{path}: {track.name} {row['name']} ends at {row['end']:,}, past the end of {row['chrom']},"
                f" which has {genome.lengths[row['chrom']]:,} bases; is this another assembly?"
            )
        if len(table):
            result.append(replace(track, intervals=order(table, own)))
    return result
