"""Annotation: intervals from GFF3, GTF, BED, GenBank and EMBL, signals from bigWig and bedGraph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from workbench.errors import InputError
from workbench.files.text import suffix_of
from workbench.tracks.bed import read_bed
from workbench.tracks.derive import derive_tracks
from workbench.tracks.genbank import read_genbank
from workbench.tracks.gff import read_gff
from workbench.tracks.names import match_names
from workbench.tracks.renaming import advice, propose, told_contigs
from workbench.tracks.signal import read_signal
from workbench.tracks.track import (
    CONTIG_TYPES,
    Assembly,
    Contigs,
    SignalTrack,
    Track,
    check_intervals,
    note_left_out,
    order,
    unwrap,
)
from workbench.wording import listed

__all__ = [
    "Contigs",
    "SignalTrack",
    "Track",
    "annotates",
    "check_intervals",
    "derive_tracks",
    "read_regions",
    "read_tracks",
]

Reader = Callable[[Path, Contigs], list[Track]]
READERS: dict[str, Reader] = {
    ".gff": read_gff,
    ".gff3": read_gff,
    ".gff2": read_gff,
    ".gtf": read_gff,
    ".bed": read_bed,
    ".narrowpeak": read_bed,
    ".broadpeak": read_bed,
    ".gb": read_genbank,
    ".gbk": read_genbank,
    ".gbff": read_genbank,
    ".embl": read_genbank,
    ".bw": read_signal,
    ".bigwig": read_signal,
    ".bedgraph": read_signal,
    ".bdg": read_signal,
    ".bg": read_signal,
}


def _on_genome(tracks: Sequence[Track], matched: Mapping[str, str], contigs: Contigs) -> list[Track]:
    """The tracks with the genome's names, what is on other contigs and descriptions of contigs left out."""
    # All at once: a file may have many types, and a genome many contigs.
    table = pd.concat([t.intervals.assign(track=i) for i, t in enumerate(tracks)], ignore_index=True)
    table["chrom"] = table["chrom"].map(matched)
    table = order(unwrap(table.dropna(subset=["chrom"]), contigs), contigs)
    empty = table[:0].drop(columns="track")
    found = {i: part.drop(columns="track") for i, part in table.groupby("track")}
    return [_without_wholes(replace(t, intervals=found.get(i, empty)), contigs) for i, t in enumerate(tracks)]


def _without_wholes(track: Track, contigs: Contigs) -> Track:
    """The track without rows that describe a whole contig, if it is of a type of these."""
    table, notes = track.intervals, track.notes
    if track.type in CONTIG_TYPES:
        whole = (table["start"] == 0) & (table["end"] == table["chrom"].map(dict(contigs.lengths)))
        counts = {(track.type, "over whole contigs"): int(whole.sum())}
        notes += note_left_out(track.source, counts) * bool(whole.any())
        table = table[~whole]
    return replace(track, intervals=table.reset_index(drop=True), notes=notes)


def annotates(path: Path) -> bool:
    """Whether a file is, by its suffix, of a format that tells coding sequences."""
    return READERS.get(suffix_of(path)) in (read_gff, read_genbank)


def read_regions(path: Path, genome: Assembly, rename: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Intervals of a BED file of regions, as `read_tracks` gives them: cut in two at a circle's origin.

    Raises ``InputError`` as `read_tracks`, and for a region on a contig that the genome does not have.
    """
    if suffix_of(path) != ".bed":
        raise InputError(f"{path}: regions must be a BED file")
    contigs = Contigs(genome.lengths, genome.circular, rename or {})
    (track,) = read_bed(path, contigs)
    counts = Counter(track.intervals["chrom"])
    matched, _ = match_names(str(path), counts, list(genome.lengths), contigs.rename)
    strange = [name for name in counts if name not in matched]
    if strange:
        raise InputError(
            f"{path}: contig {strange[0]} is not in the genome; it has {listed(list(genome.lengths))}"
        )
    return _on_genome([track], matched, contigs)[0].intervals


def read_tracks(path: Path, genome: Assembly, rename: Mapping[str, str] | None = None) -> list[Track]:
    """Read a file of annotation, contig names brought to the genome's.

    GFF3, GTF, GenBank and EMBL give one track a feature type, BED one track, bigWig and bedGraph one track of
    kind ``signal``. Left out, with a note, are intervals on contigs that the genome does not have, if others
    meet it, and rows that describe a whole contig (``region``, ``source``); a track may be left empty.

    Raises
    ------
    InputError
        Unknown suffix, unreadable or malformed file (naming the line), coordinates past a contig's end, or
        no contig name in common.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if suffix not in READERS:
        raise InputError(f"{path}: unknown kind of track {suffix!r}; expected one of {', '.join(READERS)}")
    contigs = Contigs(genome.lengths, genome.circular, rename or {})
    tracks = READERS[suffix](path, contigs)
    counts: Counter[str] = Counter()
    for track in tracks:
        counts.update(track.signal.counts if track.signal else track.intervals["chrom"])
    matched, note = match_names(
        str(path), counts, list(genome.lengths), contigs.rename,
        advise=lambda: advice(propose(told_contigs(path), genome.lengths, contigs.rename)),
    )  # fmt: skip
    tracks = [replace(t, notes=t.notes + (note,) * bool(note)) for t in tracks]
    # A file holds intervals or one signal.
    return tracks if tracks[0].signal else _on_genome(tracks, matched, contigs)
