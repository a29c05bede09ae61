"""Haplotypes against ``bcftools consensus``; calls that are missing, starred, unphased or overlapping."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from workbench.cohort.calls import Calls, read_calls
from workbench.cohort.edits import Edit, apply_edits, make_edit, parse_variant
from workbench.cohort.haplotypes import Haplotypes, find_haplotypes
from workbench.cohort.vcf import VariantFile
from workbench.errors import InputError
from workbench.genome.reference import Genome

HEADER = "##fileformat=VCFv4.2\n##contig=<ID=c,length={length}>\n"
HEADER += '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'


def write_vcf(path: Path, length: int, samples: list[str], rows: list[str]) -> Path:
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]
    lines = ["\t".join(columns), *("\t".join(row.split()) for row in rows)]
    path.write_text(HEADER.format(length=length) + "\n".join(lines) + "\n")
    return path


def row(position: int, reference: str, alternatives: str, *calls: str) -> str:
    return f"c {position} . {reference} {alternatives} . PASS . GT " + " ".join(calls)


def make_genome(folder: Path, sequence: str, circular: bool = False) -> Genome:
    path = folder / "genome.fa"
    path.write_text(f">c\n{sequence}\n")
    return Genome(path, circular=["c"] if circular else [], cache=folder / "cache")


def read(genome: Genome, path: Path, start: int, end: int) -> Calls:
    return read_calls(VariantFile(path, contigs=genome.lengths), genome, "c", start, end)


def letters_of(genome: Genome, found: Haplotypes, start: int, end: int) -> list[str]:
    """The sequence of each haplotype of the cohort; '' where missing or absent."""
    reference = genome.fetch("c", start, end)
    unique = [apply_edits(reference, start, edits).letters for edits in found.edits]
    return [unique[i] if i >= 0 else "" for i in found.of_sample]


def test_smallest_edit() -> None:
    assert make_edit(10, "A", "ATT").key == (11, 11, "TT")
    assert make_edit(10, "AGG", "A").key == (11, 13, "")
    assert make_edit(10, "AT", "TT").key == (10, 11, "T")
    assert make_edit(10, "CAA", "CA").key == (11, 12, "")
    assert make_edit(10, "ACG", "TT").key == (10, 13, "TT")


def test_letters_keep_their_place() -> None:
    #            100 101 102 103 104 105
    reference = "ACGTAC"
    edits = [Edit(101, 101, "TT"), Edit(102, 104, ""), Edit(105, 106, "G")]
    letters, positions = apply_edits(reference, 100, edits)
    assert letters == "ATTCAG"
    assert positions.tolist() == [100, 100, 100, 101, 104, 105]


def test_edits_are_cut_at_the_ends_of_a_window() -> None:
    deletion = [Edit(98, 102, "")]
    assert apply_edits("ACGT", 100, deletion).letters == "GT"
    assert apply_edits("ACGT", 96, deletion).letters == "AC"
    insertion = [Edit(100, 100, "GG")]  # its anchor is base 99
    assert apply_edits("ACGT", 100, insertion).letters == "ACGT"
    after = apply_edits("ACGT", 96, insertion)
    assert (after.letters, after.positions.tolist()) == ("ACGTGG", [96, 97, 98, 99, 99, 99])


def test_a_variant_by_its_name() -> None:
    assert parse_variant("HLA:A*01:7:ac:T") == ("HLA:A*01", 6, "AC", "T")
    for wrong in ("c:0:A:T", "c:5:A", "c:x:A:T", "c:5:A:-"):
        with pytest.raises(InputError, match="expected"):
            parse_variant(wrong)


def random_cohort(folder: Path, seed: int) -> tuple[str, Path, list[str]]:
    """A random contig with variants far enough apart that none touches another."""
    rng = np.random.default_rng(seed)
    sequence = "".join(rng.choice(list("ACGT"), 3000))
    samples = [f"s{i}" for i in range(6)]
    # An insertion before the first base, where no base stands before it, and one after the last.
    rows, at = [row(1, sequence[0], "TTG" + sequence[0], *["0|1"] * 3, *["1|0"] * 3)], 12
    while at < 2960:
        kind = rng.integers(4)
        reference = sequence[at : at + (1 if kind != 1 else int(rng.integers(2, 9)))]
        other = [b for b in "ACGT" if b != reference[0]]
        inserted = reference + "".join(rng.choice(list("ACGT"), int(rng.integers(1, 7))))
        alternatives = {0: other[0], 1: reference[0], 2: inserted, 3: f"{other[0]},{other[1]}"}[int(kind)]
        count = alternatives.count(",") + 1
        calls = [f"{a}|{b}" for a, b in rng.integers(0, count + 1, (6, 2))]
        rows.append(row(at + 1, reference, alternatives, *calls))
        at += int(rng.integers(10, 60))
    rows.append(row(3000, sequence[-1], sequence[-1] + "CCA", *["1|1", "0|1", "0|0"] * 2))
    return sequence, write_vcf(folder / "cohort.vcf", len(sequence), samples, rows), samples


@pytest.mark.parametrize("seed", range(3))
def test_as_bcftools_consensus(tmp_path: Path, seed: int) -> None:
    tools = [shutil.which(t) for t in ("bcftools", "bgzip", "samtools")]
    if not tools[0] or not tools[1]:
        pytest.skip("bcftools and bgzip are not installed")
    sequence, path, samples = random_cohort(tmp_path, seed)
    genome = make_genome(tmp_path, sequence)
    packed = tmp_path / "cohort.vcf.gz"
    packed.write_bytes(subprocess.run(["bgzip", "-c", path], capture_output=True).stdout)
    subprocess.run(["bcftools", "index", packed], check=True)
    found = find_haplotypes(read(genome, packed, 0, 3000), sequence, 0)
    own = letters_of(genome, found, 0, 3000)
    for i, sample in enumerate(samples):
        for copy in (1, 2):
            command = ["bcftools", "consensus", "-f", genome.path, "-s", sample, "-H", str(copy)]
            run = subprocess.run([*command, packed], capture_output=True, text=True, check=True)
            expected = "".join(run.stdout.split("\n")[1:])
            assert own[2 * i + copy - 1] == expected


def test_windows_of_real_isolates_as_bcftools_consensus(shared: Path, tmp_path: Path) -> None:
    """*M. tuberculosis* pncA with its deletions: 40 isolates that carry most."""
    if not shutil.which("bcftools"):
        pytest.skip("bcftools is not installed")
    genome = Genome(shared / "data/tb/NC_000962.3.gbk.gz", cache=tmp_path)
    path = shared / "data/tb/tb_rif_inh_4000.vcf.gz"
    start, end = 2_288_000, 2_290_000
    calls = read_calls(VariantFile(path, contigs=genome.lengths), genome, "NC_000962.3", start, end)
    reference = genome.fetch("NC_000962.3", start, end)
    found = find_haplotypes(calls, reference, start)
    lengths = np.array([len(apply_edits(reference, start, e).letters) for e in found.edits])
    chosen = np.argsort(lengths[found.of_sample], kind="stable")[:40]
    assert lengths.min() < 1990  # the long deletions are among them
    fasta = tmp_path / "window.fa"
    fasta.write_text(f">NC_000962.3:{start + 1}-{end}\n{reference}\n")
    names = VariantFile(path).samples
    for i in chosen:
        command = ["bcftools", "consensus", "-f", fasta, "-s", names[i], path]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        expected = "".join(run.stdout.split("\n")[1:])
        assert apply_edits(reference, start, found.edits[found.of_sample[i]]).letters == expected


def test_equal_sequences_are_one_haplotype(tmp_path: Path) -> None:
    genome = make_genome(tmp_path, "ACGTTTTACGGACC")
    rows = [
        row(4, "TT", "T", "1", "0", "0", "0"),  # one T of four less, written in two places
        row(6, "TT", "T", "0", "1", "0", "0"),
        row(10, "G", "A", "0", "0", "1", "0"),
    ]
    path = write_vcf(tmp_path / "a.vcf", 14, ["a", "b", "c", "d"], rows)
    found = find_haplotypes(read(genome, path, 0, 14), "ACGTTTTACGGACC", 0)
    assert found.of_sample.tolist() == [1, 1, 2, 0]
    assert letters_of(genome, found, 0, 14)[:2] == ["ACGTTTACGGACC"] * 2


def test_missing_is_never_reference(tmp_path: Path) -> None:
    genome = make_genome(tmp_path, "ACGTACGTAC")
    rows = [row(3, "G", "C", "0/0", "./.", "1/.", "."), row(8, "T", "A", "0/1", "0/0", "1/1", "0/1")]
    path = write_vcf(tmp_path / "a.vcf", 10, ["a", "b", "c", "d"], rows)
    calls = read(genome, path, 0, 10)
    found = find_haplotypes(calls, "ACGTACGTAC", 0)
    letters = letters_of(genome, found, 0, 10)
    assert letters == ["ACGTACGTAC", "ACGTACGAAC", "", "", "ACCTACGAAC", "", "", ""]
    assert found.missing == 5
    # A window that the gap does not meet is known.
    beyond = find_haplotypes(calls, "ACGTAC"[0:0] + "ACGTAC", 4)
    assert (beyond.of_sample >= 0).all()


def test_haploid_samples_among_diploid_ones(tmp_path: Path) -> None:
    genome = make_genome(tmp_path, "ACGTACGTAC")
    rows = [row(3, "G", "C", "0|1", ".", "."), row(8, "T", "A", "0|0", "1", "0|1")]
    path = write_vcf(tmp_path / "a.vcf", 10, ["a", "male", "c"], rows)
    found = find_haplotypes(read(genome, path, 5, 10), "CGTAC", 5)
    assert found.of_sample.tolist() == [0, 0, 1, -2, 0, 1]


def test_star_is_the_deletion_of_another_record(tmp_path: Path) -> None:
    genome = make_genome(tmp_path, "ACGTACGTAC")
    rows = [row(3, "GTA", "G", "1", "0", "0"), row(4, "T", "C,*", "2", "1", "0")]
    path = write_vcf(tmp_path / "a.vcf", 10, ["a", "b", "c"], rows)
    calls = read(genome, path, 0, 10)
    found = find_haplotypes(calls, "ACGTACGTAC", 0)
    assert calls.starred == 1
    assert letters_of(genome, found, 0, 10) == ["ACGCGTAC", "ACGCACGTAC", "ACGTACGTAC"]


def test_overlapping_edits_are_not_guessed(tmp_path: Path) -> None:
    genome = make_genome(tmp_path, "ACGTACGTAC")
    rows = [row(3, "GTA", "G", "1", "0"), row(4, "T", "C", "1", "1")]
    path = write_vcf(tmp_path / "a.vcf", 10, ["a", "b"], rows)
    found = find_haplotypes(read(genome, path, 0, 10), "ACGTACGTAC", 0)
    assert found.of_sample.tolist() == [-1, 1]
    assert found.ambiguous == 1


def test_unphased_heterozygotes(tmp_path: Path) -> None:
    genome = make_genome(tmp_path, "ACGTACGTAC")
    rows = [row(3, "G", "C", "0/1", "0/1", "0|1"), row(8, "T", "A", "0/1", "0/0", "1|0")]
    path = write_vcf(tmp_path / "a.vcf", 10, ["a", "b", "c"], rows)
    calls = read(genome, path, 0, 10)
    written = find_haplotypes(calls, "ACGTACGTAC", 0)
    assert written.unphased == 1  # the phase matters in the first sample alone
    assert letters_of(genome, written, 0, 10) == [
        *("ACGTACGTAC", "ACCTACGAAC"),
        *("ACGTACGTAC", "ACCTACGTAC"),
        *("ACGTACGAAC", "ACCTACGTAC"),
    ]
    masked = find_haplotypes(calls, "ACGTACGTAC", 0, "mask")
    assert (masked.of_sample < 0).tolist() == [True, True, False, False, False, False]


def test_a_window_across_the_origin_of_a_circular_contig(tmp_path: Path) -> None:
    genome = make_genome(tmp_path, "ACGTACGTAC", circular=True)
    rows = [row(1, "A", "T", "1", "0"), row(10, "C", "G", "1", "1")]
    path = write_vcf(tmp_path / "a.vcf", 10, ["a", "b"], rows)
    found = find_haplotypes(read(genome, path, -2, 3), "ACACG", -2)
    assert letters_of(genome, found, -2, 3) == ["AGTCG", "AGACG"]
    assert [e.name for e in found.edits[found.of_sample[0]]] == ["c:10:C:G", "c:1:A:T"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(3, "T", "C", "1", "0")], "c:3: REF is T, the genome has G there"),
        ([row(3, "G", "<DEL>", "1", "0")], "sample a carries the symbolic allele <DEL>"),
        ([row(3, "G", "-", "1", "0")], "c:3: allele '-'; expected letters"),
        ([row(9, "ACG", "A", "1", "0")], "past the end of the contig"),
    ],
)
def test_records_that_cannot_be_used(tmp_path: Path, rows: list[str], said: str) -> None:
    genome = make_genome(tmp_path, "ACGTACGTAC")
    path = write_vcf(tmp_path / "a.vcf", 100, ["a", "b"], rows)
    with pytest.raises(InputError, match=said):
        read(genome, path, 0, 20)


def test_headers_that_cannot_be_used(tmp_path: Path, shared: Path) -> None:
    bad = shared / "data/bad_input"
    with pytest.raises(InputError, match=r"line 22: malformed header .* separated by spaces"):
        VariantFile(bad / "brca_exchange_test_ClinVar.vcf")
    with pytest.raises(InputError, match="without samples"):
        VariantFile(bad / "brca_exchange_test_1000_Genomes.vcf")
    twice = write_vcf(tmp_path / "a.vcf", 10, ["a", "b", "a"], [row(3, "G", "C", "0", "0", "0")])
    with pytest.raises(InputError, match="1 samples are there twice: a; rename"):
        VariantFile(twice)
    cut = tmp_path / "cut.vcf"
    cut.write_text("chrom\tpos\n")
    with pytest.raises(InputError, match="expected ##fileformat=VCF"):
        VariantFile(cut)
    other = write_vcf(tmp_path / "b.vcf", 10, ["a"], [row(3, "G", "C", "0")])
    with pytest.raises(InputError, match=r"its contigs \(c\) are not those of the genome"):
        VariantFile(other, contigs={"chr9": 100})


def test_bcf_and_other_names_of_contigs(tmp_path: Path) -> None:
    if not shutil.which("bcftools"):
        pytest.skip("bcftools is not installed")
    sequence, path, _ = random_cohort(tmp_path, 5)
    genome = make_genome(tmp_path, sequence)
    expected = find_haplotypes(read(genome, path, 500, 900), sequence[500:900], 500)
    binary = tmp_path / "cohort.bcf"
    subprocess.run(["bcftools", "view", "-Ob", "-o", binary, path], check=True)
    plain = find_haplotypes(read(genome, binary, 500, 900), sequence[500:900], 500)
    subprocess.run(["bcftools", "index", binary], check=True)
    indexed = VariantFile(binary, contigs=genome.lengths)
    again = find_haplotypes(read_calls(indexed, genome, "c", 500, 900), sequence[500:900], 500)
    chr_named = tmp_path / "chr.vcf"
    chr_named.write_text(path.read_text().replace("ID=c,", "ID=chrc,").replace("\nc\t", "\nchrc\t"))
    other = find_haplotypes(read(genome, chr_named, 500, 900), sequence[500:900], 500)
    bare = tmp_path / "bare.vcf"  # no ##contig line, no index
    text = path.read_text()
    bare.write_text(text.replace("##contig=<ID=c,length=3000>\n", ""))
    headless = find_haplotypes(read(genome, bare, 500, 900), sequence[500:900], 500)
    assert indexed.indexed and len(expected.edits) > 3
    for found in (plain, again, other, headless):
        np.testing.assert_array_equal(found.of_sample, expected.of_sample)
        assert found.edits == expected.edits
