"""Controls on a model whose activations are known: what a control marks as well is never called learnt."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from feature_mining.association.verdict import Control
from tests.workbench.known_model import FAR, FEATURES, activations, features
from tests.workbench.known_world import LENGTH, World, known_world, run_known, turned
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.sample import blocks, report_sample
from workbench.report.context import one_mode_a_track, with_select
from workbench.report.sentences import headline

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return known_world(tmp_path_factory)


@pytest.fixture(scope="module")
def tracks(world: World) -> pd.DataFrame:
    return world.study.table("tracks").set_index(["track", "mode"])


@pytest.mark.parametrize(
    ("track", "mode", "control"),
    [
        ("gc", "any", "composition"),
        ("word", "same", "composition"),
        ("word", "any", "composition"),
        ("neuron", "same", "neuron"),
        ("neuron", "any", "neuron"),
        ("direction", "same", "pca"),
        ("direction", "any", "pca"),
    ],
)
def test_what_a_control_marks_exactly_is_never_learnt(tracks, track, mode, control):
    for name in (track, f"{track}_noisy"):
        row = tracks.loc[(name, mode)]
        assert row["feature"] == FEATURES.index(track) and row["q"] < 0.05, row
        assert row["verdict"] == Control(control).verdict, row
        assert name != track or row[f"margin_{control}"] < 0.01, row


def test_what_no_control_marks_is_learnt(tracks):
    for mode in ("same", "any"):
        row = tracks.loc[("pair", mode)]
        assert row["verdict"] == "learnt" and row["feature"] == FEATURES.index("pair")
        assert row["rule"] == "lift and q pass; not run: random weights"
        assert row["margin"] > 0.1
    assert tracks.loc[("pair", "opposite"), "verdict"] == "not distinguishable"


@pytest.mark.parametrize(
    ("track", "why"),
    [
        ("copied", "near copies of all of it"),
        ("everything", "no base of the track, or no other"),
        ("few", "fewer than 8 intervals in the report sample"),
    ],
)
def test_what_cannot_be_judged_is_not_tested(tracks, track, why):
    rows = tracks.loc[track]
    rows = rows.loc[["any"]] if track == "everything" else rows
    assert set(rows["verdict"]) == {"not tested"}
    assert rows["rule"].str.contains(why).all(), rows["rule"].tolist()


def test_lifts_are_those_of_scikit_learn_on_every_base(world, tracks):
    study = world.study
    letters = {"+": world.sequence, "-": turned(world.sequence)}
    x = {strand: activations(text) for strand, text in letters.items()}
    x["-"] = x["-"][::-1]
    drawn = report_sample(study)
    kept = np.zeros(LENGTH, bool)
    for cell, weight in drawn:
        assert weight == 1
        kept[cell.start : cell.end] = True
    kept &= ~read_copies(study).masks["c"]
    use = {s: kept & (np.arange(LENGTH) >= FAR + 16) for s in "+-"}
    use["-"] = kept & (np.arange(LENGTH) < LENGTH - FAR - 16)
    for track, mode in (("neuron", "same"), ("neuron_noisy", "any"), ("gc_noisy", "any")):
        label, value, neuron = [], [], []
        row = tracks.loc[(track, mode)]
        for s in "+-":
            marks = world.marks[track]
            own = marks[s] if mode == "same" else np.any(list(marks.values()), axis=0)
            label.append(own[use[s]])
            value.append(np.maximum(features(x[s])[use[s], int(row["feature"])], 0))
            neuron.append(row["neuron_sign"] * x[s][use[s], int(row["neuron"])])
        y = np.concatenate(label)
        rate = y.mean()
        assert row["sample_base_rate"] == pytest.approx(rate)
        for name, scores in (("sample", value), ("neuron", neuron)):
            precision = average_precision_score(y, np.concatenate(scores))
            expected = (precision - rate) / (1 - rate)
            assert row[f"{name}_ap_lift"] == pytest.approx(expected, abs=1e-4), (track, name)


def test_blocks_are_as_long_as_leaves_enough_of_them(world):
    drawn = report_sample(world.study)
    number = blocks(drawn)
    size = 4_096
    assert {number[d.cell.chrom, d.cell.start] for d in drawn} == set(range(max(number.values()) + 1))
    assert len({d.cell.start // size for d in drawn}) == max(number.values()) + 1
    far = [d._replace(cell=d.cell._replace(start=16_384 * i)) for i, d in enumerate(drawn[:16])]
    assert blocks(far) == {("c", 16_384 * i): i for i in range(16)}


def test_lambda_is_too_small_to_judge_and_says_so(shared, tmp_path):
    """48.5 kb with the default windows: two thirds of it are read, and no track is judged."""
    phage = shared / "data" / "phage"
    genes = str(phage / "NC_001416_lambda.gbk")
    study = run_known(tmp_path, phage / "NC_001416.1.fasta", [genes])
    used = sum(block.interval.size for block in study.manifest.split)
    assert used > 0.65 * 48_502
    tracks = study.table("tracks")
    assert set(tracks["verdict"]) == {"not tested"} and "CDS" in set(tracks["track"])
    assert not tracks[[c.low for c in Control if c.low in tracks]].notna().any(axis=None)
    shown = one_mode_a_track(with_select(tracks, study.table("associations")))
    assert headline(SimpleNamespace(shown=shown)).startswith("Too small to judge: none of ")
