"""The stages `phenotype` and `predict` on a ready matrix with planted effects, and their refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from feature_mining.phenotype.linear import ols
from tests.feature_mining.phenotype.test_mixed import brute
from tests.workbench.small_study import small_config, write_model
from workbench.analysis.phenotypes.associations import associate
from workbench.analysis.phenotypes.blocks import variant_counts
from workbench.analysis.phenotypes.inputs import read_inputs
from workbench.engines.local import here, run, run_stage
from workbench.errors import InputError
from workbench.export import export
from workbench.progress import Silent
from workbench.report.cohort import gather_cohort
from workbench.stages.registry import STAGES
from workbench.study.config import CohortConfig, PhenotypeConfig
from workbench.study.study import Study

N = 240
STAGE_NAMES = ("cohort", "burdens", "phenotype", "predict")


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Feature 3 is causal for both traits, features 10 to 19 are lineage, the others are noise."""
    random = np.random.default_rng(21)
    lineage = np.repeat(["L1", "L2", "L3", "L4"], N // 4)
    values = random.normal(size=(N, 30))
    values[:, 10:20] = (lineage == "L2")[:, None] + 0.1 * values[:, 10:20]
    values[:, 3] = random.random(N) < 0.4
    names = [f"s{i}" for i in range(N)]
    matrix = pd.DataFrame(values, columns=[f"f{i}" for i in range(30)])
    matrix.insert(0, "sample", names)
    liability = 2.5 * values[:, 3] + 2.0 * (lineage == "L2") - 1.8
    traits = pd.DataFrame(
        {
            "sample": names,
            "drug": (liability + random.logistic(size=N) > 0).astype(int),
            "mic": np.round(liability + random.normal(size=N), 3),
            "age": random.integers(20, 80, N),
            "lineage": lineage,
            "collection": np.where(np.arange(N) % 2, "first", "second"),
        }
    )
    return matrix, traits


def make(folder: Path, samples: Path, traits: pd.DataFrame, kinship: str = "", **phenotype: object) -> Study:
    folder.mkdir(exist_ok=True)
    matrix, _ = tables()
    matrix.to_csv(folder / "m.tsv", sep="\t", index=False)
    traits.to_csv(folder / "p.tsv", sep="\t", index=False)
    model = folder.parent / "model"
    if not model.exists():
        write_model(model)
    config = replace(
        small_config(samples, model),
        cohort=CohortConfig(
            matrix=str(folder / "m.tsv"),
            phenotypes=str(folder / "p.tsv"),
            phenotype=["drug", "mic"],
            covariates=["age"],
            groups=["lineage", "collection"],
            kinship=kinship,
        ),
        phenotype=PhenotypeConfig(**{"permutations": 199, **phenotype}),  # type: ignore[arg-type]
    )
    study = Study.create(folder / "study", config)
    run(study, until="plan")
    return study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Study:
    folder = tmp_path_factory.mktemp("phenotype") / "a"
    made = make(folder, samples, tables()[1], discovery="collection=first")
    for name in STAGE_NAMES:
        run_stage(made, STAGES[name], here, Silent())
    return made


def test_planted_feature_is_the_locus_and_lineage_features_are_not(study):
    table = study.table("phenotype_associations")
    for trait in ("drug", "mic"):
        own = table[table["phenotype"] == trait].reset_index(drop=True)
        assert len(own) == 30 and own["p"].idxmin() == 3
        top = own.loc[3]
        assert top["lineage_effect"] == "locus" and top["replicated"]
        assert top["permutation_family_p"] == pytest.approx(1 / 200)
        assert (own.loc[10:19, "lineage_effect"] == "lineage").all()
        assert (own.loc[10:19, "lineage_r2"] > 0.9).all()
        assert (own.loc[10:19, "lineage"] == "lineage L2").all()
    assert set(table.loc[table["phenotype"] == "mic", "test"]) == {"ols t"}
    drug = table[(table["phenotype"] == "drug") & (table["feature_name"] == "f3")].iloc[0]
    assert drug["test"] == "logistic lrt" and drug["ci_low"] > 0 and drug["n_case"] > 0


def test_an_unknown_phenotype_is_refused(study):
    with pytest.raises(InputError, match="no phenotype 'nosuch'; expected one of drug, mic"):
        read_inputs(study, "nosuch")


def test_p_is_that_of_least_squares_with_covariates_and_lineages(study):
    matrix, traits = tables()
    design = np.column_stack(
        [np.ones(N), traits["age"], *((traits["lineage"] == x) for x in ("L2", "L3", "L4"))]
    ).astype(float)
    values = matrix.drop(columns="sample").to_numpy(np.float32).T
    expected = ols(values, traits["mic"].to_numpy(float), design)
    table = study.table("phenotype_associations")
    found = table[table["phenotype"] == "mic"]
    assert np.allclose(found["p"], expected["p"], rtol=1e-6)


def test_calibration_says_that_inflation_means_nothing_here(study):
    table = study.table("phenotype_calibration")
    own = table[table["phenotype"] == "mic"].set_index("set")
    assert own["warning"].str.contains("inflation is uninformative here").all()
    assert own.loc["permuted within lineage", "share_below_05"] == pytest.approx(0.05, abs=0.03)
    assert own.loc["lineage not held fixed", "inflation"] > own.loc["all", "inflation"]
    assert "lineage L1 alone" in own.index
    regions = study.table("phenotype_regions")
    assert regions["feature"].tolist() == [3, 3] and (regions["p"] < 1e-6).all()
    assert {"expected", "observed"} <= set(study.table("phenotype_quantiles").columns)


def test_prediction_beside_its_baselines(study):
    table = study.table("prediction")
    own = table[(table["phenotype"] == "drug") & (table["group"] == "all")]
    held = own[own["folds"] == "lineages held out"].set_index("predictors")
    assert set(held.index) == {"covariates", "lineage", "features, value"}
    assert held.loc["features, value", "auroc"] > 0.6 > held.loc["lineage", "auroc"]
    random = own[own["folds"] == "random"].set_index("predictors")
    assert random.loc["lineage", "auroc"] > 0.6
    assert "intervals rest on 4 clusters" in held.loc["lineage", "note"]
    groups = table[(table["phenotype"] == "drug") & (table["folds"] == "lineages held out")]
    assert set(groups["group"]) == {"all", "L1", "L2", "L3", "L4"}


def test_mixed_model_of_the_stage_equals_dense_restricted_likelihood(tmp_path, samples):
    matrix, traits = tables()
    random = np.random.default_rng(9)
    markers = random.normal(size=(N, 300)) + 0.7 * (traits["lineage"] == "L2").to_numpy()[:, None]
    markers = (markers - markers.mean(axis=0)) / markers.std(axis=0)
    related = markers @ markers.T / 300
    names = traits["sample"]
    path = tmp_path / "kin.tsv"
    table = pd.DataFrame(related, index=names, columns=names)
    table.to_csv(path, sep="\t", float_format="%.17g")
    study = make(tmp_path / "a", samples, traits, str(path), model="mixed", permutations=0)
    for name in STAGE_NAMES[:2]:
        run_stage(study, STAGES[name], here, Silent())
    found = associate(study, "mic", "value")
    design = np.column_stack(
        [np.ones(N), traits["age"], *((traits["lineage"] == x) for x in ("L2", "L3", "L4"))]
    ).astype(float)
    y = traits["mic"].to_numpy(float)
    values = matrix.drop(columns="sample").to_numpy(np.float32).T.astype(float)
    for i in (0, 3, 12, 29):
        beta, se, _ = brute(values[i], y, design, related)
        row = found.associations.loc[i]
        assert row["beta"] == pytest.approx(beta, rel=1e-4, abs=1e-6), i
        assert row["se"] == pytest.approx(se, rel=1e-4), i
    assert found.associations["p"].idxmin() == 3
    drawn = found.calibration.set_index("set").loc["drawn from the mixed model"]
    assert drawn["share_below_05"] == pytest.approx(0.05, abs=0.06)


def test_candidates_of_a_ready_matrix_have_cards_but_no_place(study, tmp_path):
    run_stage(study, STAGES["biomarkers"], here, Silent())
    table = study.table("biomarkers")
    assert table["feature_name"].iloc[0] == "f3" and (table["model"].isna()).all()
    assert set(table.loc[table["feature_name"] == "f3", "evidence_tier"]) == {"B"}
    first, *pages = export(study, "biomarkers", "html", tmp_path / "cards")
    assert len(pages) == len(table) and "f3" in first.read_text()
    text = pages[0].read_text()
    assert "None is known: the burden is of a ready matrix" in text and 'id="pictures"' not in text
    (path,) = export(study, "biomarkers", "h5ad", tmp_path / "c.h5ad")
    with h5py.File(path) as file:
        names = file["var/feature_name"].asstr()[:].tolist()
        expected = tables()[0][names].to_numpy(np.float32)
        np.testing.assert_array_equal(file["X"][:], expected)
        assert "matrix" in file["uns"] and "sae" not in file["uns"]
    crate = json.loads(export(study, "biomarkers", "rocrate", tmp_path / "crate")[0].read_text())
    assert not any(e["@id"] == "#model" for e in crate["@graph"])
    with pytest.raises(InputError, match="candidates of a ready matrix have no place"):
        export(study, "biomarkers", "bed", tmp_path / "c.bed")
    part = gather_cohort(study)
    assert part is not None and part.traits[0].tests.empty and part.traits[0].tiers["B"] >= 1


@pytest.mark.parametrize(
    ("change", "settings", "sentence"),
    [
        ({"age": 50}, {}, "covariate age: is constant or a linear combination of intercept"),
        ({"age": [""] + [40] * (N - 1)}, {}, "covariate age: missing in 1 samples"),
        ({}, {"lineage": "site"}, "lineage is 'site', expected one of the groups"),
        ({}, {"discovery": "collection=third"}, "0 of 240 samples are 'third'"),
        ({}, {"discovery": "site=x"}, "discovery names the column 'site'"),
        ({}, {"components": 3}, "components is 3 but"),
        ({}, {"model": "mixed"}, "neither variants nor a kinship"),
    ],
)
def test_refusals(tmp_path, samples, change, settings, sentence):
    study = make(tmp_path / "a", samples, tables()[1].assign(**change), **settings)
    for name in STAGE_NAMES[:2]:
        run_stage(study, STAGES[name], here, Silent())
    with pytest.raises(InputError, match=sentence):
        associate(study, "drug", "value")


def test_variants_of_samples_are_counted_from_their_haplotypes():
    haplotypes = pd.DataFrame({"haplotype": [0, 1, 2], "variants": [[], ["c:5:A:T"], ["c:5:A:T", "c:9:G:C"]]})
    of_sample = np.array([[0, 0], [1, 2], [2, -1], [1, -2]])
    counts = variant_counts(haplotypes, ["c:5:A:T", "c:9:G:C"], of_sample)
    assert counts[0, [0, 1, 3]].tolist() == [0, 2, 1] and counts[1, [0, 1, 3]].tolist() == [0, 1, 0]
    assert np.isnan(counts[:, 2]).all()
