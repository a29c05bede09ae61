"""Files that users bring: sequences, annotation, variants, tables of samples."""

from __future__ import annotations

import gzip
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pybigtools
import pysam

from feature_mining.concepts.concept import Concept, Evidence
from feature_mining.detection.detector import Detector
from feature_mining.detection.domain import Domain
from feature_mining.edits.edit import Clamp, Patch, Steer, Swap
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.painting.operations import erase
from feature_mining.painting.painting import Painting, Sheet, Stroke, plan_of, strengths
from feature_mining.rules.rule import Rule
from feature_mining.rules.rule_set import RuleSet
from feature_mining.rules.watch import Watch
from tests.fuzz.target import Target
from workbench.cohort.calls import read_calls
from workbench.cohort.haplotypes import find_haplotypes
from workbench.cohort.relatedness import read_matrix, read_tree
from workbench.cohort.samples import read_cohort
from workbench.cohort.sequences import sequence_calls, sequence_files
from workbench.cohort.vcf import VariantFile
from workbench.experiments.strokes import read_painting_file
from workbench.genome.reference import Genome, record_names
from workbench.models.write import read_plan
from workbench.scans.detectors import read_detector
from workbench.study.concepts import load_concept
from workbench.study.config import CohortConfig, InputConfig, StudyConfig
from workbench.study.inputs import find_replichores, read_annotation, read_study_cohort
from workbench.study.rules import read_rules
from workbench.tracks import read_regions
from workbench.variants.sites import check_variants, read_sites, read_truth

LETTERS = "ACGTTGCAATCGGATCCGTAATGCCTGAAN" * 20
PLAN = EditPlan(
    (
        Steer("blocks.4", 757, ((2, 0.0), (12, 1.5)), where=Where(((4, 15), (20, 30)), "-", True, 1.5)),
        Clamp("blocks.4", 3, -0.5),
        Swap("blocks.2", 1, 2),
        Patch("blocks.2", 5, (0.5, 1e-3), 7),
    ),
    "0f3a",
    {"blocks.4": "9c", "blocks.2": "7d"},
)
CONCEPT = Concept(
    "stop", "blocks.4", {17: -1.0, 3: 0.25}, 0.8, "0f3a", "9c", "3 - 17",
    Evidence("learnt", "CDS_stop", "same", 0.235, 0.2, 0.27),
)  # fmt: skip
PAINTING = Painting(
    12, (CONCEPT,),
    (
        Sheet("low", (Stroke("stop", 2, 8, strength=((2, 0.0), (7, 1.5))), Stroke("stop", 0, 3, "-", -1.0))),
        Sheet("high", (Stroke("stop", 4, 6),)),
    ),
    "ACGTACGTACGT", "GG", "TTA", ((2, 9),), "0f3a", {"blocks.4": "9c"},
)  # fmt: skip
RULES = RuleSet(
    (
        Rule.of("when stop > 0.5 until 0.2 for 3 bases and stop < 9, within 1-8, on the plus strand: stop"),
        Rule.of("when stop < -0.5: apply push for 4 bases; wait 2 bases; at most 3 times"),
    ),
    {"stop": CONCEPT},
    {"push": PLAN},
)
DETECTOR = Detector(
    "stops", CONCEPT, {3: 2.0, 17: 1.5}, "CDS_stop", "same", 128, 32, 0.3, 3, (-1.0, 4.0), 0.8, 900.0,
    Domain(np.array([3]), np.zeros(34), np.eye(34), 5.0), {"report_precision": 0.79},
)  # fmt: skip
CONTIGS = {"chr1": LETTERS, "plasmid": LETTERS[7:247]}
GENOME = "".join(f">{name} some words\n{s[:70]}\n{s[70:]}\n" for name, s in CONTIGS.items())
GFF3 = """##gff-version 3
##sequence-region chr1 1 600
chr1	RefSeq	region	1	600	.	+	.	ID=chr1:1..600;Is_circular=false
chr1	RefSeq	gene	31	330	.	+	.	ID=gene1;Name=abcA;locus_tag=B_1
chr1	RefSeq	CDS	31	330	.	+	0	ID=cds1;Parent=gene1;product=a%3Bb,c;partial=true
chr1	RefSeq	CDS	400	499	7.5	-	1	ID=cds2;Parent=gene2
plasmid	x	region	1	240	.	.	.	ID=p;Is_circular=true
plasmid	x	CDS	201	270	.	+	0	ID=cds3;exception=trans-splicing;part=1
plasmid	x	origin_of_replication	5	20	.	.	.	ID=o;Note=oriC
###
"""
GTF = """#!genome-build x
chr1	e	gene	31	330	.	+	.	gene_id "g1"; gene_name "abcA"; note "a; b";
chr1	e	CDS	31	330	.	+	0	gene_id "g1"; transcript_id "t1"; exon_number 1;
chr1	e	stop_codon	328	330	.	+	0	gene_id "g1"; transcript_id "t1"; tag "basic,cds_start_NF";
"""
BED = """browser position chr1:1-100
track name="x y" description="z"
chr1	10	90	a	500	+	20	80	255,0,0	2	10,20,	0,60,
plasmid	200	260	b	.	-	200	260	0	1	60	0
"""
NARROW = "chr1\t10\t90\tp1\t0\t.\t5.1\t-1\t-1\t40\nplasmid\t1\t20\tp2\t900\t+\t1e3\t2\t3\t-1\n"
BEDGRAPH = """track type=bedGraph name=x
chr1 0 100 1.5
chr1	100	250	-2e-3
plasmid	230	250	7
"""
GENBANK = """LOCUS       plasmid                  240 bp    DNA     circular BCT 01-JAN-2020
DEFINITION  A plasmid.
ACCESSION   plasmid
VERSION     plasmid.1
KEYWORDS    .
SOURCE      A b
  ORGANISM  A b
            Bacteria.
FEATURES             Location/Qualifiers
     source          1..240
                     /organism="A b"
     gene            complement(join(31..60,J00194.1:100..202))
                     /gene="abcA"
     CDS             join(201..240,1..23)
                     /gene="abcB"
                     /codon_start=2
                     /pseudo
                     /note="a long note that goes on over
                     two lines"
     misc_feature    order(<5..10,20^21,30..>44)
ORIGIN
"""
EMBL = """ID   chr1; SV 1; linear; genomic DNA; STD; PRO; 600 BP.
AC   chr1;
DE   A contig.
FH   Key             Location/Qualifiers
FT   CDS             complement(31..330)
FT                   /gene="abcA"
FT                   /codon_start=1
FT   tRNA            400..470
FT                   /product="tRNA-Ala"
SQ   Sequence 600 BP;
"""
VCF = """##fileformat=VCFv4.2
##simulated=invented
##contig=<ID=chr1,length=600>
##contig=<ID=plasmid,length=240>
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	a	b c
chr1	1	.	A	TA	9	PASS	.	GT:DP	0/1:7	1|1:9
chr1	5	rs1	T	C,G	.	.	.	GT	2/1	./.
chr1	20	.	AAT	A	.	.	.	GT	0/0	0/1
chr1	40	.	T	<DEL>	.	.	END=60	GT	0/0	./.
plasmid	7	.	A	*	.	.	.	GT	0	1
"""
PHENOTYPES = """sample	mic	resistant	site	age
a	1.5	1	x	30
"b c"	NA	0	"y, z"	41
c	7e-1	1	x	.
d	9	0	x	-2
"""
TREE = "((a:1,'b c':2)0.9:0.5,c:1e-3[a comment])root;\n"
MATRIX = "id\ta\tb c\tc\na\t1\t0.5\t0\nb c\t0.5\t1\t0.1\nc\t0\t0.1\t1\n"
TRUTH = "variant\tlabel\nchr1:5:T:C\t1\nchr1:20:AAT:A\t0\nplasmid:7:A:C\tNA\n"


def put(name: str, text: str, folder: Path) -> Path:
    """Write a text file, and beside it the genome; gzipped where its name says so."""
    (folder / "genome.fa").write_text(GENOME)
    path = folder / name
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())
    return path


def _numbered(letters: str) -> str:
    """Sequence as GenBank writes it."""
    rows = range(0, len(letters), 60)
    return "".join(f"{i + 1:>9} {letters[i : i + 60].lower()}\n" for i in rows) + "//\n"


def _embl(letters: str) -> str:
    rows = range(0, len(letters), 60)
    return "".join(f"     {letters[i : i + 60].lower()} {i + 60}\n" for i in rows) + "//\n"


def genome_of(folder: Path, name: str = "genome.fa") -> Genome:
    """The genome of a folder, with a cache of its own."""
    return Genome(folder / name, circular=["plasmid"], cache=folder / "cache")


def read_sequence_file(name: str, folder: Path) -> None:
    """Every base of every contig, both strands."""
    genome = Genome(folder / name, cache=folder / "cache")
    for chrom, length in genome.lengths.items():
        genome.fetch(chrom, 0, length, "-")
    assert genome.sha256 and record_names(folder / name) is not None


def read_track(name: str, folder: Path) -> None:
    """A track as a study reads it, signals wherever they are asked for."""
    genome = genome_of(folder)
    given = InputConfig(genome="genome.fa", tracks=[name], circular=["plasmid"])
    found = read_annotation(folder, StudyConfig(input=given), genome)
    for track in found.tracks:
        for chrom, length in genome.lengths.items():
            if track.signal is not None:
                assert len(track.signal.values(chrom, 0, length)) == length
    find_replichores(folder, given, genome, ["plasmid"])


def read_edits(name: str, folder: Path) -> None:
    """A plan of edits, said and written down again, and where its edits act."""
    plan = read_plan(folder / name)
    assert EditPlan.from_json(plan.to_json()) == plan and str(plan)
    for edit in plan.edits:
        assert len(edit.where.covers(3, 9)) == 9


def read_weights(name: str, folder: Path) -> None:
    """A concept, said and written down again, with its edits and a part turned."""
    concept = load_concept(folder / name)
    assert Concept.from_json(concept.to_json()) == concept and str(concept)
    assert len(concept.edits(0.5)) == len(concept.features)
    assert concept.scaled({concept.features[0]: 1.0}).features == concept.features


def read_strokes(name: str, folder: Path) -> None:
    """A painting, said and written down again, and what it paints on either strand."""
    painting = read_painting_file(folder / name)
    assert Painting.from_json(painting.to_json()) == painting and str(painting)
    for strand in "+-":
        assert len(plan_of(painting, strand).edits) >= len(strengths(painting, strand)) - 1
    assert erase(painting, 0, painting.length).strokes == ()


def read_sentences(name: str, folder: Path) -> None:
    """A file of rules, said and written down again, watched along a few bases."""
    rules = read_rules(folder / name)
    assert RuleSet.from_json(rules.to_json()) == rules and str(rules)
    Watch(rules).read(np.linspace(-1, 1, 12)[:, None].repeat(len(rules.names), axis=1))


def read_scanner(name: str, folder: Path) -> None:
    """A detector, said and written down again, and a score."""
    detector = read_detector(folder / name)
    assert Detector.from_json(detector.to_json()).concept == detector.concept and str(detector)
    assert len(detector.coefficients) == len(detector.concept.features)
    detector.domain.distance(np.zeros((1, len(detector.domain.centre))))


def read_places(name: str, folder: Path) -> None:
    """Regions to read alone."""
    genome = genome_of(folder)
    table = read_regions(folder / name, genome)
    assert (table["end"] <= table["chrom"].map(genome.lengths)).all()


def read_variants(name: str, folder: Path) -> None:
    """Haplotypes of every contig; then the file as a list of sites."""
    genome, path = genome_of(folder), folder / name
    try:
        file = VariantFile(path, contigs=genome.lengths)
        for chrom, length in genome.lengths.items():
            calls = read_calls(file, genome, chrom, 0, length)
            find_haplotypes(calls, genome.fetch(chrom, 0, length), 0, "mask")
    finally:
        sites = read_sites(path)
        check_variants(sites, genome, 2048)


def read_samples(name: str, folder: Path) -> None:
    """A table of phenotypes, with and without columns named."""
    read_cohort(folder / name, ["mic"], ["age"], ["site"])
    read_cohort(folder / name, groups=["site"], missing=["-2"])


def read_sample_files(folder: Path) -> None:
    """Sequences of samples against the reference."""
    genome = genome_of(folder)
    files = sequence_files(folder / "samples.tsv")
    for chrom, length in genome.lengths.items():
        sequence_calls(files, genome, folder / "cache", chrom, 0, length)


def read_related(folder: Path) -> None:
    """Tree and kinship of the samples of a table."""
    names = ["a", "b c", "c"]
    read_tree(folder / "tree.nwk", names)
    read_matrix(folder / "kinship.tsv", names)
    given = CohortConfig(
        matrix="kinship.tsv", phenotypes="samples.tsv", tree="tree.nwk", phenotype=["mic"],
        mismatch="intersect",
    )  # fmt: skip
    read_study_cohort(folder, given)


def _make_sample_files(folder: Path) -> None:
    put("samples.tsv", "sample\tpath\na\ta.fa\nb\tb.fa.gz\n", folder)
    put("a.fa", GENOME.replace("GGATCC", "GGATTTCC"), folder)
    put("b.fa.gz", GENOME, folder)


def _make_related(folder: Path) -> None:
    for name, text in (("tree.nwk", TREE), ("kinship.tsv", MATRIX), ("samples.tsv", PHENOTYPES)):
        put(name, text, folder)
    path = folder / "kinship.tsv"
    path.write_text(path.read_text().replace("id", "sample"))


def _make_bigwig(folder: Path) -> None:
    put("x.bw", "", folder)
    values = [("chr1", 0, 250, 1.5), ("chr1", 300, 301, -2.0), ("plasmid", 0, 240, 7.0)]
    sizes = {name: len(letters) for name, letters in CONTIGS.items()}
    pybigtools.open(str(folder / "x.bw"), "w").write(sizes, iter(values))


def _make_indexed(folder: Path) -> None:
    path = put("x.vcf", VCF, folder)
    pysam.tabix_compress(str(path), str(folder / "x.vcf.gz"), force=True)
    pysam.tabix_index(str(folder / "x.vcf.gz"), preset="vcf")


def _make_bcf(folder: Path) -> Path:
    path = folder / "x.bcf"
    source = pysam.VariantFile(str(put("x.vcf", VCF, folder)))
    with source, pysam.VariantFile(str(path), "wb", header=source.header) as out:
        for record in source:
            out.write(record)
    return path


def _make_unpacked_bcf(folder: Path) -> None:
    """One without checksums, so that damage gets inside."""
    path = _make_bcf(folder)
    path.write_bytes(gzip.decompress(path.read_bytes()))


def _make_indexed_bcf(folder: Path) -> None:
    pysam.tabix_index(str(_make_bcf(folder)), preset="bcf")


def _make_parquet(folder: Path) -> None:
    table = pd.DataFrame({"sample": ["a", "b", "c"], "mic": [1.5, None, 3.0]})
    table.assign(site=["x", "y", "x"], age=[1, 2, 3]).to_parquet(folder / "x.parquet")


def read_labels(folder: Path) -> None:
    """Variants with labels."""
    genome = genome_of(folder)
    check_variants(read_truth(folder / "x.tsv")[0], genome, 2048)


def _text(name: str, text: str, read: object) -> Target:
    return Target(partial(put, name, text), partial(read, name), (name,))  # type: ignore[call-arg]


GENBANK_FILE = GENBANK + _numbered(CONTIGS["plasmid"])
TARGETS = {
    "fasta": _text("x.fa", GENOME, read_sequence_file),
    "fasta, gzipped": _text("x.fa.gz", GENOME, read_sequence_file),
    "genbank, sequence": _text("x.gb", GENBANK_FILE, read_sequence_file),
    "embl, sequence": _text("x.embl", EMBL + _embl(CONTIGS["chr1"]), read_sequence_file),
    "gff3": _text("x.gff3", GFF3, read_track),
    "gtf": _text("x.gtf", GTF, read_track),
    "gff": _text("x.gff.gz", GFF3, read_track),
    "bed": _text("x.bed", BED, read_track),
    "narrowPeak": _text("x.narrowPeak", NARROW, read_track),
    "edit plan": _text("x.json", PLAN.to_json(), read_edits),
    "concept": _text("x.json", CONCEPT.to_json(), read_weights),
    "painting": _text("x.json", PAINTING.to_json(), read_strokes),
    "rules": _text("x.json", RULES.to_json(), read_sentences),
    "detector": _text("x.json", DETECTOR.to_json(), read_scanner),
    "regions": _text("x.bed", BED, read_places),
    "bedGraph": _text("x.bedGraph", BEDGRAPH, read_track),
    "genbank": _text("x.gbk", GENBANK_FILE, read_track),
    "embl": _text("x.embl", EMBL + _embl(CONTIGS["chr1"]), read_track),
    "bigwig": Target(_make_bigwig, partial(read_track, "x.bw"), ("x.bw",)),
    "vcf": _text("x.vcf", VCF, read_variants),
    "vcf, indexed": Target(_make_indexed, partial(read_variants, "x.vcf.gz"), ("x.vcf.gz*",)),
    "bcf": Target(_make_unpacked_bcf, partial(read_variants, "x.bcf"), ("x.bcf",)),
    "bcf, indexed": Target(_make_indexed_bcf, partial(read_variants, "x.bcf"), ("x.bcf*",)),
    "phenotypes": _text("x.tsv", PHENOTYPES, read_samples),
    "phenotypes, csv": _text("x.csv", PHENOTYPES.replace("\t", ","), read_samples),
    "phenotypes, parquet": Target(_make_parquet, partial(read_samples, "x.parquet"), ("x.parquet",)),
    "sequences of samples": Target(_make_sample_files, read_sample_files, ("samples.tsv", "?.fa*")),
    "tree and kinship": Target(_make_related, read_related, ("tree.nwk", "*.tsv")),
    "variants with labels": Target(partial(put, "x.tsv", TRUTH), read_labels, ("x.tsv",)),
}
