"""Mistakes in a cohort end before anything expensive runs, in one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pysam
import pytest

from tests.workbench.cohort.test_haplotypes import row, write_vcf
from tests.workbench.small_study import small_config, write_model
from workbench.cohort.samples import read_cohort
from workbench.cohort.variant_lines import FIXED
from workbench.cohort.vcf import VariantFile
from workbench.engines.local import run
from workbench.errors import InputError
from workbench.study.config import CohortConfig
from workbench.study.study import Study

CONTIG = "NC_005816.1"
GOOD = "sample\ttrait\na\t1\nb\t0\nc\t1\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "model")


def variants(folder: Path, letters: str, names: list[str], wrong: bool = False) -> Path:
    base = letters[4399]
    reference = {"A": "C", "C": "A", "G": "T", "T": "G"}[base] if wrong else base
    line = row(4400, reference, "N" if reference == "A" else "A", *(["0"] * len(names)))
    path = write_vcf(folder / "v.vcf", 9609, names, [line.replace("c ", f"{CONTIG} ", 1)])
    path.write_text(path.read_text().replace("ID=c,", f"ID={CONTIG},"))
    return path


def test_records_are_found_by_their_own_names(tmp_path: Path) -> None:
    """Some tools write one spelling in the header and another in the records."""
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=1,length=100>"]
    lines += ["\t".join((*FIXED, "a", "b"))]
    lines += [f"{chrom}\t9\t.\tA\tC\t.\t.\t.\tGT\t1\t0" for chrom in ("chr1", "un_7", "un_7")]
    path = tmp_path / "v.vcf"
    path.write_text("\n".join(lines) + "\n")
    for name in ("1", "chr1"):
        file = VariantFile(path, contigs={name: 100})
        (record,) = file.read(name, 0, 100)
        assert (record.start, record.chrom, record.genotypes.ravel().tolist()) == (8, name, [1, 0])
        assert "1 of 2 contig names are not in the genome (un_7): 2 of 3 records left out" in file.note
    with pytest.raises(InputError, match=r"its contigs \(chr1, un_7\) are not those of the genome"):
        VariantFile(path, contigs={"chr2": 100})


@pytest.fixture()
def refused(tmp_path: Path, samples: Path, model: Path) -> Callable[..., str]:
    """The sentence with which a study of these files ends."""
    letters = "".join((samples / "yersinia_pPCP1.fa").read_text().split("\n")[1:])

    def attempt(
        names: list[str], table: str = GOOD, wrong: bool = False, vcf: Path | None = None, **keys: str
    ) -> str:
        path = vcf or variants(tmp_path, letters, names, wrong)
        phenotypes = tmp_path / "p.tsv"
        phenotypes.write_text(table)
        given = CohortConfig(variants=str(path), phenotypes=str(phenotypes), regions="gene")
        config = replace(small_config(samples, model), cohort=replace(given, **keys))
        study = Study.create(tmp_path / "study", config)
        with pytest.raises(InputError) as caught:
            run(study, until="haplotypes")
        assert not (study.folder / "sae").exists()
        text = str(caught.value)
        assert "\n" not in text
        return text

    return attempt


def test_wrong_reference(refused: Callable[..., str]) -> None:
    text = refused(["a", "b", "c"], wrong=True)
    assert f"{CONTIG}:4400: REF is" in text and "give the reference that the variants were" in text


def test_samples_without_phenotype(refused: Callable[..., str]) -> None:
    text = refused(["a", "b", "c", "d", "e"])
    assert "p.tsv: 2 samples of v.vcf are not in it: d, e; add them" in text
    assert 'mismatch = "intersect" in [cohort] to go on with the 3 in both' in text


def test_phenotypes_without_sample(refused: Callable[..., str]) -> None:
    assert "v.vcf: 1 samples of p.tsv are not in it: c" in refused(["a", "b"])


def test_no_sample_in_common(refused: Callable[..., str]) -> None:
    text = refused(["x", "y"], mismatch="intersect")
    assert "none of its samples (a, b, c) is in" in text and "(x, y)" in text


def test_repeated_samples(refused: Callable[..., str]) -> None:
    assert "1 samples are there twice: a" in refused(["a", "b", "a"])


def test_repeated_samples_in_the_table(refused: Callable[..., str]) -> None:
    text = refused(["a", "b", "c"], GOOD + "b\t1\n")
    assert "p.tsv: 1 samples are there twice: b; keep one line of each" in text


def test_constant_phenotype(refused: Callable[..., str]) -> None:
    text = refused(["a", "b", "c"], "sample\ttrait\na\t1\nb\t1\nc\t1\n")
    assert "phenotype trait is constant (1 in every sample)" in text


def test_phenotype_with_text(refused: Callable[..., str]) -> None:
    text = refused(["a", "b", "c"], "sample\ttrait\na\tR\nb\tS\nc\tR\n")
    assert "line 2: phenotype trait is 'R'; expected a number" in text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ClinVar", "line 22: malformed header"),
        ("1000_Genomes", "a VCF without samples; expected genotypes, one column a sample"),
    ],
)
def test_malformed_header(refused: Callable[..., str], shared: Path, name: str, sentence: str) -> None:
    path = shared / f"data/bad_input/brca_exchange_test_{name}.vcf"
    text = refused([], vcf=path)
    assert sentence in text and path.name in text


def test_region_that_is_not_there(refused: Callable[..., str]) -> None:
    text = refused(["a", "b", "c"], regions="operon")
    assert "regions is 'operon'; expected a BED file, windows, contigs, or one of the tracks" in text


def test_settings_are_checked(tmp_path: Path, samples: Path, model: Path) -> None:
    config = small_config(samples, model)
    for given, said in (
        (CohortConfig(phenotypes="p.tsv"), "none of variants, sequences, matrix given"),
        (CohortConfig(variants="v.vcf", matrix="m.tsv"), "variants and matrix given"),
        (CohortConfig(unphased="guess"), "unphased is 'guess', expected one of as_written, mask"),
        (CohortConfig(max_missing=1.5), "max_missing 1.5 must be in 0 to 1"),
    ):
        with pytest.raises(InputError, match=said):
            Study.create(tmp_path / "s", _without_files(replace(config, cohort=given), tmp_path))


def _without_files(config, folder: Path):  # type: ignore[no-untyped-def]
    """Files that settings name, made empty, so that the settings themselves are what is wrong."""
    given = {k: str(folder / v) for k, v in vars(config.cohort).items() if str(v).endswith(("tsv", "vcf"))}
    for path in given.values():
        Path(path).touch()
    return replace(config, cohort=replace(config.cohort, **given))


def written(path: Path, *records: str, samples: str = "a b", again: str = "") -> Path:
    """A VCF of the contig c, 100 bases, of records apart by spaces; ``again``, a second header of samples."""
    head = ["##fileformat=VCFv4.2", "\t".join((*FIXED, *samples.split()))]
    rows = ["\t".join(record.split(" ")) for record in records]
    second = [head[0], "\t".join((*FIXED, *again.split())), *rows] if again else []
    path.write_text("\n".join([*head, *rows, *second]) + "\n")
    return path


def test_files_put_one_after_the_other_are_refused(tmp_path: Path) -> None:
    record = "c 9 . A C . . . GT 1 0"
    path = written(tmp_path / "v.vcf", record, again="b a")
    with pytest.raises(InputError, match=r"v\.vcf: line 4: '##fileformat=VCFv4.2' after the header"):
        VariantFile(path, contigs={"c": 100})


@pytest.mark.parametrize("position", [0, 101, 25_000])
def test_a_place_that_the_contig_does_not_have_is_refused(tmp_path: Path, position: int) -> None:
    records = ["c 9 . A C . . . GT 1 0", f"c {position} . A C . . . GT 1 0", "c 50 . A C . . . GT 1 0"]
    path = written(tmp_path / "v.vcf", *records)
    with pytest.raises(InputError, match=rf"line 4: position {position:,} of c; c has 100 bases"):
        VariantFile(path, contigs={"c": 100})
    VariantFile(written(path, "c 1 . A C . . . GT 1 0", "c 100 . A C . . . GT 1 0"), contigs={"c": 100})


def test_an_index_is_asked_for_places_past_the_end_too(tmp_path: Path) -> None:
    records = [f"c {position} . A C . . . GT 1 0" for position in (9, 101)]
    path = Path(pysam.tabix_index(str(written(tmp_path / "v.vcf", *records)), preset="vcf", force=True))
    with pytest.raises(InputError, match=r"position 101 of c; c has 100 bases"):
        VariantFile(path, contigs={"c": 100})
    assert VariantFile(path, contigs={"c": 101}).indexed


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no record in it"):
        VariantFile(written(tmp_path / "v.vcf"), contigs={"c": 100})


@pytest.mark.parametrize("alleles", ["A  ", " C", "A C,"])
def test_an_empty_allele_is_no_deletion(tmp_path: Path, alleles: str) -> None:
    reference, _, others = alleles.partition(" ")
    path = written(tmp_path / "v.vcf", f"c 9 . {reference} {others.strip()} . . . GT 1 0")
    with pytest.raises(InputError, match=r"c:9: allele ''; expected letters"):
        list(VariantFile(path, contigs={"c": 100}).read("c", 0, 100))


@pytest.mark.parametrize(
    ("allele", "info", "end"),
    [
        ("<DEL>", "SVLEN=-40", 49),
        ("<DEL>", "SVTYPE=DEL;SVLEN=40", 49),
        ("<DUP:TANDEM>,<DEL>", "SVLEN=10,-30", 39),
        ("<DEL>", "END=20;SVLEN=-11", 20),
        ("<DEL>", "END=3;SVLEN=-40", 49),
        ("<INS>", "SVLEN=40", 9),
    ],
)
def test_a_symbolic_allele_reaches_as_far_as_it_says(
    tmp_path: Path, allele: str, info: str, end: int
) -> None:
    path = written(tmp_path / "v.vcf", f"c 9 . A {allele} . . {info} GT . 0")
    (record,) = VariantFile(path, contigs={"c": 100}).read("c", 0, 100)
    assert (record.start, record.end) == (8, end)
    assert len(list(VariantFile(path, contigs={"c": 100}).read("c", end - 1, 100))) == 1


@pytest.mark.parametrize("strange", ["n/a", "?", "unknown", "40,5", "<18"])
def test_a_word_among_numbers_makes_no_categories(tmp_path: Path, strange: str) -> None:
    path = tmp_path / "p.tsv"
    rows = [f"s{i}\t{i % 2}\t{age}" for i, age in enumerate(["40", "50", strange, "60", "55"])]
    path.write_text("\n".join(["sample\ttrait\tage", *rows]) + "\n")
    with pytest.raises(InputError, match=r"line 4: covariate age is .* among numbers"):
        read_cohort(path, ["trait"], ["age"])
    found = read_cohort(path, ["trait"], ["age"], missing=[strange])
    assert found.samples["age"].isna().tolist() == [False, False, True, False, False]
