"""Codon usage of the longest open stretch against that of a genome's coding sequences.

The Codon Adaptation Index of Sharp and Li (1987, Nucleic Acids Research 15:1281): the geometric mean over
codons of how often each is used relative to the commonest codon of its amino acid. Sharp and Li count highly
expressed genes; here all annotated coding sequences of the given genome are the reference set, so that 1 is
said of a sequence that always takes the genome's commonest codons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from Bio.Data.CodonTable import unambiguous_dna_by_id

from genomic_models.dna import BASES, base_codes
from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.judges.judge import Card, Check, Column, Judge, NotJudged, References
from workbench.judges.stops import codons, longest_open
from workbench.tracks import Contigs, read_tracks
from workbench.tracks.derive import features

CARD = Card(
    name="codon_usage",
    reads="codons of the longest stretch without a stop, in whichever of six frames it lies",
    columns=(
        Column("cai", "Float64", "Codon Adaptation Index against all coding sequences of --genome, 0 to 1"),
        Column("codons", "Int64", "codons counted: those of the stretch but ATG and TGG"),
    ),
    tool="own code",
    licence="BSD-3-Clause",
    source="Sharp and Li 1987, Nucleic Acids Research 15:1281",
    version=lambda: "1",
    needs=("genome", "annotation"),
    checks=(
        Check(
            "codon_usage_auroc_shuffled",
            "AUROC of the index, 600 bases within genes of MG1655 against shuffled (300 sequences)",
            0.9662,
        ),
    ),
)

# Amino acid of each of the 64 codons as `workbench.judges.stops.codons` numbers them; stops are "*". The code
# of bacteria (11) differs from the standard one in its start codons alone.
ACIDS = np.array(
    [unambiguous_dna_by_id[11].forward_table.get(a + b + c, "*") for a in BASES for b in BASES for c in BASES]
)
# Added to each count, so that a codon that the reference never uses does not make an index of 0.
_PSEUDOCOUNT = 0.5


def relative_adaptiveness(counts: np.ndarray) -> np.ndarray:
    """How often each codon is used relative to the commonest of its amino acid, float64 (64).

    NaN for stops and for the codons of amino acids that have but one: they say nothing of a choice.
    """
    weights = np.full(64, np.nan)
    for acid in set(ACIDS.tolist()) - {"*"}:
        own = acid == ACIDS
        if own.sum() > 1:
            weights[own] = (counts[own] + _PSEUDOCOUNT) / (counts[own].max() + _PSEUDOCOUNT)
    return weights


def adaptation_index(found: np.ndarray, weights: np.ndarray) -> tuple[float, int]:
    """Index of codons (int64, 0 to 63), and how many of them it counts; NaN for none."""
    known = weights[found]
    known = known[~np.isnan(known)]
    return (float(np.exp(np.log(known).mean())) if known.size else float("nan")), known.size


def count_codons(sequences: Iterable[str]) -> np.ndarray:
    """Codons of coding sequences that begin in frame, int64 (64); those with unknown letters left out."""
    counts = np.zeros(64, np.int64)
    for letters in sequences:
        found = codons(base_codes(letters))
        counts += np.bincount(found[found >= 0], minlength=64)
    return counts


def coding_sequences(references: References) -> Iterator[str]:
    """Letters of the complete coding sequences of the references' genome, in reading direction.

    Raises ``InputError`` where the annotation has none.
    """
    assert references.genome is not None and references.annotation is not None
    genome = Genome(references.genome)
    tracks = [t for t in read_tracks(references.annotation, genome) if t.type == "CDS"]
    contigs = Contigs(genome.lengths, genome.circular)
    any_found = False
    for track in tracks:
        for chrom, _, _, complete, parts in features(track.intervals, contigs):
            size = sum(p.end - p.start for p in parts)
            if complete and parts[0].phase <= 0 and size % 3 == 0 and all(p.strand in "+-" for p in parts):
                any_found = True
                yield "".join(genome.fetch(chrom, p.start, p.end, p.strand) for p in parts)
    if not any_found:
        raise InputError(
            f"{references.annotation}: no complete CDS; expected the annotation of coding sequences"
        )


class CodonUsage(Judge):
    """Judge of codon choice."""

    card = CARD

    def __init__(self, references: References) -> None:
        super().__init__(references)
        self._weights = relative_adaptiveness(count_codons(coding_sequences(references)))

    def read(self, letters: str) -> Mapping[str, object]:
        index, counted = adaptation_index(longest_open(letters).codons, self._weights)
        if not counted:
            raise NotJudged("no codon of an open stretch")
        return {"cai": index, "codons": counted}
