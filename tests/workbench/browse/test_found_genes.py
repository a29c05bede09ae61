"""Genes found in a stretch of MG1655 against its annotation."""

from __future__ import annotations

from pathlib import Path

import pytest
from Bio.Seq import Seq

from genomic_models.dna import reverse_complement
from workbench.browse.codons import codons
from workbench.browse.found_genes import find_genes
from workbench.browse.pasted_sequence import Letters
from workbench.genome.interval import Interval
from workbench.genome.reference import Genome
from workbench.tracks import read_tracks

pytest.importorskip("pyrodigal", reason="pyrodigal is not installed")


def test_genes_end_where_the_annotation_says(shared: Path, tmp_path: Path) -> None:
    genome = Genome(shared / "data/ecoli/NC_000913.3.fna.gz", cache=tmp_path)
    tracks = read_tracks(shared / "data/ecoli/NC_000913.3.gff3.gz", genome)
    coding = next(track for track in tracks if track.type == "CDS").intervals
    start, end = 60_000, 90_000
    sequence = Letters("pasted", genome.fetch("NC_000913.3", start, end))
    found = find_genes(sequence)
    stops = {r.end if r.strand == "+" else r.start for r in coding.itertuples()}
    whole = found[found["complete"]]
    right = sum(((r.end if r.strand == "+" else r.start) + start) in stops for r in whole.itertuples())
    assert len(whole) >= 20 and right / len(whole) > 0.9
    assert found["name"].tolist() == [f"gene{i}" for i in range(1, len(found) + 1)]
    # Codons of each gene spell what Biopython translates; those that an end cuts too.
    drawn = codons(sequence, found, Interval("pasted", 0, end - start))
    for row in found.itertuples():
        own = [c.acid for c in drawn if c.name == row.name]
        own = own if row.strand == "+" else own[::-1]
        letters = sequence.letters[row.start : row.end]
        letters = letters if row.strand == "+" else reverse_complement(letters)
        spelled = str(Seq(letters[row.phase :][: len(own) * 3]).translate(table=11))
        assert "".join(own) == spelled and "*" not in spelled[:-1]
    assert find_genes(Letters("short", "ACGTACGTAC")).empty
