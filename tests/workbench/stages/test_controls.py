"""Controls on a model whose activations are known: what a control marks as well is never called learnt."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

import genomic_models
from feature_mining.association.verdict import Control
from tests.workbench.known_model import FAR, FEATURES, WORD, KnownModel, activations, features, write_sae
from workbench.analysis.audit.near_copies import read_copies
from workbench.analysis.sample import blocks, report_sample
from workbench.engines.local import here, run_stage
from workbench.progress import Silent
from workbench.report.context import one_mode_a_track, with_select
from workbench.report.sentences import headline
from workbench.stages.registry import STAGES
from workbench.study.config import (
    ControlConfig,
    InputConfig,
    ModelConfig,
    SAEConfig,
    SplitConfig,
    StudyConfig,
    WindowConfig,
)
from workbench.study.study import Study

pytestmark = pytest.mark.slow

LENGTH, SPACING = 90_000, 300
NOISY = 0.7
COPY, COPIES = 700, 12
STEPS = ("plan", "sae", "encode", "annotate", "overlaps", "associate", "baselines", "pick")
STEPS += ("copies", "controls")


def runs(mask: np.ndarray) -> np.ndarray:
    """Starts and ends (n, 2) of stretches of True."""
    return np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]]).astype(int))).reshape(-1, 2)


def write_bed(path: Path, marked: dict[str, np.ndarray]) -> str:
    rows = [f"c\t{a}\t{b}\tx\t0\t{s}" for s, mask in marked.items() for a, b in runs(mask)]
    path.write_text("\n".join(rows) + "\n")
    return str(path)


Marks = dict[str, dict[str, np.ndarray]]


class World(NamedTuple):
    """A genome and its annotation: labelled bases by track and strand; the study of them."""

    sequence: str
    marks: Marks
    study: Study


def turned(sequence: str) -> str:
    return sequence.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def make_sequence(random: np.random.Generator) -> tuple[str, np.ndarray]:
    """Random bases with the word planted on both strands and a segment copied; its places, bool."""
    letters = random.choice(list("ACGT"), LENGTH)
    for at in range(50, LENGTH - 50, SPACING):
        letters[at : at + 6] = list(WORD if random.random() < 0.5 else turned(WORD))
    segment, copied = letters[:COPY].copy(), np.zeros(LENGTH, bool)
    for at in np.linspace(500, LENGTH - 2 * COPY, COPIES).astype(int):
        letters[at : at + COPY], copied[at : at + COPY] = segment, True
    return "".join(letters), copied


def make_marks(sequence: str, copied: np.ndarray, random: np.random.Generator) -> Marks:
    """Tracks that a feature marks exactly, those of which 70 % are labelled, and untestable ones."""
    values = {"+": features(activations(sequence)), "-": features(activations(turned(sequence)))[::-1]}
    marks: Marks = {}
    for f, name in enumerate(FEATURES):
        marks[name] = {strand: x[:, f] > 0 for strand, x in values.items()}
        marks[f"{name}_noisy"] = {
            strand: on & (random.random(LENGTH) < NOISY) for strand, on in marks[name].items()
        }
    # G and C are so on both strands.
    for name in ("gc", "gc_noisy"):
        marks[name] = {".": marks[name]["+"]}
    del marks["pair_noisy"]
    tiles = np.arange(LENGTH) % 100 > 0
    everything = {"+": tiles, "-": ~tiles}
    few = np.isin(np.arange(LENGTH), np.linspace(100, LENGTH - 100, 12).astype(int))
    return marks | {"copied": {".": copied}, "everything": everything, "few": {"+": few}}


def run_known(folder: Path, genome: Path, tracks: list[str], **settings: Any) -> Study:
    """A study of the known model, as far as the table of tracks."""
    write_sae(folder / "sae")
    config = StudyConfig(
        input=InputConfig(genome=str(genome), tracks=tracks),
        model=ModelConfig(name="known", layer="blocks.0"),
        sae=SAEConfig(source=str(folder / "sae")),
        controls=ControlConfig(random_weights=False),
        **settings,
    )
    study = Study.create(folder / "study", config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(genomic_models, "load", lambda *args, **options: KnownModel())
        for name in STEPS:
            run_stage(study, STAGES[name], here, Silent())
    return study


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("known")
    random = np.random.default_rng(7)
    sequence, copied = make_sequence(random)
    marks = make_marks(sequence, copied, random)
    (folder / "genome.fa").write_text(f">c\n{sequence}\n")
    study = run_known(
        folder,
        folder / "genome.fa",
        [write_bed(folder / f"{name}.bed", marked) for name, marked in marks.items()],
        windows=WindowConfig(window=512, warmup=FAR + 16, batch=16),
        split=SplitConfig(train=0.2, select=0.4, report=0.4),
    )
    return World(sequence, marks, study)


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
