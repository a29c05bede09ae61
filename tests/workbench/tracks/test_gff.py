"""Attributes of GTF against gffutils; hostile lines, so long that only linear work gets through."""

from __future__ import annotations

import gffutils
import pytest
from gffutils.parser import _split_keyvals

from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.tracks import read_tracks
from workbench.tracks.gff import _gtf_attributes

LINES = [
    'gene_id "b0001"; transcript_id "b0001.1"; gene_name "thrL";',
    'gene_id "b0001"; exon_number 2; level 1; tag "basic"; tag "CCDS";',
    'gene_id "a;b"; note "x, y; z"; transcript_id "";',
    'gene_id "ENSG1"; gene_version "5"; transcript_id "ENST1"',
]


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">c\n" + "ACGTACGTAC" * 10 + "\n")
    return Genome(path, cache=tmp_path / "cache")


@pytest.mark.parametrize("text", LINES)
def test_attributes_as_gffutils(text):
    dialect = gffutils.constants.dialect | {
        "fmt": "gtf",
        "keyval separator": " ",
        "quoted GFF2 values": True,
        "trailing semicolon": text.rstrip().endswith(";"),
        "field separator": "; ",
        "semicolon in quotes": True,
    }
    theirs, _ = _split_keyvals(text, dialect=dialect)
    expected = {key: values[0] if values else "" for key, values in theirs.items() if key}
    # Of keys that come again, the first counts, but every tag does.
    expected |= {"tag": ",".join(theirs["tag"])} if "tag" in expected else {}
    assert {k: v for k, v in _gtf_attributes(text).items() if v or k in expected} == expected


def test_other_spacing_and_a_quote_without_its_end():
    assert _gtf_attributes('  gene_id   "a b" ;level  2 ; x "c"') == {
        "gene_id": "a b",
        "level": "2",
        "x": "c",
    }
    assert _gtf_attributes('gene_id "a; transcript_id "b";') == {"gene_id": "a", "transcript_id": "b"}


@pytest.mark.parametrize("piece", ["a", '"', "a ", "; ", 'a "', 'a"', ' "";', "\\", "=", "%"])
@pytest.mark.parametrize("suffix", [".gtf", ".gff3", ".gff"])
def test_long_attributes(tmp_path, genome, piece, suffix):
    """Two million letters: a pattern that went back over them took a minute for fifty thousand."""
    attributes = 'gene_id "g"; ' + piece * (2_000_000 // len(piece))
    path = tmp_path / f"t{suffix}"
    path.write_text(f"c\ts\tgene\t1\t9\t.\t+\t.\t{attributes}\n")
    (track,) = read_tracks(path, genome)
    assert len(track.intervals) == 1


def test_names_in_the_place_of_types(tmp_path, genome):
    path = tmp_path / "t.gff3"
    rows = (f"c\ts\tgene{i}\t1\t9\t.\t+\t.\tID={i}\n" for i in range(30_000))
    path.write_text("##gff-version 3\n" + "".join(rows))
    says = r"t\.gff3: 30,000 feature types \(gene0, gene1, gene2, \.\.\.\); expected 500 at most"
    with pytest.raises(InputError, match=says):
        read_tracks(path, genome)
