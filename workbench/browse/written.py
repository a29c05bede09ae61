"""Sequence that was written in place of the genome's: as a genome, as changes of it, and what lies in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from genomic_models.dna import reverse_complement
from workbench.browse.found_genes import find_genes
from workbench.browse.pasted_sequence import Letters
from workbench.cohort.align import find_differences
from workbench.cohort.edits import Edit, Variant, parse_variant
from workbench.errors import InputError
from workbench.genome.interval import Interval
from workbench.genome.windows import Sequences, check_fetch
from workbench.judges.judge import NotJudged


class Rewritten:
    """A genome with other letters at a place, as many as stand there."""

    def __init__(self, genome: Sequences, place: Interval, letters: str) -> None:
        if len(letters) != place.size:
            raise ValueError(f"{len(letters)} letters for {place}")
        self._genome, self._place, self._letters = genome, place, letters
        self.lengths: Mapping[str, int] = genome.lengths
        self.circular: frozenset[str] = genome.circular

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        """As `workbench.genome.reference.Genome.fetch`."""
        check_fetch(self, chrom, start, end, strand)
        letters, place = self._genome.fetch(chrom, start, end), self._place
        here = Interval(chrom, start, end)
        if here.meets(place):
            own = here.within(place)
            new = self._letters[own.start - place.start : own.end - place.start]
            letters = letters[: own.start - start] + new + letters[own.end - start :]
        return letters if strand == "+" else reverse_complement(letters)


def substitutions(reference: str, written: str, start: int) -> list[Edit]:
    """Each letter that differs, position by position, as an edit at ``start`` and on; both of one length."""
    pairs = enumerate(zip(reference, written, strict=True), start)
    return [Edit(at, at + 1, new) for at, (old, new) in pairs if old != new]


def variants_of(reference: str, written: str, place: Interval) -> list[Variant]:
    """The changes that turn the letters of a place into others, aligned: substitutions and indels, sorted.

    Raises ``InputError`` where the two cannot be aligned.
    """
    found = find_differences(place.chrom, reference, written)
    if found.gaps:
        raise InputError(f"{place}: what was written there cannot be aligned with the reference")
    relative = [parse_variant(edit.name) for edit in found.edits]
    return sorted(variant._replace(start=variant.start + place.start) for variant in relative)


class Consensus(NamedTuple):
    """The most frequent letter at each position, and the share of sequences that have it."""

    letters: str
    shares: list[float]


def consensus(written: Sequence[str]) -> Consensus:
    """The consensus of sequences of one length; of letters that are as frequent the one that came first."""
    columns = [Counter(column).most_common(1)[0] for column in zip(*written, strict=True)]
    return Consensus("".join(letter for letter, _ in columns), [count / len(written) for _, count in columns])


def genes_in(genome: Sequences, place: Interval) -> pd.DataFrame | None:
    """Genes that pyrodigal finds in a stretch, on the genome; None where it is not installed."""
    try:
        found = find_genes(Letters(place.chrom, genome.fetch(*place)))
    except NotJudged:
        return None
    return found.assign(start=found["start"] + place.start, end=found["end"] + place.start)
