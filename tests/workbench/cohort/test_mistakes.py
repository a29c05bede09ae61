"""Mistakes in a cohort end before anything expensive runs, in one sentence that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workbench.cohort.test_haplotypes import row, write_vcf
from tests.workbench.small_study import small_config, write_model
from workbench.config import CohortConfig
from workbench.engines.local import run
from workbench.errors import InputError
from workbench.study import Study

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


@pytest.fixture()
def refused(tmp_path: Path, samples: Path, model: Path) -> Callable[..., str]:
    """The sentence with which a study of these files ends."""
    letters = "".join((samples / "yersinia_pPCP1.fa").read_text().split("\n")[1:])

    def attempt(
        names: list[str],
        table: str = GOOD,
        wrong: bool = False,
        vcf: Path | None = None,
        **keys: str,
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
def test_malformed_header(
    refused: Callable[..., str], shared: Path, name: str, sentence: str
) -> None:
    path = shared / f"data/bad_input/brca_exchange_test_{name}.vcf"
    text = refused([], vcf=path)
    assert sentence in text and path.name in text


def test_region_that_is_not_there(refused: Callable[..., str]) -> None:
    text = refused(["a", "b", "c"], regions="operon")
    assert (
        "regions is 'operon'; expected a BED file, windows, contigs, or one of the tracks" in text
    )


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
    given = {
        k: str(folder / v)
        for k, v in vars(config.cohort).items()
        if str(v).endswith(("tsv", "vcf"))
    }
    for path in given.values():
        Path(path).touch()
    return replace(config, cohort=replace(config.cohort, **given))
