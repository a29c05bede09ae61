"""Contigs told apart by lengths and chromosomes: RefSeq's yeast on UCSC's, literal files, ambiguous ones."""

from __future__ import annotations

import gzip
import tomllib

import pytest

from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.tracks import read_tracks
from workbench.tracks.renaming import Told, found_map, propose, told_by_vcf, told_contigs

ROMAN = [
    "I",
    "II",
    "III",
    "IV",
    "V",
    "VI",
    "VII",
    "VIII",
    "IX",
    "X",
    *(f"X{i}" for i in ("I", "II", "III", "IV", "V", "VI")),
]


def gff(path, *lines):
    path.write_text("##gff-version 3\n" + "".join("\t".join(line.split(None, 8)) + "\n" for line in lines))
    return path


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(f">chrI\n{'ACGT' * 50}\n>chrII\n{'ACGT' * 60}\n>chrIII\n{'ACGT' * 60}\n")
    return path


def test_refseqs_yeast_on_ucscs_genome(shared, tmp_path):
    path = shared / "data/yeast/saccharomyces_cerevisiae.gff.gz"
    genome = Genome(shared / "data/yeast/sacCer3.fa.gz", cache=tmp_path)
    proposal = propose(told_contigs(path), genome.lengths, {})
    with gzip.open(path, "rt") as handle:
        names = [line.split()[1] for line in handle if line.startswith("##sequence-region")]
    # The FASTA has chromosomes in the order of the alphabet, chrIX before chrV: order would have been wrong.
    assert list(genome.lengths)[4] == "chrIX"
    assert found_map("x", proposal) == dict(zip(names, [f"chr{r}" for r in ROMAN] + ["chrM"], strict=True))
    assert proposal.why["NC_001133.9"] == "by its length, 230,218"
    with pytest.raises(InputError) as refusal:
        read_tracks(path, genome)
    assert "NC_001136.10=chrIV (by its length, 1,531,933)" in str(refusal.value)
    assert "take this map with --rename auto" in str(refusal.value)


def test_chromosomes_tell_where_lengths_do_not(tmp_path, genome):
    path = gff(
        tmp_path / "a.gff3",
        "NC_1.1 s region 1 200 . + . ID=a;chromosome=I",
        "NC_2.1 s region 1 240 . + . ID=b;chromosome=II",
        "NC_3.1 s region 1 240 . + . ID=c;chromosome=III",
        "NC_2.1 s gene 5 50 . + . ID=g",
    )
    lengths = Genome(genome, cache=tmp_path / "cache").lengths
    proposal = propose(told_contigs(path), lengths, {})
    assert proposal.found == {"NC_1.1": "chrI", "NC_2.1": "chrII", "NC_3.1": "chrIII"}
    assert proposal.why["NC_2.1"] == "by chromosome=II"
    assert list(propose(told_contigs(path), lengths, {"NC_2.1": "chrIII"}).found) == ["NC_1.1", "NC_3.1"]


def test_a_contig_of_another_length_is_none_of_the_genome(tmp_path):
    told = {"NC_1.1": Told(201, "I"), "NC_2.1": Told(240, "II")}
    proposal = propose(told, {"chrI": 200, "chrII": 240}, {})
    assert proposal.found == {"NC_2.1": "chrII"} and not proposal.unclear
    both = propose({"a": Told(200), "b": Told(200)}, {"chrI": 200}, {})
    assert not both.found and both.unclear == {"a": ["chrI"], "b": ["chrI"]}


def test_a_vcf_and_a_genbank_file_tell_lengths(shared, tmp_path):
    header = ["##fileformat=VCFv4.2", "##contig=<ID=NC_1.1,length=200>", "##contig=<length=9,ID=x>"]
    assert told_by_vcf(header, ["NC_1.1", "y"]) == {"NC_1.1": Told(200), "y": Told()}
    (told,) = told_contigs(shared / "data/phage/T7_genome.gb").items()
    assert told == (told[0], Told(39_937))


def test_auto_is_written_into_the_settings(cli, tmp_path, genome):
    track = gff(tmp_path / "a.gff3", "##sequence-region NC_1.1 1 200", "NC_1.1 s gene 5 50 . + . ID=g")
    variants = tmp_path / "v.vcf"
    variants.write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=one,length=200>\n"
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts\none\t5\t.\tA\tG\t.\t.\t.\tGT\t1\n"
    )
    code, out, err = cli(
        *("new", tmp_path / "s", "--genome", genome, "--tracks", track),
        *("--variants", variants, "--rename", "auto"),
    )
    assert code == 0, err
    assert "renamed: NC_1.1 is chrI of the genome" in out and "renamed: one is chrI" in out
    settings = tomllib.loads((tmp_path / "s/study.toml").read_text())
    assert settings["input"]["rename"] == {"NC_1.1": "chrI", "one": "chrI"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["##sequence-region NC_2.1 1 240", "NC_2.1 s gene 5 50 . + . ID=g"], "NC_2.1 may be chrII, chrIII;"),
        (["x s gene 5 50 . + . ID=g"], "x may be chrI, chrII, chrIII;"),
        (
            ["x s gene 5 50 . + . ID=g", "y s gene 5 50 . + . ID=h", "z s gene 5 50 . + . ID=i"],
            "in the order of both files it would be --rename x=chrI, --rename y=chrII, --rename z=chrIII",
        ),
    ],
)
def test_auto_refuses_what_is_not_clear(refused, tmp_path, genome, lines, said):
    track = gff(tmp_path / "a.gff3", *lines)
    line = refused("new", tmp_path / "s", "--genome", genome, "--tracks", track, "--rename", "auto")
    assert f"{track}: --rename auto cannot tell which contig is which" in line and said in line
    assert not (tmp_path / "s").exists()
