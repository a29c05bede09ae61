"""Tracks that follow from spliced transcripts; oracles: gffutils, GT and AG, literal places."""

from __future__ import annotations

import gzip
from collections import Counter

import gffutils
import pytest

from workbench.genome.reference import Genome
from workbench.tracks import Contigs, derive_tracks, read_tracks
from workbench.tracks.derive import DERIVED

LETTERS = "ACGTACGTAC" * 100


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(f">c\n{LETTERS}\n>ring\n{LETTERS}\n")
    return Genome(path, circular=["ring"], cache=tmp_path / "cache")


def derived(path, genome, wanted=DERIVED):
    """Spans (one-based, last base included, as the file has them) by derived track, those without any not."""
    contigs = Contigs(genome.lengths, genome.circular)
    found = {}
    for track in derive_tracks(read_tracks(path, genome), contigs, wanted):
        rows = track.intervals
        spans = zip(rows["start"] + 1, rows["end"], rows["strand"], strict=True)
        found[track.name] = [(int(a), int(b), s) for a, b, s in spans]
    return {name: spans for name, spans in found.items() if spans}


def written(tmp_path, lines, name):
    path = tmp_path / name
    path.write_text("\n".join("\t".join(line.split(None, 8)) for line in lines) + "\n")
    return path


@pytest.fixture(scope="module")
def yeast(shared, tmp_path_factory):
    """The first two chromosomes of yeast with their RefSeq annotation, names as the genome has them."""
    folder = tmp_path_factory.mktemp("yeast")
    source = Genome(shared / "data/yeast/sacCer3.fa.gz", cache=folder)
    names = {"NC_001133.9": "chrI", "NC_001134.8": "chrII"}
    (folder / "two.fa").write_text(
        "".join(f">{c}\n{source.fetch(c, 0, source.lengths[c])}\n" for c in names.values())
    )
    with gzip.open(shared / "data/yeast/saccharomyces_cerevisiae.gff.gz", "rt") as handle:
        rows = [line.split("\t", 1) for line in handle if line.startswith(tuple(names))]
    (folder / "two.gff3").write_text(
        "##gff-version 3\n" + "".join(f"{names[name]}\t{rest}" for name, rest in rows)
    )
    return Genome(folder / "two.fa", cache=folder), folder / "two.gff3"


def test_introns_of_yeast_are_those_of_gffutils(yeast):
    genome, path = yeast
    tracks = {
        t.name: t for t in derive_tracks(read_tracks(path, genome), Contigs(genome.lengths, frozenset()))
    }
    theirs = gffutils.create_db(str(path), ":memory:", merge_strategy="create_unique", keep_order=True)
    expected = set()
    of_trna = set()
    for intron in theirs.create_introns(exon_featuretype="exon"):
        span = intron.seqid, intron.start - 1, intron.end, intron.strand
        # gffutils makes introns of what a shift of the frame skips; none here has ten bases.
        if intron.end - intron.start + 1 >= 10:
            expected.add(span)
            parent = theirs[intron.attributes["Parent"][0]]
            of_trna |= {span} if parent.featuretype == "tRNA" else set()
    rows = tracks["intron"].intervals
    spans = set(rows[["chrom", "start", "end", "strand"]].itertuples(index=False, name=None))
    assert spans == expected and len(spans) == len(rows) == 33
    assert Counter(rows["strand"]) == {"+": 18, "-": 15}
    sus1 = rows[rows["name"].str.startswith("SUS1")]
    assert sus1["name"].tolist() == ["SUS1 intron 1 of 2", "SUS1 intron 2 of 2"]
    # What a cell cuts at is in the letters, on both strands: an annotation read one base off would not be.
    for name, usual in (("splice_donor", "GT"), ("splice_acceptor", "AG")):
        sites = tracks[name].intervals
        letters = Counter(
            genome.fetch(*span) for span in sites[["chrom", "start", "end", "strand"]].itertuples(index=False)
        )
        assert len(sites) == len(expected - of_trna) == 30
        assert letters[usual] >= 27, letters
    ranked = {name: len(tracks[name].intervals) for name in ("exon_first", "exon_inner", "exon_last")}
    assert ranked == {"exon_first": 32, "exon_inner": 1, "exon_last": 32}
    # RefSeq knows no first base of any of these mRNA: no promoter, and the reason beside it.
    assert not len(tracks["promoter"].intervals)
    assert "mRNA whose first base is not known" in tracks["promoter"].notes[0]


GFF3 = """
c s gene 101 500 . + . ID=g;Name=abc
c s mRNA 101 500 . + . ID=t1;Parent=g
c s mRNA 101 500 . + . ID=t2;Parent=g
c s exon 101 150 . + . ID=e1;Parent=t1,t2;Name=abc
c s exon 201 230 . + . ID=e2;Parent=t1;Name=abc
c s exon 301 500 . + . ID=e3;Parent=t1,t2;Name=abc
c s CDS 141 150 . + 0 ID=p1;Parent=t1
c s CDS 201 230 . + 1 ID=p1;Parent=t1
c s CDS 301 310 . + 1 ID=p1;Parent=t1
c s CDS 305 400 . + 0 ID=p2;Parent=t2
c s gene 601 900 . - . ID=h;Name=rev
c s mRNA 601 900 . - . ID=t3;Parent=h
c s exon 601 700 . - . ID=e4;Parent=t3;Name=rev
c s exon 751 900 . - . ID=e5;Parent=t3;Name=rev
c s CDS 651 700 . - 2 ID=p3;Parent=t3
c s CDS 751 890 . - 0 ID=p3;Parent=t3
""".strip().splitlines()


def test_gff3_with_two_transcripts_and_the_minus_strand(tmp_path, genome):
    found = derived(written(tmp_path, GFF3, "a.gff3"), genome)
    assert found["intron"] == [(151, 200, "+"), (151, 300, "+"), (231, 300, "+"), (701, 750, "-")]
    # Two introns with one donor, two with one acceptor: each site once.
    assert found["splice_donor"] == [(151, 152, "+"), (231, 232, "+"), (749, 750, "-")]
    assert found["splice_acceptor"] == [(199, 200, "+"), (299, 300, "+"), (701, 702, "-")]
    assert found["five_prime_UTR"] == [
        (101, 140, "+"), (101, 150, "+"), (301, 304, "+"), (891, 900, "-"),
    ]  # fmt: skip
    assert found["three_prime_UTR"] == [(311, 500, "+"), (401, 500, "+"), (601, 650, "-")]
    assert found["promoter"] == [(1, 100, "+"), (901, 1000, "-")]
    assert found["exon_first"] == [(101, 150, "+"), (751, 900, "-")]
    assert found["exon_inner"] == [(201, 230, "+")]
    assert found["exon_last"] == [(301, 500, "+"), (601, 700, "-")]
    only = derived(tmp_path / "a.gff3", genome, ["splice_donor", "intergenic"])
    assert set(only) == {"splice_donor", "intergenic"}
    assert derived(tmp_path / "a.gff3", genome, []) == {}


def gtf(lines):
    """The same as GTF: exons and CDS by transcript, the stop codon not in the CDS."""
    for line in lines:
        *fixed, attributes = line.split(None, 8)
        parents = dict(pair.split("=") for pair in attributes.split(";")).get("Parent", "")
        if fixed[2] in ("exon", "CDS"):
            for parent in parents.split(","):
                yield " ".join([*fixed, f'gene_id "g"; transcript_id "{parent}"; gene_name "n";'])


def test_gtf_says_the_same(tmp_path, genome):
    same = derived(written(tmp_path, GFF3, "a.gff3"), genome)
    lines = list(gtf(GFF3))
    # Codons that end the CDS, as GTF has them: t1's 308-310, t2's 398-400, and t3's 651-653.
    cut = [
        line.replace("CDS 301 310", "CDS 301 307")
        .replace("CDS 305 400", "CDS 305 397")
        .replace("CDS 651", "CDS 654")
        for line in lines
    ]
    stops = [("308 310 . +", "t1"), ("398 400 . +", "t2"), ("651 653 . -", "t3")]
    cut += [f'c s stop_codon {span} 0 gene_id "g"; transcript_id "{t}";' for span, t in stops]
    found = derived(written(tmp_path, cut, "a.gtf"), genome)
    parts = ("intron", "splice_donor", "five_prime_UTR", "three_prime_UTR", "promoter", "exon_last")
    assert {name: found[name] for name in parts} == {name: same[name] for name in parts}
    tagged = [f'{line} tag "basic"; tag "mRNA_start_NF";' if "t3" in line else line for line in cut]
    assert derived(written(tmp_path, tagged, "b.gtf"), genome)["promoter"] == [(1, 100, "+")]


def record(features):
    """A GenBank record of contig c with features, each location and qualifiers."""
    lines = [
        f"LOCUS       c {len(LETTERS)} bp DNA linear UNK",
        "VERSION     c",
        "FEATURES             Location/Qualifiers",
    ]
    for kind, location, *qualifiers in features:
        lines.append(f"     {kind:16}{location}")
        lines += [f"                     /{q}" for q in qualifiers]
    lines.append("ORIGIN")
    for i in range(0, len(LETTERS), 60):
        lines.append(f"{i + 1:9} {LETTERS[i : i + 60].lower()}")
    return "\n".join([*lines, "//", ""])


def test_genbank_joins(tmp_path, genome):
    path = tmp_path / "a.gbk"
    path.write_text(
        record(
            [
                ("gene", "101..500", 'gene="abc"'),
                ("mRNA", "join(101..150,201..230,301..500)", 'gene="abc"'),
                ("mRNA", "join(101..150,301..500)", 'gene="abc"'),
                ("CDS", "join(141..150,201..230,301..310)", 'gene="abc"'),
                ("CDS", "305..400", 'gene="abc"'),
                ("mRNA", "complement(join(601..700,751..900))", 'gene="rev"'),
                ("CDS", "complement(join(651..700,751..890))", 'gene="rev"'),
            ]
        )
    )
    found = derived(path, genome)
    same = derived(written(tmp_path, GFF3, "a.gff3"), genome)
    parts = ("intron", "splice_donor", "splice_acceptor", "three_prime_UTR", "exon_inner", "exon_last")
    assert {name: found[name] for name in parts} == {name: same[name] for name in parts}


NOT_INTRONS = {
    "a shift of one base": ["c s CDS 11 100 . + 0 ID=p", "c s CDS 102 200 . + 0 ID=p"],
    "a shift back": ["c s CDS 11 100 . + 0 ID=p", "c s CDS 100 200 . + 0 ID=p"],
    "a slip over fifty bases": [
        "c s CDS 11 100 . + 0 ID=p;exception=ribosomal slippage",
        "c s CDS 151 200 . + 0 ID=p;exception=ribosomal slippage",
    ],
    "a pseudogene": [
        "c s pseudogene 11 200 . + . ID=g",
        "c s CDS 11 100 . + 0 ID=p;Parent=g",
        "c s CDS 151 200 . + 0 ID=p;Parent=g",
    ],
    "trans-splicing": [
        "c s CDS 11 100 . + 0 ID=p;exception=trans-splicing;part=1",
        "c s CDS 151 200 . + 0 ID=p;exception=trans-splicing;part=2",
    ],
    "over the origin": ["ring s CDS 951 1010 . + 0 ID=p"],
    "one exon": [
        "c s mRNA 11 100 . + . ID=t",
        "c s exon 11 100 . + . Parent=t",
        "c s CDS 21 80 . + 0 ID=p;Parent=t",
    ],
    "neighbours in an operon": ["c s CDS 11 100 . + 0 ID=p;Parent=o", "c s CDS 150 209 . + 0 ID=q;Parent=o"],
    "exons without a transcript": ["c s exon 11 100 . + . Note=x", "c s exon 151 200 . + . Note=x"],
    "exons of two contigs' namesakes": [
        "c s exon 11 100 . + . Parent=t",
        "ring s exon 151 200 . + . Parent=t",
    ],
}


@pytest.mark.parametrize("lines", NOT_INTRONS.values(), ids=list(NOT_INTRONS))
def test_what_is_no_intron(tmp_path, genome, lines):
    found = derived(written(tmp_path, lines, "a.gff3"), genome)
    assert set(found) <= {"CDS_start", "CDS_stop", "intergenic"}


def test_introns_of_trna_have_no_splice_sites(tmp_path, genome):
    lines = ["c s tRNA 11 100 . + . ID=t", "c s exon 11 50 . + . Parent=t", "c s exon 71 100 . + . Parent=t"]
    found = derived(written(tmp_path, lines, "a.gff3"), genome)
    assert found == {"intron": [(51, 70, "+")], "exon_first": [(11, 50, "+")], "exon_last": [(71, 100, "+")]}
    rows = [line.replace("Parent=t", 'transcript_id "t"; transcript_biotype "tRNA";') for line in lines[1:]]
    assert derived(written(tmp_path, rows, "a.gtf"), genome) == found


def test_an_exon_shared_by_cds_without_id(tmp_path, genome):
    lines = [
        "c s CDS 11 40 . + 0 Parent=t1,t2",
        "c s CDS 101 130 . + 0 Parent=t1",
        "c s CDS 201 230 . + 0 Parent=t2",
        "c s CDS 301 330 . + 0 Parent=t1,t2",
    ]
    found = derived(written(tmp_path, lines, "a.gff3"), genome)
    assert found["intron"] == [(41, 100, "+"), (41, 200, "+"), (131, 300, "+"), (231, 300, "+")]


def test_an_intron_over_the_origin(tmp_path, genome):
    lines = [
        "ring s mRNA 901 1200 . + . ID=t",
        "ring s exon 901 950 . + . ID=a;Parent=t",
        "ring s exon 991 1020 . + . ID=b;Parent=t",
        "ring s exon 1101 1200 . + . ID=c;Parent=t",
    ]
    found = derived(written(tmp_path, lines, "a.gff3"), genome)
    assert found["intron"] == [(21, 100, "+"), (951, 990, "+")]


def test_operons_where_given(tmp_path, genome):
    lines = [
        "c s gene 11 100 . + . ID=a;operon=lac",
        "c s gene 120 200 . + . ID=b;operon=lac",
        "c s gene 300 400 . - . ID=c",
        "ring s gene 951 990 . - . ID=d;operon=rrn",
        "ring s gene 995 1040 . - . ID=e;operon=rrn",
    ]
    found = derived(written(tmp_path, lines, "a.gff3"), genome)
    assert found["operon"] == [(11, 200, "+"), (1, 40, "-"), (951, 1000, "-")]


def test_bacteria_keep_the_tracks_they_had(shared, tmp_path):
    table = shared / "data/ecoli/NC_000913.3.gff3.gz"
    genome = Genome(shared / "data/ecoli/NC_000913.3.fna.gz", ["NC_000913.3"], tmp_path)
    tracks = derive_tracks(read_tracks(table, genome), Contigs(genome.lengths, genome.circular))
    assert [t.name for t in tracks] == ["CDS_start", "CDS_stop", "intergenic"]
