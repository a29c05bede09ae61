"""Passports: frozen on one split, tested on the other, over seeds; what the catalog says of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import average_precision_score

from feature_mining.sae.model import SparseAutoencoder
from tests.workbench.experiments.test_steer import some_written
from tests.workbench.small_study import finished_study
from workbench.analysis import training_setup
from workbench.analysis.rival import face_rival
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments import passport
from workbench.experiments.prompts import choose_prompts
from workbench.experiments.registry import create_experiment, open_experiment
from workbench.experiments.response import CONTROLS, FEATURE, freeze
from workbench.experiments.settings import PassportSettings
from workbench.export import export
from workbench.files.parquet import read_parquet, write_parquet
from workbench.progress import Silent
from workbench.study.passports import Causal, read_passports, with_causal
from workbench.study.study import Study


def test_the_hypothesis_is_what_stands_furthest_beyond_its_best_control() -> None:
    weak, strong = some_written({FEATURE: 0.02}), some_written({FEATURE: -0.3, CONTROLS[0]: -0.1})
    both = weak.assign(weak=weak["response"], strong=strong["response"], still=0.0)
    frozen = freeze(both, ["weak", "strong", "still"])
    assert (frozen.readout, frozen.sign, frozen.strength) == ("strong", -1, 2.0)
    # By hand: paired differences over prompts.
    means = strong.groupby(["arm", "strength", "prompt"])["response"].mean()
    apart = -(means[FEATURE, 2.0] - means[CONTROLS[0], 2.0])
    assert frozen.select_t == pytest.approx(apart.mean() / apart.sem())
    # What a control does as well is no hypothesis worth having.
    same = some_written({FEATURE: 0.3, CONTROLS[1]: 0.3})
    assert freeze(same.assign(same=same["response"]), ["same"]).select_t < 3


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([(3, 24, True), (5, 24, True), (7, 24, True)], Causal.PASSED),
        ([(3, 24, True), (5, 24, True), (7, 24, False)], Causal.FAILED),
        ([(3, 24, True), (5, 24, True), (-1, 0, False)], Causal.FAILED),
        ([(3, 24, True), (5, 0, False), (7, 24, True)], Causal.NOT_TESTED),
        ([(3, 24, False), (5, 0, False), (7, 24, True)], Causal.FAILED),
        ([(3, 0, False), (-1, 0, False), (-1, 0, False)], Causal.NOT_TESTED),
    ],
)
def test_what_no_judge_read_is_not_failed(seeds: list[tuple[int, int, bool]], said: Causal) -> None:
    rows = [dict(zip(("sae_feature", "prompts", "steers"), seed, strict=True)) for seed in seeds]
    assert passport._verdict(rows) == said


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A finished study, the same autoencoder as that of a second seed, and another one as that of a third."""
    folder = tmp_path_factory.mktemp("passport") / "study"
    shutil.copytree(finished_study(tmp_path_factory), folder)
    study = Study.open(folder)
    seeds = [folder / "sae", folder / "sae" / "seed-1", folder / "sae" / "seed-2"]
    for other in seeds[1:]:
        study.sae.save(other)
        study.calibration.save(other)
    random = torch.Generator().manual_seed(0)
    rows = study.sae.W_dec + 2 * study.sae.W_dec.std() * torch.randn(study.sae.W_dec.shape, generator=random)
    replace(study.sae, W_dec=rows / rows.norm(dim=1, keepdim=True)).save(seeds[2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passport, "seed_folders", lambda study: seeds)
        yield study


def quick(study: Study) -> PassportSettings:
    return PassportSettings(
        strengths=[1.0, 3.0], prompts=2, prompt=60, length=30, copies=1,
        features=[int(f) for f in study.dictionary.unit.argsort(descending=True)[:2]],
    )  # fmt: skip


@pytest.fixture(scope="module")
def answered(study: Study) -> Study:
    create_experiment(study, "tested", "passport", quick(study))
    run_experiment(study, "tested")
    return study


def test_a_hypothesis_is_tested_on_the_other_split_and_every_seed(answered: Study) -> None:
    settings = quick(answered)
    asked = open_experiment(answered, "tested")
    written, table = (read_parquet(asked.folder / f"{name}.parquet") for name in ("written", "passports"))
    assert list(table["feature"]) == [f for f in settings.features for _ in range(3)]
    assert list(table["sae_seed"]) == [0, 1, 2] * 2
    places = {
        split: {str(p.place) for p in choose_prompts(answered, settings, split)}
        for split in ("select", "report")
    }
    assert not places["select"] & places["report"]
    for split, of_split in written[written["arm"].notna()].groupby("split"):
        assert set(of_split["place"]) == places[split]
    others = SparseAutoencoder.load(answered.folder / "sae" / "seed-2").W_dec
    for feature, own in table.groupby("feature"):
        frozen = freeze(
            written[(written["of"] == feature) & (written["split"] == "select")], settings.readouts
        )
        tested = written[(written["of"] == feature) & (written["split"] == "report")]
        assert set(tested["strength"].dropna()) == {0.0, frozen.strength}
        assert set(own["readout"]) == {frozen.readout} and set(own["sign"]) == {frozen.sign}
        # The autoencoder of the second seed is a copy of the own one: the same feature, the same answer.
        first, second, third = (row for _, row in own.iterrows())
        assert second["sae_feature"] == feature and second["cosine"] == pytest.approx(1)
        assert second["effect"] == first["effect"] and second["win_rate"] == first["win_rate"]
        row = answered.sae.W_dec[int(str(feature))]
        best = float((others @ row / (others.norm(dim=1) * row.norm())).max())
        assert third["cosine"] <= best + 1e-6
        assert (third["sae_feature"] >= 0) == (third["cosine"] >= 0.7)
        passed = bool(own["steers"].all())
        assert set(own["causal"]) == {Causal.PASSED if passed else Causal.FAILED}
    page = (asked.folder / "page.html").read_text()
    assert "Hypothesis: added at strength" in page and answered.sae_hash in page


def test_the_rival_is_scored_as_scikit_learn_would(answered: Study) -> None:
    feature = quick(answered).features[0]
    marked = {feature: ("CDS", "any")}
    found = face_rival(answered, marked, Silent()).iloc[0]
    # All cells of so small a split are in the sample, so that the split can be read by itself.
    cells = answered.split.cells(answered.grid, answered.manifest.contigs, "report")
    assert found["track"] == "CDS"
    values, labels = [], []
    intervals = next(t for t in answered.tracks if t.name == "CDS").intervals
    for cell in cells:
        for strand in "+-":
            rows = answered.features.rows(cell.chrom, cell.start, cell.end, strand)
            dense = rows.features.dense()[:, feature]
            place = np.arange(cell.start, cell.end)
            inside = np.zeros(len(place), bool)
            for interval in intervals.itertuples():
                inside |= (place >= interval.start) & (place < interval.end)
            values.append(dense[rows.callable])
            labels.append(inside[rows.callable])
    expected = average_precision_score(np.concatenate(labels), np.concatenate(values))
    assert found["feature_ap"] == pytest.approx(expected, abs=2e-3)
    assert found["margin"] == pytest.approx(found["feature_ap"] - found["rival_ap"])
    assert found["margin_low"] <= found["margin"] <= found["margin_high"]


def test_the_catalog_says_the_worst_and_only_of_its_own_autoencoder(answered: Study, tmp_path: Path) -> None:
    settings = quick(answered)
    said = read_passports(answered.folder, answered.sae_hash)
    assert sorted(said["feature"]) == sorted(settings.features)
    catalog = with_causal(answered.table("catalog"), answered.folder, answered.sae_hash)
    rest = catalog[~catalog["feature"].isin(settings.features)]
    assert set(rest["causal"]) == {"not tested"} and set(rest["causal_readout"]) == {""}
    assert set(with_causal(answered.table("catalog"), answered.folder, "other")["causal"]) == {"not tested"}
    path = export(answered, "catalog", "tsv", tmp_path / "catalog.tsv")[0]
    exported = pd.read_csv(path, sep="\t").set_index("feature")
    assert list(exported.loc[said["feature"], "causal"]) == list(said["causal"])
    # Tested twice, with another outcome: what failed once has not passed.
    table = read_parquet(answered.folder / "experiments" / "tested" / "passports.parquet")
    again = answered.folder / "experiments" / "again"
    for first, second in (("passed", "failed"), ("failed", "passed")):
        again.mkdir(exist_ok=True)
        write_parquet(
            answered.folder / "experiments" / "tested" / "passports.parquet", table.assign(causal=first)
        )
        write_parquet(again / "passports.parquet", table.assign(causal=second))
        assert set(read_passports(answered.folder, answered.sae_hash)["causal"]) == {"failed"}
    write_parquet(again / "passports.parquet", table.drop(columns="sign"))
    with pytest.raises(InputError, match=r"again/passports\.parquet: has no column sign; run the experiment"):
        read_passports(answered.folder, answered.sae_hash)
    shutil.rmtree(again)
    write_parquet(answered.folder / "experiments" / "tested" / "passports.parquet", table)


def test_a_study_of_one_seed_and_a_split_without_room_are_refused(
    answered: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="in the select split have"):
        create_experiment(answered, "wrong", "passport", replace(quick(answered), prompts=400))
    with pytest.raises(InputError, match="no column of numbers 'none'"):
        create_experiment(answered, "wrong", "passport", replace(quick(answered), readouts=["stops.none"]))
    monkeypatch.setattr(passport, "seed_folders", training_setup.seed_folders)
    with pytest.raises(InputError, match="autoencoders of 1 seed; a passport takes 3"):
        create_experiment(answered, "wrong", "passport", quick(answered))
    assert not (answered.folder / "experiments" / "wrong").exists()
