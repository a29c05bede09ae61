"""tRNA genes against the annotation of *E. coli*."""

from __future__ import annotations

from genomic_models.dna import reverse_complement
from workbench.genome.reference import Genome
from workbench.judges.trnas import Gene, find
from workbench.tracks import read_tracks


def test_genes_of_coli(ready, samples):
    """All that RefSeq has in the first 250 kb, with its ends to the base."""
    judge = ready("trnas")
    genome = Genome(samples / "ecoli_k12_250kb.fa")
    annotated = next(t for t in read_tracks(samples / "ecoli_k12_250kb.gff3", genome) if t.name == "tRNA")
    first, last = 225_000, 238_000
    rows = annotated.intervals
    assert len(rows) == 4 and rows["start"].min() > first and rows["end"].max() < last
    found = list(find(genome.fetch("NC_000913.3", first, last)))
    assert [(first + g.start, first + g.end, g.strand) for g in found] == [
        (row.start, row.end, row.strand) for row in rows.itertuples()
    ]
    assert found[:2] == [Gene("tRNA-Ile", "gat", 380, 457, "+"), Gene("tRNA-Ala", "tgc", 499, 575, "+")]
    piece = genome.fetch("NC_000913.3", first, first + 1_000)
    (row,) = judge.judge([reverse_complement(piece)]).itertuples()
    assert (row.trnas, row.first, row.start, row.end, row.strand) == (2, "Ala(tgc)", 425, 501, "-")


def test_what_has_none(ready, noise):
    table = ready("trnas").judge([noise, "N" * 300, "A"])
    assert table["trnas"].tolist() == [0, 0, 0] and table["first"].isna().all()
