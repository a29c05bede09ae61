"""Changes that keep proteins, against translation by Biopython."""

from __future__ import annotations

import numpy as np
import pytest
from Bio.Seq import Seq

from genomic_models.dna import BASES, base_codes
from tests.workbench.small_study import finished_study
from workbench import Study
from workbench.scans.coding import Coding
from workbench.tracks.derive import features

CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    return Study.open(finished_study(tmp_path_factory))


def proteins(study: Study, letters: str) -> list[str]:
    """Of all coding sequences in one piece, as they are in these letters of the plasmid."""
    (cds,) = [track for track in study.tracks if track.type == "CDS"]
    found = []
    for _, _, _, _, parts in features(cds.intervals, study.contigs):
        if len(parts) == 1:
            own = Seq(letters[parts[0].start : parts[0].end])
            own = own if parts[0].strand == "+" else own.reverse_complement()
            found.append(str(own.translate(table=11)))
    return found


def test_allowed_changes_keep_every_protein_and_others_do_not(study) -> None:
    length = study.manifest.contigs[CONTIG]
    letters = study.genome.fetch(CONTIG, 0, length)
    free = Coding(study).free(CONTIG, 0, length)
    before = proteins(study, letters)
    spans = [
        (int(r.start), int(r.end)) for t in study.tracks if t.type == "CDS" for r in t.intervals.itertuples()
    ]
    inside = np.zeros(length, bool)
    for start, end in spans:
        inside[start:end] = True
    random = np.random.default_rng(0)
    allowed = np.argwhere(free.allowed & inside[:, None])
    assert len(allowed) > 500
    for at, code in allowed[random.choice(len(allowed), 60, replace=False)]:
        assert proteins(study, letters[:at] + BASES[code] + letters[at + 1 :]) == before
    own = base_codes(letters)[:, None] == np.arange(4)
    forbidden = np.argwhere(~free.allowed & inside[:, None] & ~own)
    changed = 0
    for at, code in forbidden[random.choice(len(forbidden), 60, replace=False)]:
        changed += proteins(study, letters[:at] + BASES[code] + letters[at + 1 :]) != before
    # The rest are synonymous changes of stops and starts, and of sequences that overlap.
    assert changed > 45
    assert not (free.allowed & own).any()
    # Between genes all is free.
    assert free.allowed[~inside].sum() == 3 * (~inside).sum()


def test_bases_of_one_codon_have_one_group(study) -> None:
    start, end, strand = next(
        (int(r.start), int(r.end), str(r.strand))
        for t in study.tracks
        if t.type == "CDS"
        for r in t.intervals.itertuples()
    )
    free = Coding(study).free(CONTIG, start + 3, start + 33)
    assert [len(set(free.group[i : i + 3])) for i in range(0, 30, 3)] == [1] * 10
    assert len(set(free.group)) == 10
    # Cut anywhere, the groups are the same codons.
    moved = Coding(study).free(CONTIG, start + 4, start + 33)
    assert (moved.group == free.group[1:]).all() and (moved.allowed == free.allowed[1:]).all()
    edge = Coding(study).free(CONTIG, start, start + 3).allowed
    assert not edge.any() and strand in "+-"
    anything = Coding(study).free(CONTIG, start, end, synonymous=False)
    assert anything.allowed.sum() == 3 * (end - start) and len(set(anything.group)) == end - start
