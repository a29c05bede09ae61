"""What of an annotation is left out and how it is said; which CDS have no start and stop, in all formats."""

from __future__ import annotations

import re

import pytest
from Bio import SeqIO

from workbench.errors import InputError
from workbench.genome.reference import Genome
from workbench.study.config import InputConfig, StudyConfig
from workbench.study.inputs import read_annotation
from workbench.tracks import Contigs, derive_tracks, read_tracks
from workbench.tracks.genbank import parse_records
from workbench.tracks.gff import circular_contigs
from workbench.tracks.loci import read_locus_tags

LENGTH = 600


def genbank(path, *features, topology="linear"):
    """A record AB1.1 of 600 bases with features ``location /qualifier /qualifier``, CDS if not said."""
    rows = []
    for feature in features:
        location, *qualifiers = feature.split(" ")
        kind, _, location = location.rpartition("=")
        rows.append(f"     {kind or 'CDS':16}{location}")
        rows += [f"                     {q}" for q in qualifiers]
    letters = ("acgtacgtac" * (LENGTH // 10))[:LENGTH]
    lines = [f"{at + 1:9} {letters[at : at + 60]}" for at in range(0, LENGTH, 60)]
    path.write_text(
        f"LOCUS       AB1{LENGTH:>25} bp    DNA     {topology:8} BCT 01-JAN-2000\nDEFINITION  x.\n"
        "ACCESSION   AB1\nVERSION     AB1.1\nFEATURES             Location/Qualifiers\n"
        + "\n".join(rows)
        + "\nORIGIN\n"
        + "\n".join(lines)
        + "\n//\n"
    )
    return path


def gff(path, *rows):
    lines = ("\t".join(row.split(" ", 8)) for row in rows)
    path.write_text("##gff-version 3\n" + "\n".join(lines) + "\n")
    return path


def read(path, genome):
    """Spans of each track that has any, and all notes."""
    tracks = read_tracks(path, genome)
    tracks += derive_tracks(tracks, Contigs(genome.lengths, genome.circular))
    found = {}
    for track in tracks:
        if len(track.intervals):
            t = track.intervals
            found[track.name] = list(zip(t["start"], t["end"], t["strand"], strict=True))
    return found, list(dict.fromkeys(n for t in tracks for n in t.notes))


def test_parts_on_another_sequence(tmp_path):
    """As Biopython extracts what is on the record itself; nothing lies where the other sequence says."""
    path = genbank(
        tmp_path / "g.gb",
        "101..400 /gene=ok",
        "join(501..560,J00194.1:100..202) /gene=half",
        "J00194.1:100..202 /gene=none",
        "gene=complement(J00194.1:<1..90) /locus_tag=t1",
        "gene=join(AB1.1:11..40,J00194.1:300..310) /locus_tag=t2",
    )
    found, notes = read(path, Genome(path, cache=tmp_path))
    assert found["CDS"] == [(100, 400, "+"), (500, 560, "+")]
    assert found["CDS_start"] == [(100, 103, "+")]
    assert found["CDS_stop"] == [(397, 400, "+")]
    assert found["gene"] == [(10, 40, "+")]
    assert notes == [
        f"{path}: left out: 1 CDS with parts on another sequence; 1 CDS on another sequence; 1 gene on"
        " another sequence; 1 gene with parts on another sequence",
        "CDS_start, CDS_stop: left out: 1 CDS incomplete (partial, a pseudogene, or of a GTF)",
    ]
    tags = read_locus_tags(path, Contigs({"AB1.1": LENGTH}, frozenset()))
    assert tags.to_numpy().tolist() == [["AB1.1", 10, 40, "t2"]]


def test_locations_that_cannot_be_read_are_counted(tmp_path):
    path = genbank(
        tmp_path / "g.gb",
        "101..400 /gene=ok",
        "complement(90..61) /gene=turned",
        "-17..64 /gene=negative",
        "misc_feature=gap(10) /note=x",
        "misc_feature=12^13 /note=x",
    )
    found, notes = read(path, Genome(path, cache=tmp_path))
    assert found["CDS"] == [(100, 400, "+")]
    assert notes == [
        f"{path}: left out: 2 CDS whose location cannot be read; 1 sequence_feature whose location cannot be"
        " read; 1 sequence_feature between two bases"
    ]
    with path.open() as handle:
        assert sum(len(r.features) for r in SeqIO.parse(handle, "genbank")) == 1 + 4


WHOLE = ["101..400", "complement(101..400)", "join(101..200,301..400)", "101..400 /pseudo=no"]
BROKEN = [
    "<101..400",
    "101..>400",
    "complement(<101..400)",
    "(98.101)..400",
    "one-of(101,110)..400",
    "order(101..200,301..400)",
    "101..400 /pseudo",
    '101..400 /pseudogene="unprocessed"',
    "101..400 /partial",
    "101..400 /codon_start=2",
]


@pytest.mark.parametrize("feature", WHOLE + BROKEN)
def test_ends_of_a_genbank_cds(tmp_path, feature):
    path = genbank(tmp_path / "g.gb", feature)
    found, notes = read(path, Genome(path, cache=tmp_path))
    assert ("CDS_start" in found, "CDS_stop" in found) == (feature in WHOLE,) * 2
    assert any(n.startswith("CDS_start, CDS_stop: left out: 1 CDS") for n in notes) == (feature in BROKEN)


def test_a_cds_of_a_pseudogene(tmp_path):
    """The gene says it, the CDS of the same locus does not."""
    path = genbank(
        tmp_path / "g.gb", "gene=101..400 /locus_tag=a /pseudo", "101..400 /locus_tag=a", "451..480"
    )
    found, _ = read(path, Genome(path, cache=tmp_path))
    assert found["CDS_start"] == [(450, 453, "+")]
    table = gff(
        tmp_path / "t.gff3",
        "AB1.1 s gene 101 400 . + . ID=g;pseudo=true",
        "AB1.1 s mRNA 101 400 . + . ID=m;Parent=g",
        "AB1.1 s CDS 101 400 . + 0 ID=c;Parent=m",
        "AB1.1 s pseudogene 1 90 . + . ID=p",
        "AB1.1 s CDS 1 90 . + 0 Parent=p",
        "AB1.1 s CDS 451 480 . + 0 ID=whole;Parent=none",
    )
    found, notes = read(table, Genome(path, cache=tmp_path))
    assert found["CDS_start"] == [(450, 453, "+")]
    assert "left out: 2 CDS incomplete" in notes[0]


@pytest.mark.parametrize(
    ("attributes", "whole"),
    [
        ("ID=c", True),
        ("ID=c;partial=00", True),
        ("ID=c;partial=false;pseudo=False", True),
        ("ID=c;tag=basic,CCDS", True),
        ("ID=c;partial=10", False),
        ("ID=c;partial=01", False),
        ("ID=c;partial=11", False),
        ("ID=c;partial=true", False),
        ("ID=c;start_range=.,101", False),
        ("ID=c;end_range=400,.", False),
        ("ID=c;pseudo=True", False),
        ("ID=c;pseudo", False),
        ("ID=c;pseudo=;x=1", False),
        ("ID=c;pseudogene=unitary", False),
        ("ID=c;tag=basic,cds_start_NF", False),
        ("ID=c;truncated=5-prime", False),
    ],
)
def test_ends_of_a_gff3_cds(tmp_path, attributes, whole):
    path = genbank(tmp_path / "g.gb", "1..90")
    table = gff(tmp_path / "t.gff3", f"AB1.1 s CDS 101 400 . + 0 {attributes}")
    found, _ = read(table, Genome(path, cache=tmp_path))
    assert ("CDS_start" in found, "CDS_stop" in found) == (whole, whole)


def test_codon_start_that_is_none(tmp_path):
    for value in ("7", "0", "x", "-1"):
        path = genbank(tmp_path / "g.gb", f"101..400 /gene=a /codon_start={value}")
        says = rf"g\.gb: record AB1\.1, CDS a: codon_start is '{value}'; expected 1, 2 or 3"
        with pytest.raises(InputError, match=says):
            read_tracks(path, Genome(path, cache=tmp_path))


def test_only_descriptions_of_a_contig_are_left_out_for_spanning_it(tmp_path):
    """An amplicon that is one CDS keeps it, and nothing of it is intergenic."""
    path = tmp_path / "g.fa"
    path.write_text(">amplicon\n" + "ACG" * 30 + "\n>other\n" + "ACG" * 30 + "\n")
    table = gff(
        tmp_path / "t.gff3",
        "amplicon s region 1 90 . + . ID=r",
        "amplicon s CDS 1 90 . + 0 ID=c",
        "other s contig 1 90 . . . ID=k",
        "other s chromosome 1 90 . . . ID=h",
        "other s gene 31 60 . + . ID=g",
    )
    found, notes = read(table, Genome(path, cache=tmp_path))
    assert found == {
        "CDS": [(0, 90, "+")],
        "gene": [(30, 60, "+")],
        "CDS_start": [(0, 3, "+")],
        "CDS_stop": [(87, 90, "+")],
        "intergenic": [(0, 30, "."), (60, 90, ".")],
    }
    assert notes == [
        f"{table}: left out: 1 {kind} over whole contigs" for kind in ("region", "contig", "chromosome")
    ]


def test_a_study_says_what_is_not_tested(tmp_path):
    path = tmp_path / "g.gb"
    genbank(path, *(f"gene={p}..{p + 9}" for p in range(1, 500, 60)), "101..400", "misc_feature=5..9")
    given = InputConfig(genome=str(path), tracks=[str(path)])
    genome = Genome(path, cache=tmp_path)
    tracks, notes = read_annotation(tmp_path, StudyConfig(input=given), genome)
    assert {t.name for t in tracks} == {"gene", "intergenic"}
    assert notes == [
        "not tested, fewer than 5 intervals: CDS (1), CDS_start (1), CDS_stop (1)",
        "not tested, as skip_tracks says: sequence_feature (1)",
    ]


def test_a_study_says_which_tracks_it_does_not_derive(tmp_path):
    """A track of the user takes the place of one that would be derived under its name."""
    path = genbank(tmp_path / "g.gb", *(f"{p}..{p + 29}" for p in range(1, 400, 60)))
    for name in ("intergenic", "CDS_stop"):
        rows = "".join(f"AB1.1\t{p}\t{p + 5}\n" for p in range(0, 500, 50))
        (tmp_path / f"{name}.bed").write_text(rows)
    given = InputConfig(
        genome=str(path), tracks=[str(path), *(str(p) for p in sorted(tmp_path.glob("*.bed")))]
    )
    tracks, notes = read_annotation(tmp_path, StudyConfig(input=given), Genome(path, cache=tmp_path))
    assert {t.name: len(t.intervals) for t in tracks} == {
        "CDS": 7,
        "CDS_stop": 10,
        "intergenic": 10,
        "CDS_start": 7,
    }
    assert notes == [
        f"{name}: not derived from CDS, since a track that was given has that name; give that another name to"
        " have both"
        for name in ("CDS_stop", "intergenic")
    ]


def test_places_that_no_contig_has(tmp_path):
    """Numbers that fit no integer, on a contig whose length is not known."""
    path = genbank(tmp_path / "g.gb", "1..90")
    genome = Genome(path, cache=tmp_path)
    rows = ["AB1.1 s gene 1 90 . + . ID=a", f"x s gene 1 {10**20} . + . ID=b"]
    with pytest.raises(InputError, match=r"line 3: ends past 1,099,511,627,776"):
        read_tracks(gff(tmp_path / "t.gff3", *rows), genome)
    numbered = "AB1.1 s CDS 1 90 . + 0 ID=a;part=99999999999999999999/2"
    (track,) = read_tracks(gff(tmp_path / "t.gff3", numbered), genome)
    assert len(track.intervals) == 1


def test_damage_that_biopython_has_no_word_for(tmp_path):
    """A location out of its column ends its reader in an IndexError."""
    path = genbank(tmp_path / "g.gb", "1..90", "7..9")
    genome = Genome(path, cache=tmp_path)
    path.write_text(path.read_text().replace("CDS             7..9", "CDS       <1..>9"))
    with pytest.raises(InputError, match=r"g\.gb: not readable as genbank \(IndexError: "):
        read_tracks(path, genome)


@pytest.fixture
def contig(tmp_path):
    """A contig c of 600 bases."""
    path = tmp_path / "c.fa"
    path.write_text(">c\n" + "ACGTACGTAC" * (LENGTH // 10) + "\n")
    return Genome(path, cache=tmp_path / "cache")


GENE = "c x gene 101 200 . + . ID=g;"
CDS = "c x CDS 101 200 . + 0 ID=c;Parent=g"


@pytest.mark.parametrize(
    "rows",
    [
        ["c x processed_pseudogene 101 200 . + . ID=g", CDS],
        ["c x Pseudogene 101 200 . + . ID=g", CDS],
        ["c x transposable_element_gene 101 200 . + . ID=g", CDS],
        [f"{GENE}biotype=pseudogene", CDS],
        [f"{GENE}gene_biotype=transcribed_processed_pseudogene", CDS],
        [f"{GENE}is_pseudo=true", CDS],
        [f"{CDS};Partial=10"],
        [f"{CDS};five_prime_partial=true"],
        [f"{CDS};inframe_stop_codon=True"],
    ],
)
def test_no_ends_of_what_is_no_whole_gene(tmp_path, contig, rows):
    found, notes = read(gff(tmp_path / "x.gff3", *rows), contig)
    assert "CDS" in found and not {"CDS_start", "CDS_stop"} & set(found)
    assert any("incomplete" in note for note in notes)


def test_rows_of_several_transcripts_without_ids_have_no_ends(tmp_path, contig):
    exons = [(11, 100, "m1,m2"), (201, 290, "m1"), (301, 390, "m2")]
    rows = [f"c x CDS {start} {end} . + 0 Parent={parents}" for start, end, parents in exons]
    found, _ = read(gff(tmp_path / "x.gff3", *rows), contig)
    assert not {"CDS_start", "CDS_stop"} & set(found)


def test_attributes_are_read_as_they_look(tmp_path, contig):
    gtf = 'gene_id "g"; transcript_id "t"; gene_name "thrL";'
    for name in ("x.gff3", "x.gtf", "x.gff"):
        path = gff(tmp_path / name, f"c x CDS 11 100 . + 0 {gtf}")
        (track,) = read_tracks(path, contig)
        assert track.intervals.loc[0, ["name", "group"]].tolist() == ["thrL", "t"]
        assert not track.intervals.loc[0, "complete"]
    path = gff(tmp_path / "y.gtf", "c x CDS 11 100 . + 0 ID=c;gene=thrL")
    (track,) = read_tracks(path, contig)
    assert track.intervals.loc[0, ["name", "group"]].tolist() == ["thrL", "c"]


def test_a_contig_is_circular_where_its_own_line_says_so(tmp_path):
    rows = {
        "c x region 1 600 . . . ID=c;Is_circular=true": {"c"},
        "c x region 1 600 . . . ID=c;Is_circular=True": {"c"},
        "c x region 1 600 . . . ID=c;Note=Is_circular=true is not known": set(),
        "c x gene 1 60 . + . ID=g;Is_circular=true": set(),
    }
    for row, expected in rows.items():
        assert circular_contigs(gff(tmp_path / "x.gff3", row)) == expected


def test_a_record_that_is_shorter_than_it_says_is_refused(tmp_path):
    path = genbank(tmp_path / "x.gb", "1..60")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-4]) + "\n//\n")
    with pytest.raises(InputError, match=r"Expected sequence length 600, found 420 .* the file ends early"):
        list(parse_records(path))


def test_a_fault_is_told_with_its_record(tmp_path):
    """Biopython knows no lines: the record before, and how far the file was read."""
    first, path = genbank(tmp_path / "a.gb", "1..60").read_text(), tmp_path / "x.gb"
    second = first.replace("AB1", "CD2")
    lines = first.count("\n") + second.count("\n")
    faults = {
        second.replace("CDS             1..60", "CDS       <1..>9"): "IndexError",
        second.replace(" 600 bp ", " 601 bp "): "Expected sequence length 601, found 600",
    }
    for text, said in faults.items():
        path.write_text(first + text)
        told = rf"x\.gb: .*{said}.*, in the record after AB1\.1.* line (\d+)"
        with pytest.raises(InputError, match=told) as caught:
            list(parse_records(path))
        assert first.count("\n") < int(re.search(told, str(caught.value))[1]) <= lines


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_record_without_its_first_line_is_not_passed_over(tmp_path, damaged):
    texts = [genbank(tmp_path / "a.gb", "1..60").read_text()]
    texts.append(texts[0].replace("AB1", "CD2"))
    path = tmp_path / "x.gb"
    path.write_text("".join(texts))
    assert [record.id for record in parse_records(path)] == ["AB1.1", "CD2.1"]
    texts[damaged] = texts[damaged].replace("LOCUS", "LOCVS")
    path.write_text("".join(texts))
    with pytest.raises(InputError, match=r"2 records end with //, 1 can be read; expected a line LOCUS"):
        list(parse_records(path))


def test_a_pseudogene_is_known_by_its_gene_too(tmp_path):
    path = genbank(tmp_path / "x.gb", 'gene=1..60 /gene="abc" /pseudo', 'CDS=1..60 /gene="abc"', "61..120")
    (coding,) = (t for t in read_tracks(path, Genome(path, cache=tmp_path / "cache")) if t.name == "CDS")
    assert coding.intervals["complete"].tolist() == [False, True]
