"""Places of a study for canvases: stretches by a track's intervals, with what stands around them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genomic_models.dna import BASES
from workbench.errors import InputError
from workbench.experiments.settings import PlaceSettings
from workbench.genome.interval import Interval
from workbench.study.study import Study


class Canvas(NamedTuple):
    """A stretch in the direction of its strand, with what stands before and after it.

    number : among those chosen
    place : None for one that is not of the genome
    """

    number: int
    place: Interval | None
    strand: str
    before: str
    sequence: str
    after: str

    def locate(self, position: int) -> int:
        """Genome position of a base of the stretch."""
        assert self.place is not None
        return self.place.start + position if self.strand == "+" else self.place.end - 1 - position


def choose_canvases(study: Study, given: PlaceSettings, length: int) -> list[Canvas]:
    """As many stretches as are asked for, each whole with its surroundings in one split, spread over it.

    Intervals without a strand count as those of the plus strand. Raises ``InputError`` for too few.
    """
    track = next((t for t in study.tracks if t.name == given.track and t.kind == "interval"), None)
    if track is None or not len(track.intervals):
        names = ", ".join(t.name for t in study.tracks if t.kind == "interval" and len(t.intervals))
        raise InputError(f"track {given.track!r} has no interval; expected one of {names or 'none'}")
    blocks = [block.interval for block in study.split.blocks if block.split == given.split]
    found: list[tuple[Interval, str]] = []
    rows = track.intervals.drop_duplicates(["chrom", "start", "end", "strand"])
    for row in rows.sort_values(["chrom", "start"]).itertuples():
        inside = given.offset >= 0
        if inside and row.end - row.start < given.offset + length:
            continue
        strand = "-" if row.strand == "-" else "+"
        start = int(row.start) + given.offset if strand == "+" else int(row.end) - given.offset - length
        place = Interval(str(row.chrom), start, start + length)
        around = Interval(place.chrom, start - given.context, start + length + given.context)
        if not any(
            around.chrom == b.chrom and b.start <= around.start and around.end <= b.end for b in blocks
        ):
            continue
        if set(study.genome.fetch(*around).upper()) <= set(BASES):
            found.append((place, strand))
    found = list(dict.fromkeys(found))
    if len(found) < given.places:
        raise InputError(
            f"{len(found)} intervals of {given.track} have room in the {given.split} split for"
            f" {length:,} bases at {given.offset:,} with {given.context:,} on either side;"
            f" {given.places} places are asked for: give fewer, or less context, or another track"
        )
    spread = np.linspace(0, len(found) - 1, given.places).round().astype(int)
    return [
        read_canvas(study, number, found[i][0], found[i][1], given.context) for number, i in enumerate(spread)
    ]


def read_canvas(study: Study, number: int, place: Interval, strand: str, context: int) -> Canvas:
    """A stretch of the genome with up to so many bases on either side, in the direction of a strand."""
    length = study.manifest.contigs[place.chrom]
    first, last = max(0, place.start - context), min(length, place.end + context)
    letters = study.genome.fetch(place.chrom, first, last, strand).upper()
    lead = place.start - first if strand == "+" else last - place.end
    end = lead + place.size
    return Canvas(number, place, strand, letters[:lead], letters[lead:end], letters[end:])
