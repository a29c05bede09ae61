"""Prompts of a study: beginnings of a track's intervals that lie whole in one split."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.errors import InputError
from workbench.experiments.settings import WritingSettings
from workbench.genome.interval import Interval
from workbench.study.study import Study


class Prompt(NamedTuple):
    """The first bases of an interval in its direction, and the prompt's number among those chosen."""

    number: int
    place: Interval
    strand: str

    def letters(self, study: Study) -> str:
        """Its bases, upper case."""
        return study.genome.fetch(*self.place, self.strand).upper()


def choose_prompts(study: Study, given: WritingSettings, split: str) -> list[Prompt]:
    """As many prompts as are asked for, spread evenly over a split.

    Only intervals with a strand that have room for the prompt and what is written, of A, C, G and T alone.
    Raises ``InputError`` where there are too few.
    """
    track = next((t for t in study.tracks if t.name == given.track), None)
    if track is None or not len(track.intervals):
        names = ", ".join(t.name for t in study.tracks if len(t.intervals))
        raise InputError(f"track {given.track!r} has no interval; expected one of {names or 'none'}")
    blocks = [block.interval for block in study.split.blocks if block.split == split]
    found: list[tuple[Interval, str]] = []
    rows = track.intervals.drop_duplicates(["chrom", "start", "end", "strand"])
    for row in rows.sort_values(["chrom", "start"]).itertuples():
        if row.end - row.start < given.prompt + given.length or row.strand not in ("+", "-"):
            continue
        first = int(row.start) if row.strand == "+" else int(row.end) - given.prompt
        place = Interval(str(row.chrom), first, first + given.prompt)
        inside = any(place.chrom == b.chrom and b.start <= place.start and place.end <= b.end for b in blocks)
        if inside and set(study.genome.fetch(*place).upper()) <= set("ACGT"):
            found.append((place, str(row.strand)))
    if len(found) < given.prompts:
        raise InputError(
            f"{len(found)} stranded intervals of {given.track} in the {split} split have"
            f" {given.prompt + given.length:,} bases; {given.prompts} prompts are asked for: give fewer or"
            " shorter ones, or another track"
        )
    spread = np.linspace(0, len(found) - 1, given.prompts).round().astype(int)
    return [Prompt(number, *found[i]) for number, i in enumerate(spread)]
