"""Reading tracks onto a genome: names, origins, derived tracks; oracles from Biopython and bioframe."""

from __future__ import annotations

from dataclasses import replace

import bioframe
import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import CompoundLocation, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from benchmarks.samples.convert import convert
from workbench.errors import InputError
from workbench.files.text import read_lines
from workbench.genome.reference import Genome
from workbench.tracks import Contigs, check_intervals, derive_tracks, read_tracks
from workbench.tracks.derive import features
from workbench.tracks.gff import circular_contigs

RING = "ACGTACGTAC" * 10


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(f">NC_1.3\n{RING}\n>chr2\n{RING}\n")
    return Genome(path, circular=["NC_1.3"], cache=tmp_path / "cache")


def contigs_of(genome):
    return Contigs(genome.lengths, genome.circular)


def spans(track):
    t = track.intervals
    return list(zip(t["chrom"], t["start"], t["end"], t["strand"], strict=True))


def gff(tmp_path, *lines, name="t.gff3"):
    path = tmp_path / name
    rows = ("\t".join(line.split(" ", 8)) for line in lines)
    path.write_text("##gff-version 3\n" + "\n".join(rows) + "\n##FASTA\n>x\nACGT\n")
    return path


def proteins(genome, cds, table):
    """Number of CDS that translate from start to stop, and of all."""
    whole = total = 0
    for chrom, _, _, _, parts in features(cds.intervals, contigs_of(genome)):
        letters = "".join(genome.fetch(chrom, p.start, p.end, p.strand) for p in parts)
        total += 1
        if len(letters) % 3 == 0:
            protein = str(Seq(letters).translate(table=table))
            whole += protein.endswith("*") and "*" not in protein[:-1]
    return whole, total


def test_names_are_matched(tmp_path, genome):
    path = gff(tmp_path, "NC_1 s gene 1 9 . + . ID=a", "2 s gene 3 4 . - . ID=b", "x s gene 1 2 . + . ID=c")
    (track,) = read_tracks(path, genome)
    assert spans(track) == [("NC_1.3", 0, 9, "+"), ("chr2", 2, 4, "-")]
    assert track.notes == (
        f"{path}: 1 of 3 contig names are not in the genome (x): 1 of 3 features left out",
    )
    (track,) = read_tracks(path, genome, {"x": "chr2"})
    assert spans(track)[1] == ("chr2", 0, 2, "+")
    other = gff(tmp_path, "NC_1.2 s gene 1 9 . + . ID=a", name="o.gff3")
    says = r"its contigs \(NC_1.2\) are not those of the genome \(NC_1.3, chr2\).*--rename NC_1.2=NC_1.3"
    with pytest.raises(InputError, match=says):
        read_tracks(other, genome)
    with pytest.raises(InputError, match=r"NC_1.2 is to be renamed z, which the genome does not have"):
        read_tracks(other, genome, {"NC_1.2": "z"})


def test_over_the_origin(tmp_path, genome):
    path = gff(
        tmp_path,
        "NC_1.3 s CDS 95 112 . + 0 ID=p",
        "NC_1.3 s CDS 99 107 . - 0 ID=m",
        "NC_1.3 s region 1 100 . + . ID=r;Is_circular=true",
    )
    cds, region = read_tracks(path, genome)
    assert spans(region) == []
    assert region.notes == (f"{path}: left out: 1 region over whole contigs",)
    assert circular_contigs(path) == {"NC_1.3"}
    assert spans(cds) == [
        ("NC_1.3", 0, 7, "-"),
        ("NC_1.3", 0, 12, "+"),
        ("NC_1.3", 94, 100, "+"),
        ("NC_1.3", 98, 100, "-"),
    ]
    assert cds.intervals["phase"].tolist() == [0, 0, 0, 2]
    derived = {t.name: spans(t) for t in derive_tracks([cds], contigs_of(genome))}
    assert derived["CDS_start"] == [("NC_1.3", 4, 7, "-"), ("NC_1.3", 94, 97, "+")]
    assert derived["CDS_stop"] == [("NC_1.3", 0, 1, "-"), ("NC_1.3", 9, 12, "+"), ("NC_1.3", 98, 100, "-")]
    assert derived["intergenic"] == [("NC_1.3", 12, 94, ".")]


def test_codons_cut_by_introns(tmp_path, genome):
    path = gff(
        tmp_path,
        "chr2 s CDS 11 12 . + 0 ID=a;Name=x%3By",
        "chr2 s CDS 21 27 . + 1 ID=a",
        "chr2 s CDS 41 49 . + 0 ID=b;partial=true",
        "chr2 s CDS 61 64 . - 1 ID=c1;Parent=m",
        "chr2 s CDS 71 75 . - 0 ID=c2;Parent=m",
    )
    (cds,) = read_tracks(path, genome)
    assert cds.intervals["name"].tolist()[0] == "x;y"
    derived = {t.name: spans(t) for t in derive_tracks([cds], contigs_of(genome))}
    assert derived["CDS_start"] == [("chr2", 10, 12, "+"), ("chr2", 20, 21, "+"), ("chr2", 72, 75, "-")]
    assert derived["CDS_stop"] == [("chr2", 24, 27, "+"), ("chr2", 60, 63, "-")]


def test_coli_proteins(shared, tmp_path):
    ecoli = shared / "data" / "ecoli"
    table = ecoli / "NC_000913.3.gff3.gz"
    genome = Genome(ecoli / "NC_000913.3.fna.gz", circular_contigs(table), tmp_path)
    assert genome.circular == {"NC_000913.3"}
    tracks = {t.name: t for t in read_tracks(table, genome)}
    assert not len(tracks["region"].intervals)
    assert (len(tracks["gene"].intervals), len(tracks["tRNA"].intervals)) == (4419, 86)
    cds = tracks["CDS"]
    real = replace(cds, intervals=cds.intervals[cds.intervals["complete"]])
    assert proteins(genome, real, 11) == (4239, 4242)
    derived = {t.name: t for t in derive_tracks(list(tracks.values()), contigs_of(genome))}
    stops = {genome.fetch(*span) for span in spans(derived["CDS_stop"])}
    assert stops == {"TAA", "TAG", "TGA"}
    genic = [t.intervals[["chrom", "start", "end"]] for n, t in tracks.items() if n in ("gene", "CDS")]
    between = derived["intergenic"].intervals
    for genes in genic:
        assert bioframe.overlap(between, genes, how="inner").empty
    assert bioframe.is_bedframe(between)


def test_yeast_proteins(shared, tmp_path):
    yeast = shared / "data" / "yeast"
    table = yeast / "saccharomyces_cerevisiae.gff.gz"
    genome = Genome(yeast / "sacCer3.fa.gz", cache=tmp_path)
    with pytest.raises(InputError, match=r"its contigs \(NC_001133.9, .*NC_001133.9=chrI .*--rename auto"):
        read_tracks(table, genome)
    roman = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII"]
    roman += ["XIV", "XV", "XVI"]
    names = [line.split()[1] for _, line in read_lines(table) if line.startswith("##sequence-region")]
    rename = {name: f"chr{number}" for name, number in zip(names, roman, strict=False)}
    cds = next(t for t in read_tracks(table, genome, rename) if t.name == "CDS")
    real = replace(cds, intervals=cds.intervals[cds.intervals["complete"]])
    assert proteins(genome, real, 1) == (5995, 5995)
    spliced = [parts for *_, parts in features(real.intervals, contigs_of(genome)) if len(parts) > 1]
    assert len(spliced) == 318


@pytest.mark.parametrize(
    ("stem", "circular", "cds"), [("ecoli_k12_250kb", set(), 222), ("yersinia_pPCP1", {"NC_005816.1"}, 10)]
)
def test_samples(samples, tmp_path, stem, circular, cds):
    table = samples / f"{stem}.gff3"
    genome = Genome(samples / f"{stem}.fa", circular_contigs(table), tmp_path)
    assert genome.circular == circular
    tracks = {t.name: t for t in read_tracks(table, genome)}
    coding = tracks["CDS"]
    real = replace(coding, intervals=coding.intervals[coding.intervals["complete"]])
    assert proteins(genome, real, 11) == (cds, cds)
    for track in tracks.values():
        check_intervals(track.intervals)


def test_trans_spliced_parts_keep_their_order(tmp_path):
    """Written by Biopython, converted, read: parts on both strands, in an order that no strand has."""
    exons = ["ATGGCTA", "GGCATT", "CTGACAAGTAA"]
    spacer = "CCCCC"
    # The last part comes first, the second on the other strand.
    letters = spacer.join([exons[2], exons[0], str(Seq(exons[1]).reverse_complement()), ""])
    at = [(16, 23, 1), (28, 34, -1), (0, 11, 1)]
    location = CompoundLocation([SimpleLocation(*part) for part in at])
    gene = SeqFeature(location, "CDS", qualifiers={"locus_tag": ["t1"], "trans_splicing": [""]})
    record = SeqRecord(Seq(letters), "T1.1", annotations={"molecule_type": "DNA"}, features=[gene])
    source = tmp_path / "t1.gb"
    SeqIO.write(record, source, "genbank")
    fasta, table = convert(source, tmp_path / "t1")
    genome = Genome(fasta, cache=tmp_path / "cache")
    tracks = read_tracks(table, genome)
    coding = next(t for t in tracks if t.name == "CDS")
    ((*_, parts),) = features(coding.intervals, contigs_of(genome))
    assert [(p.start, p.end, 1 if p.strand == "+" else -1) for p in parts] == at
    assert proteins(genome, coding, 11) == (1, 1)
    derived = {t.name: t for t in derive_tracks(tracks, contigs_of(genome))}
    assert spans(derived["CDS_start"]) == [("T1.1", 16, 19, "+")]
    assert spans(derived["CDS_stop"]) == [("T1.1", 8, 11, "+")]


def test_convert_keeps_features(shared, tmp_path):
    source = shared / "data" / "phage" / "T7_genome.gb"
    fasta, table = convert(source, tmp_path / "t7")
    genome, converted = Genome(source, cache=tmp_path / "c"), Genome(fasta, cache=tmp_path / "c")
    assert genome.sha256 == converted.sha256
    direct = {t.name: spans(t) for t in read_tracks(source, genome)}
    assert direct == {t.name: spans(t) for t in read_tracks(table, converted)}
    assert len(direct["CDS"]) > 50


BAD = {
    "chr2 s gene 9 5 . + . ID=a": r"line 2: start 9 is past end 5; expected start <= end",
    "chr2 s gene 0 5 . + . ID=a": r"line 2: start is 0; expected 1 or more",
    "chr2 s gene 5 101 . + . ID=a": r"line 2: ends at 101, past the end of chr2, which has 100 bases",
    "NC_1.3 s gene 5 205 . + . ID=a": r"line 2: 5 to 205 is more than one turn of the circular NC_1.3",
    "chr2 s gene five 9 . + . ID=a": r"line 2: start is 'five'; expected a whole number",
    "chr2 s gene 5 1_0 . + . ID=a": r"line 2: end is '1_0'; expected a whole number",
    "chr2 s gene 5 9 inf + . ID=a": r"line 2: score is 'inf'; expected a number or .",
    "chr2 s gene 5 9 . x . ID=a": r"line 2: strand is 'x'; expected \+, -, . or \?",
    "chr2 s CDS 5 9 . + 3 ID=a": r"line 2: phase is '3'; expected 0, 1, 2 or .",
    "chr2 s gene 5 9 . +": r"line 2: 7 columns; expected 9, separated by tabs",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_gff(tmp_path, genome, line):
    with pytest.raises(InputError, match=BAD[line]):
        read_tracks(gff(tmp_path, line), genome)


def test_gtf_by_its_look(tmp_path, genome):
    path = tmp_path / "t.gff"
    row = 'chr2\ts\tCDS\t1\t9\t.\t+\t0\tgene_id "g;1"; transcript_id "t1"; gene_name "abc";\n'
    path.write_text(row)
    (track,) = read_tracks(path, genome)
    assert track.intervals.loc[0, ["name", "group", "complete"]].tolist() == ["abc", "t1", False]
    derived = derive_tracks([track], contigs_of(genome))
    assert [t.name for t in derived if len(t.intervals)] == ["intergenic"]
    assert derived[0].notes == (
        "CDS_start, CDS_stop: left out: 1 CDS incomplete (partial, a pseudogene, or of a GTF)",
    )


def test_volvox(shared, tmp_path):
    tracks = shared / "data" / "tracks"
    genome = Genome(tracks / "volvox.fa", cache=tmp_path)
    with pytest.raises(InputError, match=r"line 265: ends at 6130, past the end of ctgB, which has 6079"):
        read_tracks(tracks / "volvox.gff3", genome)
    lines = (tracks / "volvox.gff3").read_text().splitlines(keepends=True)
    kept = tmp_path / "volvox.gff3"
    kept.write_text("".join(line for line in lines if "\t6130\t" not in line or "ctgB" not in line))
    found = {t.name: t for t in read_tracks(kept, genome)}
    assert {n: len(found[n].intervals) for n in ("CDS", "remark", "match", "mRNA")} == {
        "CDS": 17,
        "remark": 18,
        "match": 149,
        "mRNA": 5,
    }
    assert not len(found["contig"].intervals)


def test_many_types_on_many_contigs(tmp_path):
    """Contigs are gone through once a file, not once a type."""

    class Counted(dict):
        gone_through = 0

        def __iter__(self):
            self.gone_through += 1
            return super().__iter__()

        def keys(self):
            self.gone_through += 1
            return super().keys()

    class Assembly:
        lengths = Counted({f"c{i}": 100 for i in range(50)})
        circular = frozenset()

    rows = [f"c{49 - i % 50} s type{i % 30} {i + 1} {i + 9} . + . ID=f{i}" for i in range(90)]
    tracks = read_tracks(gff(tmp_path, *rows), Assembly)
    assert Assembly.lengths.gone_through < 20
    for number, track in enumerate(tracks):
        own = [(49 - i % 50, i, i + 9) for i in range(90) if i % 30 == number]
        assert spans(track) == [(f"c{c}", start, end, "+") for c, start, end in sorted(own)]
        assert track.intervals.index.tolist() == [0, 1, 2]


def test_unknown_suffix(tmp_path, genome):
    with pytest.raises(InputError, match=r"unknown kind of track '.xlsx'; expected one of .gff"):
        read_tracks(tmp_path / "t.xlsx", genome)
