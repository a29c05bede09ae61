"""Signals against pyBigWig; bedGraph by literal numbers."""

from __future__ import annotations

import gzip

import numpy as np
import pyBigWig
import pytest

from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.tracks import Contigs, read_tracks
from workbench.tracks.signal import BigWig


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">chr1\n" + "ACGTACGTAC" * 10 + "\n")
    return Genome(path, cache=tmp_path / "cache")


@pytest.mark.parametrize("name", ["pyBigWig_test.bw", "deepTools_testA.bw"])
def test_bigwig_against_pybigwig(shared, name):
    path = shared / "data" / "tracks" / name
    oracle = pyBigWig.open(str(path))
    lengths = oracle.chroms()
    signal = BigWig(path, Contigs(lengths | {"none": 9}, frozenset()))
    for chrom, length in lengths.items():
        end = min(length, 2000)
        wanted = np.array(oracle.values(chrom, 0, end), np.float32)
        np.testing.assert_array_equal(signal.values(chrom, 0, end), wanted)
        np.testing.assert_array_equal(signal.values(chrom, 1, 7), wanted[1:7])
    assert np.isnan(signal.values("none", 0, 4)).all()


def test_volvox_coverage(shared, tmp_path):
    tracks = shared / "data" / "tracks"
    genome = Genome(tracks / "volvox.fa", cache=tmp_path)
    (track,) = read_tracks(tracks / "volvox-sorted.bam.coverage.bw", genome)
    assert (track.name, track.kind) == ("volvox-sorted.bam.coverage", "signal")
    oracle = pyBigWig.open(str(tracks / "volvox-sorted.bam.coverage.bw"))
    wanted = np.array(oracle.values("ctgA", 0, 50001), np.float32)
    np.testing.assert_array_equal(track.signal.values("ctgA", 0, 50001), wanted)


def test_bedgraph(tmp_path, genome):
    path = tmp_path / "s.bedGraph.gz"
    path.write_bytes(gzip.compress(b"track type=bedGraph\n1\t10\t12\t2.5\n1\t4\t6\t-1\n1\t12\t13\t7\n"))
    (track,) = read_tracks(path, genome)
    values = track.signal.values("chr1", 5, 14)
    assert values.dtype == np.float32
    nan = np.nan
    np.testing.assert_array_equal(values, [-1, nan, nan, nan, nan, 2.5, 2.5, 7, nan])
    assert np.isnan(track.signal.values("chr1", 50, 60)).all()
    np.testing.assert_array_equal(track.signal.values("1", 5, 14), values)
    for place in (("chr2", 0, 5), ("chr1", 90, 101), ("chr1", -1, 5)):
        with pytest.raises(InputError, match=r"no contig chr2|<= 100, the length of chr1"):
            track.signal.values(*place)


BAD = {
    "chr1\t1\t5\thigh\n": r"line 1: 'chr1\\t1\\t5\\thigh'; expected chrom, start, end and a number",
    "chr1\t1\t5\t1\nchr1\t4\t9\t2\n": r"intervals of chr1 overlap at 4",
    "chr1\t1\t101\t1\n": r"line 1: ends at 101, past the end of chr1, which has 100 bases",
    "chr9\t1\t5\t1\n": r"its contigs \(chr9\) are not those of the genome \(chr1\)",
    "chr1\t1_0\t50\t1\n": r"line 1: 'chr1\\t1_0\\t50\\t1'; expected chrom, start, end and a number",
    "chr1\t1\t5\tinf\n": r"expected chrom, start, end and a number",
    "chr1\t1\t5\tNaN\n": r"a place without a value has no line",
    "": r"no value in it; expected bedGraph lines",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_bedgraph(tmp_path, genome, text):
    path = tmp_path / "s.bdg"
    path.write_text(text)
    with pytest.raises(InputError, match=BAD[text]):
        read_tracks(path, genome)


def test_bedgraph_over_the_origin(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">ring\nACGTACGTAC\n")
    genome = Genome(path, circular=["ring"], cache=tmp_path / "cache")
    signal = tmp_path / "s.bedgraph"
    signal.write_text("ring\t8\t12\t5\nring\t13\t14\t7\n")
    (track,) = read_tracks(signal, genome)
    np.testing.assert_array_equal(track.signal.values("ring", 0, 10), [5, 5, np.nan, 7, *[np.nan] * 4, 5, 5])


def test_bad_bigwig(tmp_path, genome, shared):
    path = tmp_path / "s.bw"
    path.write_bytes(b"not a bigWig")
    with pytest.raises(InputError, match="not readable as bigWig"):
        read_tracks(path, genome)
    with pytest.raises(InputError, match="no such file"):
        read_tracks(tmp_path / "none.bw", genome)
    real = shared / "data" / "tracks" / "pyBigWig_test.bw"
    with pytest.raises(InputError, match=r"1 has 195471971 bases here, 100 in the genome"):
        read_tracks(real, genome)
