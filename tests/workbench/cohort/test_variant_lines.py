"""Records and genotypes against pysam, from text, BCF and both indexes; what is no VCF."""

from __future__ import annotations

import gzip
import random
import subprocess
from pathlib import Path

import numpy as np
import pysam
import pytest

from workbench.cohort.calls import read_calls
from workbench.cohort.vcf import Record, VariantFile
from workbench.errors import InputError
from workbench.genome.reference import Genome

CONTIGS = {"c": 5000, "d": 400}
META = (
    "##fileformat=VCFv4.2\n##simulated=invented\n"
    + "".join(f"##contig=<ID={c},length={n}>\n" for c, n in CONTIGS.items())
    + '##INFO=<ID=END,Number=1,Type=Integer,Description="End">\n'
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depths">\n'
)
HEAD = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".replace(" ", "\t")


def write(path: Path, samples: list[str], rows: list[str]) -> Path:
    lines = ["\t".join([HEAD, *samples]), *(row.replace(" ", "\t") for row in rows)]
    path.write_text(META + "\n".join(lines) + "\n")
    return path


def invented(path: Path, seed: int) -> Path:
    """Multi-allelic, missing, phased or not, haploid to diploid, with and without more fields."""
    draw = random.Random(seed)
    samples = [f"s{i}" for i in range(7)]
    rows = []
    for chrom, length in CONTIGS.items():
        for position in sorted(draw.sample(range(1, length - 5), 30)):
            reference = "ACGT"[draw.randrange(4)] * draw.randint(1, 3)
            others = draw.sample(["G", "ttt", "CCA", "*", "<DEL>"], draw.randint(1, 3))
            fields = draw.choice(["GT", "GT:DP", "GT:AD:DP"])
            calls = []
            for _ in samples:
                alleles = [draw.choice([".", *map(str, range(len(others) + 1))]) for _ in range(2)]
                text = draw.choice("/|").join(alleles[: draw.choice([1, 2, 2, 2])])
                calls.append(text + ":7" * (fields == "GT:DP" and draw.random() < 0.5))
            info = f"END={position + 60}" if "<DEL>" in others else "."
            name = draw.choice([".", f"rs{position}"])
            rows.append(
                f"{chrom} {position} {name} {reference} {','.join(others)} . . {info} {fields} "
                + " ".join(calls)
            )
    return write(path, samples, rows)


def packings(path: Path) -> list[Path]:
    """The file as text, gzip, bgzip with .tbi and with .csi, BCF without index and with one."""
    found = [path]
    for name in ("plain.vcf.gz", "tbi.vcf.gz", "csi.vcf.gz", "whole.bcf", "indexed.bcf"):
        found.append(path.with_name(name))
    found[1].write_bytes(gzip.compress(path.read_bytes()))
    pysam.tabix_compress(str(path), str(found[2]), force=True)
    pysam.tabix_compress(str(path), str(found[3]), force=True)
    pysam.tabix_index(str(found[2]), preset="vcf")
    pysam.tabix_index(str(found[3]), preset="vcf", csi=True)
    for target in found[4:]:
        source = pysam.VariantFile(str(path))
        with source, pysam.VariantFile(str(target), "wb", header=source.header) as out:
            for record in source:
                out.write(record)
    pysam.tabix_index(str(found[5]), preset="bcf")
    return found


def as_pysam(path: Path, chrom: str, start: int, end: int) -> list[tuple[object, ...]]:
    found = []
    with pysam.VariantFile(str(path)) as file:
        for row in file:
            if row.chrom == chrom and row.start < end and row.stop > start:
                calls = [s.allele_indices for s in row.samples.values()]
                alleles = tuple(a.upper() for a in row.alleles)
                phased = [s.phased and len(s.allele_indices) > 1 for s in row.samples.values()]
                found.append((row.start, row.stop, row.id or "", alleles, calls, phased))
    return found


def plain(record: Record) -> tuple[object, ...]:
    calls = [tuple(None if a == -1 else int(a) for a in s if a != -2) for s in record.genotypes]
    phased = [bool(p) for p in record.phased]
    return (record.start, record.end, record.name, record.alleles, calls, phased)


@pytest.mark.parametrize("seed", range(4))
def test_records_are_those_of_pysam_however_packed(tmp_path: Path, seed: int) -> None:
    path = invented(tmp_path / "a.vcf", seed)
    windows = [("c", 0, 5000), ("c", 1200, 2600), ("d", 100, 101), ("d", 399, 400)]
    for packed in packings(path):
        file = VariantFile(packed, contigs=CONTIGS)
        assert (file.samples, file.simulated) == ([f"s{i}" for i in range(7)], "invented")
        assert file.indexed == packed.name.startswith(("tbi", "csi", "indexed"))
        for window in windows:
            assert [plain(r) for r in file.read(*window)] == as_pysam(path, *window)


def test_real_isolates_as_pysam(shared: Path) -> None:
    path = shared / "data/tb/tb_rif_inh_4000.vcf.gz"
    file = VariantFile(path)
    window = ("NC_000962.3", 2_155_000, 2_156_200)
    expected = as_pysam(path, *window)
    assert len(expected) > 50
    assert [plain(r) for r in file.read(*window)] == expected


def test_chosen_samples_keep_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vcf", ["a,b", "^c", "d"], ["c 3 . G C . . . GT 0 1 ."])
    (record,) = VariantFile(path, ["d", "a,b"]).read("c", 0, 9)
    assert VariantFile(path, ["d", "a,b"]).samples == ["a,b", "d"]
    np.testing.assert_array_equal(record.genotypes, [[0], [-1]])


BAD = {
    "c 3 . G C . . . GT A/T": r"line 10: genotype 'A/T'; expected numbers of alleles or \.",
    "c 3 . G C . . . GT 0/": r"line 10: genotype '0/'",
    "c 3 . G C . . . GT 0/９": r"line 10: genotype '0/９'",
    "c 3 . G C . . . GT 0/2": r"c:3: a genotype names allele 2, of 1 in ALT",
    "c 3 . G C . . . GT 92233720368": r"line 10: genotype '92233720368'",
    "c 3 . G C . . . GT " + "0/" * 300 + "0": r"a genotype of 301 alleles; expected 255 at most",
    "c x . G C . . . GT 0": r"line 10: POS is 'x'; expected a whole number",
    "c -3 . G C . . . GT 0": r"line 10: POS is '-3'",
    "c 3 . G C . . GT 0": r"line 10: 9 columns, the header has 10; expected tabs between columns",
    "c 3 . G C . . . DP 0": r"c:3: no GT field",
    "c 3 . G 1 . . . GT 1": r"c:3: allele '1'; expected letters",
}


@pytest.mark.parametrize("first", [". .", "./. .", ". ./."])
@pytest.mark.parametrize("rest", ["0/1 1", "1 0"])
def test_a_lone_point_tells_no_ploidy(tmp_path: Path, first: str, rest: str) -> None:
    rows = [f"c {at} . G C . . . GT {calls}" for at, calls in ((3, first), (9, rest))]
    file = VariantFile(write(tmp_path / "a.vcf", ["a", "b"], rows))
    assert file.ploidy == (2 if "/" in first + rest else 1)
    assert [r.genotypes.shape[1] for r in file.read("c", 0, 9)] == [file.ploidy] * 2


@pytest.mark.parametrize("row", BAD)
def test_records_that_are_none(tmp_path: Path, row: str) -> None:
    path = write(tmp_path / "a.vcf", ["a"], [row])
    with pytest.raises(InputError, match=BAD[row]):
        list(VariantFile(path).read("c", 0, 100))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("c 3 . A C . . . GT 2", "c:3: a genotype names allele 2"),
        ("c 3 . G C . . . DP 7", "c:3: no GT field"),
        ("c 3 . G 1 . . . GT 1", "c:3: allele '1'"),
        ("c 3 . G C . . . GT A/T", "c:3: genotype 'A/T'"),
        ("c 3 . G C . . GT 0", "c:3: 9 columns, the header has 10"),
        ("c 3 . A <DEL> . . . GT 1", "c:3: sample a carries the symbolic allele <DEL>"),
        ("c 3 . GT C . . . GT 1", "c:3: REF is GT, the genome has AA there"),
        ("d 400 . AA C . . . GT 1", "d:400: past the end of the contig"),
    ],
)
@pytest.mark.parametrize("indexed", [False, True])
def test_a_fault_is_told_with_its_place(tmp_path: Path, row: str, said: str, indexed: bool) -> None:
    """And with its line where the file is read by lines; an index finds places alone."""
    fasta = tmp_path / "g.fa"
    fasta.write_text("".join(f">{c}\n{'A' * n}\n" for c, n in CONTIGS.items()))
    genome = Genome(fasta, cache=tmp_path / "cache")
    path = write(tmp_path / "a.vcf", ["a"], ["c 1 . A C . . . GT 1", row])
    if indexed:
        path = Path(pysam.tabix_index(str(path), preset="vcf", force=True))
    with pytest.raises(InputError) as caught:
        file = VariantFile(path, contigs=CONTIGS)
        for chrom, length in CONTIGS.items():
            read_calls(file, genome, chrom, 0, length)
    place, _, fault = said.partition(": ")
    assert str(caught.value).startswith(f"{path}: {place if indexed else 'line 11'}: ")
    assert fault in str(caught.value)


def test_a_symbolic_allele_is_met_to_its_end(tmp_path: Path) -> None:
    """A carried deletion over a window is not read as reference because it begins before it."""
    path = write(tmp_path / "a.vcf", ["a"], ["c 3 . G <DEL> . . END=50 GT 1"])
    assert [r.end for r in VariantFile(path).read("c", 40, 45)] == [50]
    assert list(VariantFile(path).read("c", 50, 60)) == []


def test_what_is_no_bcf(tmp_path: Path) -> None:
    path = tmp_path / "a.bcf"
    path.write_bytes(b"not a BCF")
    with pytest.raises(InputError, match=r"a\.bcf: cannot be read as VCF or BCF \(.*bcftools view"):
        VariantFile(path)
    whole = packings(invented(tmp_path / "a.vcf", 0))[4].read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.bcf: cannot be read as VCF or BCF"):
        list(VariantFile(path).read("c", 0, 5000))


@pytest.mark.parametrize("place", [2, 3, 5])
@pytest.mark.parametrize("other", ["longer", "shorter", "another"])
def test_an_index_that_is_not_of_the_file_is_refused(tmp_path: Path, place: int, other: str) -> None:
    path = packings(invented(tmp_path / "a.vcf", 0))[place]
    text = (tmp_path / "a.vcf").read_text().splitlines(keepends=True)
    if other == "longer":
        changed = [*text, text[-1].replace("d\t", "d\t1", 1)]
    else:
        changed = text[:-1] if other == "shorter" else text[:12] + text[14:]
    (tmp_path / "a.vcf").write_text("".join(changed))
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.vcf").write_text("".join(changed))
    path.write_bytes(packings(tmp_path / "later" / "a.vcf")[place].read_bytes())
    suffix, command = {2: (".tbi", "tabix"), 3: (".csi", "tabix"), 5: (".csi", "bcftools index")}[place]
    with pytest.raises(InputError, match=rf"{path.name}{suffix}: is not the index of .* anew with {command}"):
        VariantFile(path, contigs=CONTIGS)


def test_bcftools_reads_the_same(tmp_path: Path) -> None:
    """Genotypes as ``bcftools query`` prints them."""
    path = invented(tmp_path / "a.vcf", 9)
    command = ["bcftools", "query", "-f", r"%CHROM\t%POS[\t%GT]\n", path]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("bcftools is not installed")
    expected = [line.split("\t") for line in run.stdout.splitlines()]
    found = []
    for chrom, length in CONTIGS.items():
        for record in VariantFile(path, contigs=CONTIGS).read(chrom, 0, length):
            calls = []
            for alleles, phased in zip(record.genotypes, record.phased, strict=True):
                texts = ["." if a == -1 else str(a) for a in alleles if a != -2]
                calls.append(("|" if phased else "/").join(texts))
            found.append([chrom, str(record.start + 1), *calls])
    assert found == expected
