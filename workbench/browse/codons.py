"""Codons of coding sequences in frame, part by part, for reading at single bases."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from Bio.Data.CodonTable import unambiguous_dna_by_id

from genomic_models.dna import reverse_complement
from workbench.genome.interval import Interval
from workbench.genome.windows import Sequences

_STANDARD = unambiguous_dna_by_id[1]
# The standard code, which bacteria share: amino acid by codon, ``*`` for a stop.
ACIDS = {**_STANDARD.forward_table, **dict.fromkeys(_STANDARD.stop_codons, "*")}


class Codon(NamedTuple):
    """Three bases ``[start, start + 3)``; ``odd`` alternates along a gene, ``name`` is the gene's."""

    start: int
    strand: str
    acid: str
    odd: bool
    name: str


def codons(genome: Sequences, coding: pd.DataFrame, locus: Interval) -> list[Codon]:
    """Codons of a coding track that meet a region, by start.

    Parameters
    ----------
    genome : Sequences
    coding : DataFrame
        Intervals of a track (`workbench.tracks.track.Row`); rows without a phase (-1) have no frame.
    locus : Interval

    Returns
    -------
    list of Codon
        Codons that lie within one part of a coding sequence; those that an intron cuts are left out.
        ``X`` stands for a codon with a letter other than ACGT.
    """
    meets = (coding["chrom"] == locus.chrom) & (coding["phase"] >= 0)
    meets &= (coding["start"] < locus.end) & (coding["end"] > locus.start)
    found: list[Codon] = []
    for row in coding[meets].itertuples():
        start, end, phase = int(row.start), int(row.end), int(row.phase)
        plus = row.strand != "-"
        low = start + phase if plus else start + (end - phase - start) % 3
        high = low + (end - low) // 3 * 3 if plus else end - phase
        first = low + max(0, (locus.start - low) // 3) * 3
        last = min(high, locus.end + 3)
        starts = np.arange(first, last - 2, 3)
        letters = genome.fetch(locus.chrom, first, int(starts[-1]) + 3) if starts.size else ""
        for at in starts.tolist():
            word = letters[at - first : at - first + 3]
            word = word if plus else reverse_complement(word)
            place = (at - low if plus else high - 3 - at) // 3
            found.append(
                Codon(at, "+" if plus else "-", ACIDS.get(word, "X"), bool(place % 2), str(row.name))
            )
    return sorted(set(found))
