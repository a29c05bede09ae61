"""Annotation: intervals from GFF3, GTF, BED, GenBank and EMBL, signals from bigWig and bedGraph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from workbench.errors import InputError
from workbench.genome import Genome
from workbench.text import suffix_of
from workbench.tracks.bed import read_bed
from workbench.tracks.derive import derive_tracks
from workbench.tracks.genbank import read_genbank
from workbench.tracks.gff import read_gff
from workbench.tracks.names import match_names
from workbench.tracks.signal import SignalTrack, read_signal
from workbench.tracks.track import Contigs, Track, check_intervals, order, unwrap

__all__ = ["Contigs", "SignalTrack", "Track", "check_intervals", "derive_tracks", "read_tracks"]

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


def _on_genome(track: Track, matched: Mapping[str, str], contigs: Contigs) -> Track:
    """The track with the genome's names, what is on other contigs and whole-contig rows left out."""
    table = track.intervals.assign(chrom=track.intervals["chrom"].map(matched))
    table = unwrap(table.dropna(subset=["chrom"]), contigs)
    whole = (table["start"] == 0) & (table["end"] == table["chrom"].map(dict(contigs.lengths)))
    # Such a row (region, source, contig) describes the record, not a place in it.
    table = table[~whole] if track.type else table
    return replace(track, intervals=order(table, contigs))


def read_tracks(path: Path, genome: Genome, rename: Mapping[str, str] | None = None) -> list[Track]:
    """Read a file of annotation, contig names brought to the genome's.

    GFF3, GTF, GenBank and EMBL give one track a feature type, BED one track, bigWig and bedGraph one track of
    kind ``signal``. Intervals on contigs that the genome does not have are left out, with a note on each
    track, if others meet it; so are features that cover a whole contig.

    Raises
    ------
    InputError
        Unknown suffix, unreadable or malformed file (naming the line), coordinates past a contig's end, or
        no contig name in common.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if suffix not in READERS:
        raise InputError(
            f"{path}: unknown kind of track {suffix!r}; expected one of {', '.join(READERS)}"
        )
    contigs = Contigs(genome.lengths, genome.circular, rename or {})
    tracks = READERS[suffix](path, contigs)
    counts: Counter[str] = Counter()
    for track in tracks:
        counts.update(track.signal.counts if track.signal else track.intervals["chrom"])
    matched, note = match_names(str(path), counts, list(genome.lengths), contigs.rename)
    tracks = [replace(t, notes=t.notes + (note,) * bool(note)) for t in tracks]
    found = [t if t.signal else _on_genome(t, matched, contigs) for t in tracks]
    return [t for t in found if t.signal or len(t.intervals)]
