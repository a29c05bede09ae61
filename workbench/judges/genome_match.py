"""Where in a genome a sequence aligns, and how much of it: copied, or new."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.judges.judge import Card, Check, Column, Judge, References
from workbench.judges.tools import package_version

# Settings of minimap2 for single long reads: seeds short enough for sequence that differs by a tenth or more.
PRESET = "map-ont"

CARD = Card(
    name="genome_match",
    reads="local alignments with --genome, both strands",
    columns=(
        Column("aligned", "Float64", "share of its bases in an alignment, 0 to 1"),
        Column("identity", "Float64", "of its longest alignment: equal letters over columns, 0 to 1"),
        Column("contig", "string", "where that lies in the genome"),
        Column("start", "Int64", "its first base there"),
        Column("end", "Int64", "the base after its last"),
        Column("strand", "string", "its strand there"),
    ),
    tool="mappy",
    licence="MIT",
    source="Li 2018, Bioinformatics 34:3094 (minimap2)",
    version=lambda: package_version("mappy"),
    install="pip install mappy (compiled there: a C compiler and the headers of zlib)",
    needs=("genome",),
    checks=(
        Check(
            "genome_match_found_0", "500 bases of MG1655 found in their place, share (300 sequences)", 0.9967
        ),
        Check(
            "genome_match_found_10", "the same with a tenth of the letters replaced (300 sequences)", 0.9933
        ),
        Check("genome_match_found_15", "the same with 15 in 100 replaced (300 sequences)", 0.8333),
        Check("genome_match_found_20", "the same with a fifth replaced (300 sequences)", 0.2267),
        Check(
            "genome_match_found_shuffled",
            "500 bases shuffled that align anywhere, share (300 sequences)",
            0.0,
        ),
    ),
)


class GenomeMatch(Judge):
    """Judge of likeness to a genome."""

    card = CARD

    def __init__(self, references: References) -> None:
        super().__init__(references)
        import mappy  # of the extra `judges`

        assert references.genome is not None
        self._index = mappy.Aligner(str(Genome(references.genome).copy), preset=PRESET, n_threads=1)
        if not self._index:
            raise InputError(f"{references.genome}: minimap2 cannot index it")

    def read(self, letters: str) -> Mapping[str, object]:
        hits = list(self._index.map(letters))
        covered = np.zeros(len(letters), bool)
        for hit in hits:
            covered[hit.q_st : hit.q_en] = True
        facts: dict[str, object] = {"aligned": float(covered.mean())}
        if not hits:
            return facts
        best = max(hits, key=lambda hit: (hit.blen, hit.mlen))
        return facts | {
            "identity": best.mlen / best.blen,
            "contig": best.ctg,
            "start": best.r_st,
            "end": best.r_en,
            "strand": "+" if best.strand == 1 else "-",
        }
