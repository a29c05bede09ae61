"""Steering: what is summarised, against counts by hand; arms that differ by their edit alone; refusals."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from feature_mining.edits.apply import Applied
from feature_mining.edits.edit import Ablate, Push, Steer
from feature_mining.edits.passes import run
from feature_mining.edits.plan import EditPlan
from genomic_models.generation import Sampling
from tests.workbench.small_study import finished_study
from workbench.engines.local import run_experiment
from workbench.errors import InputError
from workbench.experiments.arms import panel_of, write_same_gc
from workbench.experiments.damage import natural_cells, read_damage, side_effects
from workbench.experiments.registry import create_experiment, open_experiment
from workbench.experiments.response import CONTROLS, FEATURE, UNEDITED, summarise, win_rate
from workbench.experiments.steer import SteerSettings
from workbench.files.parquet import read_parquet
from workbench.genome.windows import read_sequence
from workbench.progress import Silent
from workbench.study.study import Study

CONTIG = "NC_005816.1"


def some_written(effects: dict[str, float], prompts: int = 24) -> pd.DataFrame:
    """Responses with a given effect an arm, noise of 0.01 and prompts that differ."""
    random = np.random.default_rng(0)
    rows = []
    for prompt in range(prompts):
        base = random.normal(0.5, 0.2)
        for arm in (UNEDITED, FEATURE, *CONTROLS):
            for strength in (0.0,) if arm == UNEDITED else (1.0, 2.0):
                effect = effects.get(arm, 0.0) * strength
                rows.append((7, arm, strength, prompt, base + effect + random.normal(0, 0.01), 0.5))
    return pd.DataFrame(rows, columns=["feature", "arm", "strength", "prompt", "response", "gc"])


NO_DAMAGE = pd.DataFrame(
    [(7, UNEDITED, 0.0, "c:0-9", "+", 1.9), (7, FEATURE, 1.0, "c:0-9", "+", 2.0)],
    columns=["feature", "arm", "strength", "place", "strand", "response"],
)


def test_the_best_control_decides() -> None:
    assert win_rate(np.array([1.0, 2, 3, 0]), np.array([[0, 0, 0, 0.0], [2, 1, 3, 1]])) == (0.375, 1)
    found = summarise(some_written({FEATURE: 0.3, "same GC": 0.1}), NO_DAMAGE, 1, 0)
    own = found[found["arm"] == FEATURE].set_index("strength")
    assert own.loc[2.0, "best_control"] == "same GC" and own.loc[2.0, "win_rate"] == 1
    assert own.loc[1.0, "effect"] == pytest.approx(0.3, abs=0.01)
    assert own.loc[1.0, "effect_low"] < own.loc[1.0, "effect"] < own.loc[1.0, "effect_high"]
    assert own["steers"].all() and own.loc[1.0, "damage"] == pytest.approx(0.1)
    assert np.isnan(own.loc[2.0, "damage"])
    # A readout that a judge could not give says nothing, and for nobody.
    holes = some_written({FEATURE: 0.3})
    holes.loc[holes["prompt"] < 4, "response"] = np.nan
    own = summarise(holes, NO_DAMAGE, 1, 0)
    assert own[own["arm"] == FEATURE]["prompts"].tolist() == [20, 20]
    assert own[own["arm"] == FEATURE]["steers"].all()
    # A control that does as much takes the claim away, and so does the other direction.
    for effects, sign in (({FEATURE: 0.3, "random direction": 0.3}, 1), ({FEATURE: 0.3}, -1), ({}, 1)):
        own = summarise(some_written(effects), NO_DAMAGE, sign, 0)
        assert not own[own["arm"] == FEATURE]["steers"].any()


def test_a_push_is_as_long_as_the_steering_that_it_controls(folder: Path) -> None:
    study = Study.open(folder)
    dictionary = study.dictionary
    feature = int(dictionary.unit.argmax())
    sequence = study.genome.fetch(CONTIG, 100, 160)
    layer = study.layer
    x = study.model.forward([sequence], taps=[layer]).taps[layer]
    moved = {}
    for edit in (Steer(layer, feature, 2.0), Push(layer, feature, 2.0), Push(layer, feature, 2.0, seed=1)):
        applied = Applied([EditPlan((edit,))], {layer: dictionary})
        moved[edit] = run(study.model, [sequence], applied, [layer]).taps[layer] - x
        assert applied.acted[edit][0] == len(sequence)
    steered, pushed, other = (each[0] for each in moved.values())
    assert torch.allclose(steered.norm(dim=1), pushed.norm(dim=1), rtol=1e-3)
    # One direction for all bases, another with another seed.
    directions = [each / each.norm(dim=1, keepdim=True) for each in (steered, pushed, other)]
    assert torch.allclose(directions[1], directions[1][:1].expand_as(pushed), atol=1e-3)
    assert abs(float(directions[1][0] @ directions[2][0])) < 0.99
    edit = Push(layer, feature, 2.0, seed=3)
    assert EditPlan.from_json(EditPlan((edit,)).to_json()).edits == (edit,)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a finished study."""
    copy = tmp_path_factory.mktemp("steering") / "study"
    shutil.copytree(finished_study(tmp_path_factory), copy)
    return copy


def quick(study: Study) -> SteerSettings:
    units = study.dictionary.unit
    return SteerSettings(
        features=[int(units.argmax())], strengths=[1.0, 3.0], prompts=2, prompt=60, length=30, copies=1,
        readout="stops.plus_1",
    )  # fmt: skip


def test_judges_are_given_the_studys_genome_and_annotation(folder: Path) -> None:
    panel = panel_of(Study.open(folder), ["codon_usage.cai", "stops.plus_1", "composition.distance"])
    assert list(panel.ready) == ["codon_usage", "stops", "composition"]


def test_arms_differ_by_their_edit_alone(folder: Path) -> None:
    study = Study.open(folder)
    settings = quick(study)
    create_experiment(study, "steered", "steer", settings)
    run_experiment(study, "steered")
    asked = open_experiment(study, "steered")
    written = read_parquet(asked.folder / "written.parquet")
    assert set(written["arm"]) == {UNEDITED, FEATURE, *CONTROLS}
    assert (written["written"].str.len() == settings.length).all()
    assert len(written) == 2 * (1 + 5 * 2)
    # Read by hand: share of codons in frame that are stops.
    for row in written.itertuples():
        codons = [row.written[i : i + 3] for i in range(0, settings.length, 3)]
        assert row.response == pytest.approx(sum(c in ("TAA", "TAG", "TGA") for c in codons) / len(codons))
    gc = written.groupby(["strength", "arm"])["gc"].mean()
    for strength in settings.strengths:
        assert gc[strength, "same GC"] == pytest.approx(gc[strength, FEATURE], abs=0.04)
    responses = read_parquet(asked.folder / "responses.parquet")
    assert len(responses) == 1 + 5 * 2
    page = (asked.folder / "page.html").read_text()
    assert "Side effects of the feature by track" in page
    assert "does not steer" in page or "steers at strength" in page
    assert study.sae_hash in page
    # Again, in the same words.
    create_experiment(study, "again", "steer", settings)
    run_experiment(study, "again")
    again = read_parquet(open_experiment(study, "again").folder / "written.parquet")
    assert list(again["written"]) == list(written["written"])


def test_what_is_held_to_a_gc_is_held_in_every_piece(folder: Path) -> None:
    model = Study.open(folder).model
    # All G and C in the first piece, none in the second, half in the last.
    texts = ["GCGCGCGCGC" + "AT" * 10 + "GATCGATC", "CCCCCCCCCC" + "TA" * 10 + "ACGTACGT"]
    sampling, told = Sampling(seed=5), list[int]()
    found = write_same_gc(model, ["ACGT" * 5, "TTGA" * 5], texts, [10, 30, 38], sampling, told.append)
    assert [len(text) for text in found] == [38, 38] and sum(told) == 2 * 38
    for text in found:
        gc = [sum(base in "GC" for base in text[start:end]) for start, end in ((0, 10), (10, 30), (30, 38))]
        assert gc[0] >= 9 and gc[1] <= 1 and 3 <= gc[2] <= 5
    assert found == write_same_gc(model, ["ACGT" * 5, "TTGA" * 5], texts, [10, 30, 38], sampling, told.append)


def test_what_is_ablated_to_its_mean_has_that_of_all_readings(folder: Path) -> None:
    study = Study.open(folder)
    sums, bases = np.zeros(study.sae_config.d_sae), 0
    for strand in "+-":
        rows = study.features.rows(CONTIG, 0, study.manifest.contigs[CONTIG], strand)
        sums += rows.features.dense()[rows.callable].sum(axis=0, dtype=np.float64)
        bases += int(rows.callable.sum())
    mean = study.dictionary.mean
    assert mean is not None
    np.testing.assert_allclose(mean.numpy(), sums / bases, rtol=1e-4)
    feature = int(mean.argmax())
    plan = EditPlan((Ablate(study.layer, feature, "mean"),))
    x = run(study.model, ["ACGTACGTTT"], Applied([plan], {study.layer: study.dictionary}), [study.layer])
    untouched = study.model.forward(["ACGTACGTTT"], taps=[study.layer]).taps[study.layer]
    own = study.sae.encode(untouched[0])[:, feature]
    moved = (x.taps[study.layer] - untouched)[0] @ study.sae.W_dec[feature]
    torch.testing.assert_close(moved, mean[feature] - own, rtol=1e-3, atol=1e-4)


def test_side_effects_are_those_of_the_bases_of_each_track(folder: Path) -> None:
    study = Study.open(folder)
    feature = int(study.dictionary.unit.argmax())
    settings = replace(quick(study), strengths=[2.0])
    found = read_damage(study, settings, feature, Silent())
    assert {"", "CDS", "gene"} <= set(found["track"]) <= {"", *(t.name for t in study.tracks)}
    cell = natural_cells(study)[0]
    place = f"{cell.chrom}:{cell.start}-{cell.end}"
    genes = next(t for t in study.tracks if t.name == "CDS").intervals
    inside = np.zeros(cell.end - cell.start, bool)
    for gene in genes.itertuples():
        inside[max(0, gene.start - cell.start) : max(0, gene.end - cell.start)] = True
    for strand in "+-":
        letters, skip, _ = read_sequence(study.genome, study.grid, cell, strand)
        # By hand: the feature's row, twice its unit long, is added to the layer.
        row = 2.0 * study.dictionary.unit[feature] * study.sae.W_dec[feature]
        costs, features = {}, {}
        for arm, push in ((UNEDITED, 0 * row), (FEATURE, row)):
            edits = {study.layer: lambda x, context, push=push: x + push}
            forward = study.model.forward([letters], taps=[study.layer], edits=edits)
            logs = forward.logits[0, :-1].log_softmax(-1)
            nats = -logs[torch.arange(len(letters) - 1), torch.tensor(list(letters.encode()))[1:]]
            own = np.append(np.nan, nats.numpy() / np.log(2))[skip:]
            costs[arm] = own if strand == "+" else own[::-1]
            features[arm] = study.sae.encode(forward.taps[study.layer][0, skip:])
        mine = found[(found["place"] == place) & (found["strand"] == strand)].set_index(["arm", "track"])
        for arm, own in costs.items():
            assert mine.loc[(arm, ""), "response"] == pytest.approx(np.nanmean(own), rel=1e-4)
            within = own[inside & np.isfinite(own)]
            assert mine.loc[(arm, "CDS"), "bases"] == len(within)
            assert mine.loc[(arm, "CDS"), "response"] == pytest.approx(within.mean(), rel=1e-4)
        others = [i for i in range(study.sae_config.d_sae) if i != feature]
        apart = (features[FEATURE] - features[UNEDITED])[:, others].abs().sum()
        moved = float(apart / features[UNEDITED][:, others].sum())
        assert mine.loc[(FEATURE, ""), "moved"] == pytest.approx(moved, rel=1e-3)
        assert mine.loc[(UNEDITED, ""), "moved"] == 0
    effects = side_effects(found).set_index(["arm", "track"])
    sums = found[found["track"] == "CDS"].assign(bits=lambda t: t["response"] * t["bases"])
    means = sums.groupby("arm")["bits"].sum() / sums.groupby("arm")["bases"].sum()
    assert effects.loc[(FEATURE, "CDS"), "bits"] == pytest.approx(means[FEATURE] - means[UNEDITED])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features": []}, "no feature or no strength"),
        ({"features": [999]}, "expected a number from 0 to 63"),
        ({"strengths": [float("nan")]}, "strength nan: expected a finite number above 0"),
        ({"prompt": 20}, "no room for the edit at a shifted place"),
        ({"track": "nothing"}, "track 'nothing' has no interval; expected one of"),
        ({"prompts": 500}, "500 prompts are asked for"),
        ({"readout": "stops"}, "expected JUDGE.COLUMN"),
        ({"readout": "stops.none"}, "judge stops has no column of numbers 'none'"),
        ({"readout": "stops.open_strand"}, "no column of numbers 'open_strand'"),
        ({"copies": 0}, "copies 0 must be at least 1"),
        ({"readout": "nobody.x"}, "there is no judge 'nobody'"),
        ({"expect": "other"}, "expected one of more, less"),
    ],
)
def test_what_cannot_be_asked_is_refused(folder: Path, change: dict[str, object], said: str) -> None:
    study = Study.open(folder)
    with pytest.raises(InputError, match=said):
        create_experiment(study, "wrong", "steer", replace(quick(study), **change))  # type: ignore[arg-type]
    assert not (folder / "experiments" / "wrong").exists()
