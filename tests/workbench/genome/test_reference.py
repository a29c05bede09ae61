"""Genome against pysam, over every packing; damaged and foreign files refused with one sentence."""

from __future__ import annotations

import gzip
import os

import numpy as np
import pysam
import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from workbench.errors import InputError
from workbench.genome.reference import Genome, forget_damaged, record_names


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "two.fa"
    path.write_text(">a first\nACGTACGTRY\nNNac\ngt\n\n>b\r\nGGGGCCCC\r\n")
    return path


def test_fetch_literal(fasta, tmp_path):
    genome = Genome(fasta, cache=tmp_path / "cache")
    assert genome.lengths == {"a": 16, "b": 8}
    assert genome.fetch("a", 0, 16) == "ACGTACGTRYNNACGT"
    assert genome.fetch("a", 7, 12, "-") == "NNRYA"
    assert genome.fetch("b", 3, 3) == ""
    assert [p.name for p in fasta.parent.iterdir() if p.is_file()] == ["two.fa"]


def test_circular_wraps(fasta, tmp_path):
    genome = Genome(fasta, circular=["b"], cache=tmp_path / "cache")
    assert genome.circular == {"b"}
    assert genome.fetch("b", -2, 3) == "CCGGG"
    assert genome.fetch("b", 6, 10) == "CCGG"
    assert genome.fetch("b", 6, 11, "-") == "CCCGG"
    assert genome.fetch("b", -9, 9) == "CGGGGCCCCGGGGCCCCG"
    with pytest.raises(InputError, match=r"a:-1-3: outside the contig, which has 16 bases"):
        genome.fetch("a", -1, 3)
    assert Genome(fasta, circular=["chrb"], cache=tmp_path / "cache").circular == {"b"}
    with pytest.raises(InputError, match=r"no contig c to be circular; it has a, b"):
        Genome(fasta, circular=["c"], cache=tmp_path / "cache")


def test_packings_agree(fasta, tmp_path):
    cache = tmp_path / "cache"
    gz, bgz = tmp_path / "x.fa.gz", tmp_path / "y.fa.gz"
    gz.write_bytes(gzip.compress(fasta.read_bytes()))
    pysam.tabix_compress(str(fasta), str(bgz))
    one_line = tmp_path / "z.fa"
    one_line.write_text(">a\nACGUACGURYNNACGU\n>b\nGGGGCCCC")
    hashes = {Genome(p, cache=cache).sha256 for p in (fasta, gz, bgz, one_line)}
    assert len(hashes) == 1


def test_long_line_comes_in_pieces(tmp_path):
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 3_000_001))
    path = tmp_path / "long.fa"
    path.write_text(f">x\n{letters}\n")
    genome = Genome(path, cache=tmp_path / "cache")
    assert genome.lengths == {"x": 3_000_001}
    for at in (0, (1 << 20) - 5, (2 << 20) - 5, 2_999_991):
        assert genome.fetch("x", at, at + 10) == letters[at : at + 10]


def test_comments_are_left_out(tmp_path):
    """Lines that begin with ``;``, as Pearson wrote them; a line of 3 MB comes in pieces."""
    piece = 1 << 20
    path = tmp_path / "old.fa"
    path.write_text(f";first\n>a one\n;second\nACGT\n;{'>' * 2 * piece}{'A' * piece}\nGG\n")
    genome = Genome(path, cache=tmp_path / "cache")
    assert genome.lengths == {"a": 6} and genome.fetch("a", 0, 6) == "ACGTGG"
    path.write_text(f">a\n{'A' * piece};GGG\n")
    with pytest.raises(InputError, match=r"line 2, record a: 1 of 4 letters are not DNA"):
        Genome(path, cache=tmp_path / "cache")


def test_fetch_against_pysam(shared, tmp_path):
    source = shared / "data" / "yeast" / "sacCer3.fa.gz"
    plain = tmp_path / "plain.fa"
    plain.write_bytes(gzip.decompress(source.read_bytes()))
    genome, oracle = Genome(source, cache=tmp_path / "cache"), pysam.FastaFile(str(plain))
    assert list(genome.lengths.items()) == list(zip(oracle.references, oracle.lengths, strict=True))
    rng = np.random.default_rng(1)
    for _ in range(300):
        name = str(rng.choice(oracle.references))
        start = int(rng.integers(0, genome.lengths[name]))
        end = min(genome.lengths[name], start + int(rng.integers(1, 5000)))
        assert genome.fetch(name, start, end) == oracle.fetch(name, start, end).upper()


def test_genbank_as_genome(shared, tmp_path):
    path = shared / "data" / "phage" / "NC_001416_lambda.gbk"
    genome = Genome(path, cache=tmp_path / "c")
    record = SeqIO.read(path, "genbank")
    assert genome.lengths == {record.id: 48502}
    assert genome.fetch(record.id, 0, 48502) == str(record.seq).upper()


def test_a_forked_reader_has_its_own_place(fasta, tmp_path):
    genome = Genome(fasta, cache=tmp_path / "cache")
    child = os.fork()
    if child == 0:
        os._exit(0 if genome.fetch("a", 0, 4) == "ACGT" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert genome.fetch("a", 4, 8) == "ACGT"


BAD = {
    "": r"empty: no sequence record; expected FASTA",
    "ACGT\n": r"line 1: found 'ACGT' before any header; expected FASTA",
    ">p\nMKVLAEFG\n": r"line 2, record p: 3 of 8 letters are not DNA \('E', 'F', 'L'\).*looks like protein",
    ">a\nACGT\n>a\nAC\n": r"line 3: the name a is there twice",
    ">a\n>b\nAC\n": r"line 1: record a is empty",
    ">a\nAC\n>b\n": r"line 3: record b is empty",
    "> \nAC\n": r"line 1: a header without a name",
    ">#a\nAC\n": r"line 1: the name #a begins with #, so that lines of BED, GFF3 and VCF.*; rename it there",
    ">a\nAC\n>>b\nAC\n": r"line 3: the name >b begins with >",
    ";a\nACGT\n": r"line 2: found 'ACGT' before any header; expected FASTA, with '>name'",
    ">a\n;b\n>c\nAC\n": r"line 1: record a is empty",
    ">a\nAC;GT\n": r"line 2, record a: 1 of 5 letters are not DNA \(';'\)",
    ">a\nAC-GT\n": r"1 of 5 letters are not DNA \('-'\); expected the IUPAC letters",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_fasta(text, tmp_path):
    path = tmp_path / "bad.fa"
    path.write_text(text)
    with pytest.raises(InputError, match=BAD[text]):
        Genome(path, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_names_without_the_letters(fasta, tmp_path, shared):
    assert record_names(fasta) == ["a", "b"]
    long = tmp_path / "long.fa.gz"
    # A line of two million letters comes in pieces; letters that are not DNA are not looked at.
    long.write_bytes(gzip.compress(b">x y\n" + b"ACGT" * 500_000 + b"\n>\n>z\r\n!\n"))
    assert record_names(long) == ["x", "z"]
    record = shared / "data" / "phage" / "NC_001416_lambda.gbk"
    assert record_names(record) == ["NC_001416.1"]
    with pytest.raises(InputError, match="no such file"):
        record_names(tmp_path / "none.fa")


def test_damaged_files(fasta, tmp_path):
    cache = tmp_path / "cache"
    whole = gzip.compress(fasta.read_bytes())
    cut = tmp_path / "cut.fa.gz"
    cut.write_bytes(whole[:-12])
    with pytest.raises(InputError, match="damaged or truncated gzip"):
        Genome(cut, cache=cache)
    bgz = tmp_path / "b.fa.gz"
    pysam.tabix_compress(str(fasta), str(bgz))
    bgz.write_bytes(bgz.read_bytes()[:-28])
    with pytest.raises(InputError, match="bgzip file without its end marker: truncated"):
        Genome(bgz, cache=cache)
    binary = tmp_path / "x.fa"
    binary.write_bytes(b">a\nAC\xff\xfe\n")
    with pytest.raises(InputError, match="not UTF-8"):
        Genome(binary, cache=cache)
    with pytest.raises(InputError, match="cannot be read"):
        Genome(tmp_path / "none.fa", cache=cache)


@pytest.mark.parametrize("suffix", [".fa", ".fa.fai"])
def test_damage_of_a_copy_that_no_time_betrays(fasta, tmp_path, suffix):
    """An index that is of another file is noticed at once, a letter of the sequence where all is read."""
    cache = tmp_path / "cache"
    Genome(fasta, cache=cache)
    assert forget_damaged(cache) == []
    (copy,) = (p for p in cache.iterdir() if p.name.endswith(suffix))
    stat, whole = copy.stat(), copy.read_bytes()
    copy.write_bytes(whole.replace(b"ACGTACGTRY", b"ACGTACGTRT").replace(b"a\t16", b"a\t15"))
    os.utime(copy, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert copy.read_bytes() != whole
    if suffix == ".fa.fai":
        assert Genome(fasta, cache=cache).lengths["a"] == 16
    else:
        assert forget_damaged(cache) == [f"cache/{copy.name} or its index is not the file that was written"]
        assert forget_damaged(cache) == []
        assert Genome(fasta, cache=cache).fetch("a", 0, 10) == "ACGTACGTRY"
    assert copy.read_bytes() == whole


def test_the_index_of_a_user_is_not_believed(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\n")
    pysam.faidx(str(path))
    path.write_text(">x\nGGGGGG\n>a\nACGT\n")
    genome = Genome(path, cache=tmp_path / "cache")
    assert genome.lengths == {"x": 6, "a": 4} and genome.fetch("a", 0, 4) == "ACGT"


@pytest.mark.parametrize("suffix", [".fa", ".fa.fai", ".json"])
def test_a_damaged_copy_is_made_again(tmp_path, suffix):
    path = tmp_path / "p.gb"
    letters = "ACGTACCA" * 10
    record = SeqRecord(Seq(letters), "p1", annotations={"molecule_type": "DNA", "topology": "circular"})
    SeqIO.write(record, path, "genbank")
    Genome(path, cache=tmp_path / "cache")
    (copy,) = (p for p in (tmp_path / "cache").iterdir() if p.name.endswith(suffix))
    whole = copy.read_bytes()
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1
        copy.write_bytes(data)
        os.utime(copy, ns=(at, at))
        genome = Genome(path, cache=tmp_path / "cache")
        assert genome.fetch("p1", 0, 80) == letters and genome.circular == {"p1"}
        assert copy.read_bytes() == whole or suffix == ".json"  # which notes times
