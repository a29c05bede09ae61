"""An explanation asked of a study with samples: its page, its tables, and what is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from feature_mining.phenotype.folds import inner_folds, outer_folds
from feature_mining.phenotype.models import fit_predict
from tests.conftest import made_once
from tests.workbench.analysis.biomarkers.conftest import CAUSAL, CONTIG, QUANTITY, TRAIT, N, make_study
from tests.workbench.small_study import finished_study
from workbench.analysis.phenotypes.blocks import VARIANTS
from workbench.analysis.phenotypes.prediction import read_columns
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments.explain_settings import ExplainSettings
from workbench.experiments.registry import create_experiment
from workbench.files.facts import read_facts
from workbench.files.parquet import read_parquet
from workbench.study.study import Study

ASKED = ExplainSettings(phenotype=TRAIT, samples=["s0", "s1", "s3"], permutations=19)


@pytest.fixture(scope="module")
def study(tmp_path_factory, samples) -> Study:
    made = made_once(tmp_path_factory, "biomarkers", lambda folder: make_study(folder, samples))
    copy = tmp_path_factory.mktemp("explain") / "study"
    shutil.copytree(made / "study", copy)
    return Study.open(copy)


@pytest.fixture(scope="module")
def explained(study):
    made = create_experiment(study, "why", "explain", ASKED)
    run_experiment(study, "why")
    return made


def table(experiment, name):
    return read_parquet(experiment.folder / f"{name}.parquet")


def test_the_planted_variant_is_the_locus_and_the_page_says_what_it_is_not_for(study, explained):
    facts = read_facts(explained.folder / "facts.json")
    assert facts["verdict"] == "locus" and facts["samples"] == N and facts["lineages"] == 2
    page = (explained.folder / "page.html").read_text()
    assert "Not for diagnosis, and not to choose or withhold a treatment" in page
    assert "SIMULATED samples: made for a test" in page
    assert "does not say that a sample is susceptible" in page and "That it causes the phenotype" in page
    assert page.count("<svg") == 4 and "<i>" not in page.split("What was asked")[0].split("<main>")[1]
    assert f"{CONTIG}:{CAUSAL}" in page and str(study.folder) not in page


def test_predictions_are_those_of_the_study_s_predictor_out_of_fold(study, explained):
    columns = read_columns(study, "gained")
    trait = study.cohort.samples[TRAIT].to_numpy(float)
    predicted = np.full(N, np.nan)
    for fold in outer_folds(trait, None, True, ASKED.seed):
        inner = inner_folds(trait[fold.train], None, True, ASKED.seed)
        predicted[fold.test] = fit_predict(columns.values, trait, fold.train, fold.test, inner, True, 0)
    samples = table(explained, "samples")
    own = samples[samples["folds"] == "others of its lineage seen"].set_index("sample")
    for sample in ASKED.samples:
        assert own.loc[sample, "predicted"] == pytest.approx(predicted[int(sample[1:])], abs=1e-6)
        lineage = np.arange(N) % 2 == int(sample[1:]) % 2
        lineage[int(sample[1:])] = False
        assert own.loc[sample, "relatives"] == pytest.approx(trait[lineage].mean())


def test_a_locus_set_to_reference_gives_what_a_sample_without_variants_has(study, explained):
    """There is one locus: the prediction with it at reference is that of all at reference."""
    parts, samples = table(explained, "parts"), table(explained, "samples")
    both = parts.merge(samples, on=["sample", "folds"], suffixes=("", "_sample"))
    np.testing.assert_allclose(both["at_reference"], both["without"], rtol=1e-6)
    carried = parts.drop_duplicates("sample").set_index("sample")["carries"]
    haplotypes = study.table("haplotypes").set_index("haplotype")["variants"]
    (region,) = study.burdens
    for sample in ASKED.samples:
        names = list(haplotypes[int(region.sample_haplotype[int(sample[1:]), 0])])
        assert carried[sample] == (", ".join(names) or "as the reference")
    plain = samples.merge(carried.rename("carries"), left_on="sample", right_index=True)
    bare = plain[plain["carries"] == "as the reference"]
    np.testing.assert_allclose(bare["predicted"], bare["without"], rtol=1e-6)


def test_the_reference_of_each_column_is_that_of_the_region(study):
    for burden in ("gained", VARIANTS):
        columns = read_columns(study, burden)
        (region,) = study.burdens
        reference = region.sample_haplotype[:, 0] == 0
        assert reference.any() and len(columns.reference) == columns.values.shape[1] > 0
        rows = columns.values[reference]
        np.testing.assert_allclose(rows, np.broadcast_to(columns.reference, rows.shape), atol=1e-6)


def test_a_number_from_plain_variants(cli, study):
    words = ("--phenotype", QUANTITY, "--burden", VARIANTS, "--permutations", 19, "--name", "growing")
    code, _, err = cli("explain", study.folder, *words, "--sample", "s4")
    assert code == 0, err
    folder = study.folder / "experiments" / "growing"
    assert read_facts(folder / "facts.json")["burden"] == VARIANTS
    page = (folder / "page.html").read_text()
    assert "R²" in page and "AUROC" not in page and "Sample s4" in page


def test_what_is_refused(study, refused):
    ask = ("explain", study.folder, "--name", "no", "--phenotype")
    assert "no phenotype 'height'" in refused(*ask, "height")
    assert "the study has none of this name" in refused(*ask, TRAIT, "--sample", "s9999")
    assert "expected one of gained, lost, variants" in refused(*ask, TRAIT, "--burden", "loud")
    assert "at least 19" in refused(*ask, TRAIT, "--permutations", "3")
    assert not (study.folder / "experiments" / "no").exists()


def test_a_study_without_lineages_or_samples_is_refused(study, tmp_path, tmp_path_factory):
    copy = tmp_path / "copy"
    shutil.copytree(study.folder, copy)
    text = (copy / "study.toml").read_text()
    (copy / "study.toml").write_text(text.replace('groups = ["lineage", "part"]', "groups = []"))
    with pytest.raises(InputError, match="loci and lineage cannot be told apart"):
        create_experiment(Study.open(copy), "no", "explain", ASKED)
    with pytest.raises(InputError, match="has no samples with phenotypes"):
        create_experiment(Study.open(finished_study(tmp_path_factory)), "no", "explain", ASKED)
