"""BED in all widths; bad lines refused with their number."""

from __future__ import annotations

import bioframe
import pytest

from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.tracks import Contigs, read_tracks
from workbench.tracks.bed import read_bed


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">c\n" + "ACGTACGTAC" * 10 + "\n")
    return Genome(path, cache=tmp_path / "cache")


def bed(tmp_path, text):
    path = tmp_path / "peaks.v2.bed"
    path.write_text(text)
    return path


def test_widths(tmp_path, genome):
    head = "track name=x\n#note\nbrowser position c:1-2\n"
    (three,) = read_tracks(bed(tmp_path, head + "c\t20\t30\nc\t5\t10\nc\t7\t7\n"), genome)
    assert three.name == "peaks.v2"
    assert three.intervals[["start", "end"]].values.tolist() == [[5, 10], [20, 30]]
    assert not three.intervals["strand"].isin(["+", "-"]).any()
    assert three.notes[0].endswith("1 intervals of no length left out")
    (six,) = read_tracks(bed(tmp_path, "c 5 10 n 7.5 -\n"), genome)
    assert six.intervals.loc[0, ["name", "score", "strand"]].tolist() == ["n", 7.5, "-"]
    twelve = "c\t10\t50\tg\t0\t+\t10\t50\t0\t2\t5,8,\t0,32,\n"
    (blocks,) = read_tracks(bed(tmp_path, twelve), genome)
    assert blocks.intervals[["start", "end"]].values.tolist() == [[10, 15], [42, 50]]
    assert blocks.intervals["group"].nunique() == 1


def test_contigs_called_as_settings_of_a_browser(tmp_path):
    fasta = tmp_path / "t.fa"
    fasta.write_text("".join(f">{name}\n{'ACGT' * 10}\n" for name in ("track1", "browser_2", "track")))
    genome = Genome(fasta, cache=tmp_path / "cache")
    head = 'track\tname="x"\nbrowser position track1:1-9\ntrack\n'
    rows = ("track1\t1\t5", "browser_2\t2\t6", "track\t3\t7", "track 8 9")
    (track,) = read_tracks(bed(tmp_path, head + "\n".join(rows) + "\n"), genome)
    assert track.intervals[["chrom", "start", "end"]].values.tolist() == [
        ["track1", 1, 5], ["browser_2", 2, 6], ["track", 3, 7], ["track", 8, 9],
    ]  # fmt: skip
    signal = tmp_path / "s.bedgraph"
    signal.write_text("track type=bedGraph\ntrack1 0 2 5\nbrowser_2\t1\t2\t6\n")
    (found,) = read_tracks(signal, genome)
    assert found.signal.values("track1", 0, 2).tolist() == [5, 5]
    assert found.signal.values("browser_2", 1, 2).tolist() == [6]


def test_two_spellings_of_one_contig(tmp_path, genome):
    path = bed(tmp_path, "c\t1\t5\nchrc\t1\t5\n")
    with pytest.raises(InputError, match="c and chrc would both be c of the genome"):
        read_tracks(path, genome)
    (track,) = read_tracks(path, genome, {"chrc": "c"})
    assert len(track.intervals) == 2


@pytest.mark.parametrize(
    ("file", "schema", "rows"),
    [("bioframe_narrowPeak.bed", "narrowPeak", 30), ("bioframe_bed12.bed", "bed12", 60)],
)
def test_against_bioframe(shared, file, schema, rows):
    path = shared / "data" / "tracks" / file
    (track,) = read_bed(path, Contigs({}, frozenset()))
    assert len(track.intervals) == rows
    oracle = bioframe.read_table(str(path), schema=schema)
    table = track.intervals.groupby("group", sort=False).agg({"start": "min", "end": "max"})
    assert table["start"].tolist() == oracle["start"].tolist()
    assert table["end"].tolist() == oracle["end"].tolist()


BAD = {
    "c\tx\t9\n": r"line 1: start and end: 'x', '9'; expected whole numbers",
    "c\t1\t9\nc\t5\t101\n": r"line 2: ends at 101, past the end of c, which has 100 bases",
    "c\t9\t5\n": r"line 1: start 9 is past end 5; expected start < end",
    "c\t-1\t5\n": r"line 1: start is -1; expected 0 or more",
    "c\t1\n": r"line 1: 2 columns; expected 3 to 12",
    "c\t1\t5\nc\t1\t5\tn\n": r"line 2: 4 columns, 3 in the lines before",
    "c\t1\t5\tn\thigh\t+\n": r"line 1: score is 'high'; expected a number or .",
    "c\t1\t5\tn\t0\tplus\n": r"line 1: strand is 'plus'; expected \+, - or .",
    "c\t10\t50\tg\t0\t+\t10\t50\t0\t2\t5,8\t0\n": r"blockCount is 2, with 2 sizes and 1 starts",
    "c\t10\t50\tg\t0\t+\t10\t50\t0\t1\t50\t0\n": r"a block lies outside 10 to 50",
    "c\t1_0\t50\n": r"line 1: start and end: '1_0', '50'; expected whole numbers",
    "c\t1\t٥\n": r"line 1: start and end: '1', '٥'; expected whole numbers",
    "c\t1\t5\tn\tnan\t+\n": r"line 1: score is 'nan'; expected a number or .",
    "c\t1\t5\tn\t1_0\t+\n": r"line 1: score is '1_0'; expected a number or .",
    "#nothing\n": r"no interval in it; expected BED lines",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_bed(tmp_path, genome, text):
    with pytest.raises(InputError, match=BAD[text]):
        read_tracks(bed(tmp_path, text), genome)
