"""Stop codons in all six frames, and the longest stretch without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from genomic_models.dna import UNKNOWN, Codes, base_codes, reverse_complement_codes
from workbench.judges.judge import Card, Check, Column, Judge

# TAA, TAG, TGA as `codons` numbers them.
STOPS = (48, 50, 56)
STRANDS = {"+": "plus", "-": "minus"}

CARD = Card(
    name="stops",
    reads="stop codons (TAA, TAG, TGA) in the six frames; frame 1 begins at the first base of a strand",
    columns=(
        *(
            Column(f"{strand}_{frame}", "Float64", f"share of codons that are stops, {strand} frame {frame}")
            for strand in STRANDS.values()
            for frame in (1, 2, 3)
        ),
        Column("longest_open", "Int64", "bases of the longest stretch of codons without a stop"),
        Column("open_start", "Int64", "its first base"),
        Column("open_end", "Int64", "the base after its last"),
        Column("open_strand", "string", "its strand"),
    ),
    tool="own code",
    licence="BSD-3-Clause",
    source="the standard genetic code",
    version=lambda: "1",
    checks=(
        Check(
            "stops_frame_found",
            "300 bases within genes of MG1655 whose frame and strand it finds, share (300 sequences)",
            0.91,
        ),
        Check(
            "stops_auroc_shuffled",
            "AUROC of the longest open stretch, 600 bases within genes against shuffled (300 sequences)",
            0.9983,
        ),
    ),
)


class Frame(NamedTuple):
    """One of six readings: strand, first base of it on that strand, and `codons`."""

    strand: str
    offset: int
    codons: np.ndarray


class Stretch(NamedTuple):
    """Codons ``[first, last)`` of a frame."""

    frame: Frame
    first: int
    last: int

    @property
    def codons(self) -> np.ndarray:
        """Its codons, int64, none a stop and none unknown."""
        return self.frame.codons[self.first : self.last]

    def span(self, bases: int) -> tuple[int, int]:
        """Its interval on the plus strand of a sequence of so many bases."""
        start, end = (self.frame.offset + 3 * i for i in (self.first, self.last))
        return (start, end) if self.frame.strand == "+" else (bases - end, bases - start)


def codons(codes: Codes) -> np.ndarray:
    """Codons of a reading, int64: 16 a + 4 b + c of their codes, -1 with an unknown letter."""
    triples = codes[: codes.size // 3 * 3].reshape(-1, 3).astype(np.int64)
    return np.where((triples == UNKNOWN).any(axis=1), -1, triples @ (16, 4, 1))


def frames(letters: str) -> Iterator[Frame]:
    """The six readings of a sequence, those of the plus strand first."""
    codes = base_codes(letters)
    for strand, reading in (("+", codes), ("-", reverse_complement_codes(codes))):
        for offset in range(3):
            yield Frame(strand, offset, codons(reading[offset:]))


def longest_open(letters: str) -> Stretch:
    """The longest stretch of known codons without a stop in any frame, the first of several."""
    return max(map(_longest, frames(letters)), key=lambda stretch: stretch.last - stretch.first)


def _longest(frame: Frame) -> Stretch:
    ends = np.flatnonzero(np.isin(frame.codons, (-1, *STOPS)))
    edges = np.concatenate([[-1], ends, [frame.codons.size]])
    widest = int(np.diff(edges).argmax())
    return Stretch(frame, int(edges[widest]) + 1, int(edges[widest + 1]))


class Stops(Judge):
    """Judge of stop codons and open reading frames."""

    card = CARD

    def read(self, letters: str) -> Mapping[str, object]:
        shares = {
            f"{STRANDS[frame.strand]}_{frame.offset + 1}": float(np.isin(known, STOPS).mean())
            for frame in frames(letters)
            if (known := frame.codons[frame.codons >= 0]).size
        }
        best = longest_open(letters)
        start, end = best.span(len(letters))
        place = {"open_start": start, "open_end": end, "open_strand": best.frame.strand}
        return shares | {"longest_open": end - start} | (place if end > start else {})
