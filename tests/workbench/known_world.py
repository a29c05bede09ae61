"""A study of the known model on a genome whose annotation its features mark exactly; simulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import genomic_models
from tests.conftest import made_once
from tests.workbench.known_model import FAR, FEATURES, WORD, KnownModel, activations, features, write_sae
from workbench.engines.local import here, run_stage
from workbench.progress import Silent
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


def known_world(factory: pytest.TempPathFactory) -> World:
    """The world, its study as far as the table of tracks; made once, to be read."""
    random = np.random.default_rng(7)
    sequence, copied = make_sequence(random)
    marks = make_marks(sequence, copied, random)

    def make(folder: Path) -> None:
        (folder / "genome.fa").write_text(f">c\n{sequence}\n")
        run_known(
            folder,
            folder / "genome.fa",
            [write_bed(folder / f"{name}.bed", marked) for name, marked in marks.items()],
            windows=WindowConfig(window=512, warmup=FAR + 16, batch=16),
            split=SplitConfig(train=0.2, select=0.4, report=0.4),
        )

    study = Study.open(made_once(factory, "known_world", make) / "study")
    study.model = KnownModel()
    return World(sequence, marks, study)
