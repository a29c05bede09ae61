"""Concepts against tracks on the known world: single features as the study has them, sums by scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from feature_mining.concepts.concept import Concept
from feature_mining.feature_map import from_dense
from tests.workbench.known_model import FEATURES
from tests.workbench.known_world import World, known_world
from workbench.analysis.controls import sampled
from workbench.analysis.naming import coefficients, levels, name_concepts, with_evidence
from workbench.analysis.sample import report_sample
from workbench.errors import InputError
from workbench.progress import Silent
from workbench.study.concepts import measured, resolve
from workbench.study.study import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return known_world(tmp_path_factory)


@pytest.fixture(scope="module")
def concepts(world: World) -> list[Concept]:
    singles = [resolve(world.study, str(feature)) for feature in range(len(FEATURES))]
    return [*singles, measured(world.study, "both", {0: 1.0, 4: -0.5}, "")]


@pytest.fixture(scope="module")
def named(world: World, concepts: list[Concept]) -> pd.DataFrame:
    return name_concepts(world.study, concepts, Silent())


def test_single_features_get_what_the_study_gave_them(world: World, named: pd.DataFrame) -> None:
    tracks = world.study.table("tracks").set_index(["track", "mode"])
    assert list(named["name"][:5]) == [f"feature {f}" for f in range(5)]
    for feature, row in named[:5].iterrows():
        assert row["track"] == FEATURES[feature]
        own = tracks.loc[row["track"], row["mode"]]
        assert own["feature"] == feature and row["verdict"] == own["verdict"]
        for column in ("sample_ap_lift", "composition_ap_lift", "margin_neuron_low", "margin_pca_high"):
            assert row[column] == pytest.approx(own[column], abs=1e-6), column
        assert row["sample_intervals"] == own["sample_intervals"] and row["q"] < 0.05
    learnt = named[named["verdict"] == "learnt"]
    assert list(learnt["track"]) == ["pair"]
    # Only what stands above all else is read on the shuffled genome.
    assert set(named.index[named["shuffled_ap_lift"].notna()]) == set(learnt.index)
    own = tracks.loc["pair", learnt["mode"].iloc[0]]
    assert learnt["shuffled_ap_lift"].iloc[0] == pytest.approx(own["shuffled_ap_lift"], abs=1e-6)


def test_the_lift_of_a_sum_is_that_of_scikit_learn(
    world: World, concepts: list[Concept], named: pd.DataFrame
) -> None:
    study, row = world.study, named.iloc[5]
    units = study.dictionary.unit.numpy()
    found, labels = [], []
    for drawn in report_sample(study):
        chrom, start, end, _ = drawn.cell
        for strand in "+-":
            stored = study.features.rows(chrom, start, end, strand)
            marks = world.marks[row["track"]]
            own = marks[strand] if row["mode"] == "same" else np.any(list(marks.values()), axis=0)
            relative = stored.features.dense()[:, [0, 4]] / units[[0, 4]]
            found.append((relative @ [1.0, -0.5])[stored.callable])
            labels.append(own[start:end][stored.callable])
    kept = ~sampled(study, "copied")
    y, score = np.concatenate(labels)[kept], np.concatenate(found)[kept]
    assert row["mode"] in ("same", "any")
    precision, rate = average_precision_score(y, score), y.mean()
    assert row["sample_ap_lift"] == pytest.approx((precision - rate) / (1 - rate), abs=1e-4)
    assert row["lift_low"] < row["sample_ap_lift"] < row["lift_high"]


def test_the_verdict_is_kept_with_the_concept(concepts: list[Concept], named: pd.DataFrame) -> None:
    kept = with_evidence(concepts, named)[4]
    assert kept.evidence.verdict == "learnt" and kept.evidence.track == "pair"
    assert kept.evidence.lift == named["sample_ap_lift"][4]
    assert Concept.from_json(kept.to_json()) == kept


def test_what_is_never_active_on_select_is_not_tested(world: World) -> None:
    falling = Concept("falls", world.study.layer, {0: -1.0}, 1.0)
    (row,) = name_concepts(world.study, [falling], Silent()).to_dict("records")
    assert (row["track"], row["verdict"]) == ("", "not tested")
    assert str(with_evidence([falling], pd.DataFrame([row]))[0].evidence) == "not tested"


def test_levels_are_those_of_the_concepts(concepts: list[Concept]) -> None:
    units = np.array([1.0, 2, 4, 0, 5])
    activations = np.abs(np.random.default_rng(0).normal(size=(20, 5))).astype(np.float32)
    found = levels(from_dense(activations), coefficients(concepts, units))
    for column, concept in enumerate(concepts):
        assert found[:, column] == pytest.approx(concept.level(activations, units), abs=1e-5)


def test_a_study_without_its_work_files_is_refused(world: World, tmp_path: Path) -> None:
    bare = Study(tmp_path, world.study.config)
    with pytest.raises(InputError, match=r"without its work files.* --force annotate"):
        name_concepts(bare, [], Silent())
