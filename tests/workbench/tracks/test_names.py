"""Spellings of contig names by literal examples, and the work of finding them."""

from __future__ import annotations

import pytest

from workbench.tracks import names
from workbench.tracks.names import Names, match_names

GENOME = ["chr1", "2", "NC_000913.3", "NC_1.1", "NC_1.2", "chrM"]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("chr1", "chr1"),
        ("1", "chr1"),
        ("chr2", "2"),
        ("NC_000913", "NC_000913.3"),
        ("NC_000913.2", None),
        ("NC_1", None),
        ("NC_1.2", "NC_1.2"),
        ("M", "chrM"),
        ("MT", None),
        ("x", "2"),
        ("chrchr1", "chr1"),
    ],
)
def test_spellings(name, target):
    assert Names(GENOME, {"x": "2"}).target(name) == target


def test_each_name_is_spelt_out_once(monkeypatch):
    """3,000 names that are not there, and 10,000 contigs: no name is compared with every contig."""
    spelt = 0
    spellings = names._spellings

    def counted(name: str) -> list[str]:
        nonlocal spelt
        spelt += 1
        return spellings(name)

    monkeypatch.setattr(names, "_spellings", counted)
    genome = [f"contig{i}.1" for i in range(10_000)]
    counts = {f"scaffold{i}": 1 for i in range(3000)} | {"contig7": 1}
    matched, note = match_names("t.bed", counts, genome, {})
    assert matched == {"contig7": "contig7.1"}
    assert "3,000 of 3,001 contig names are not in the genome" in note
    assert spelt <= len(genome) + len(counts)
