"""The autoencoder stage: architectures, several seeds off one stream, stop and continuation."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from feature_mining.sae.architectures.registry import ARCHITECTURES
from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.source import ShuffledActivations
from feature_mining.sae.training.trainer import Trainer
from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench.analysis.activations import StrandWindows
from workbench.analysis.joint_training import Share
from workbench.analysis.training_setup import seed_folders, train_cells, train_config
from workbench.errors import InputError
from workbench.study.config import SAE_ARCHITECTURES, SAE_PENALISED, StudyConfig, read_config
from workbench.study.study import Study


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("sae_stage") / "model")


def made(samples: Path, model: Path, folder: Path, seed: int = 0, **sae: object) -> Study:
    config = small_config(samples, model)
    config = replace(config, run=replace(config.run, seed=seed))
    config = replace(config, sae=replace(config.sae, **sae))  # type: ignore[arg-type]
    return Study.create(folder, config)


@pytest.fixture(scope="module")
def alone(samples: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """One autoencoder of 16 steps; to be read, or copied."""
    study = made(samples, model, tmp_path_factory.mktemp("alone") / "study", tokens=4096)
    study.run(until="sae")
    return study


# Steps enough to be stopped in the middle.
LONG = {"tokens": 256 * 500, "checkpoint_every": 100}


@pytest.fixture(scope="module")
def straight(samples: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Trained without a stop."""
    study = made(samples, model, tmp_path_factory.mktemp("straight") / "study", **LONG)
    study.run(until="sae")
    return study


class Joined:
    """The batches of two processes, put together."""

    def __init__(self, parts: list[ShuffledActivations]) -> None:
        self.parts = parts

    def __iter__(self) -> Joined:
        return self

    def __next__(self) -> torch.Tensor:
        return torch.cat([next(part) for part in self.parts])


def test_two_trainers_with_a_model_each_are_one_with_their_batches(
    samples: Path, model: Path, tmp_path: Path
) -> None:
    config = small_config(samples, model)
    config = replace(config, run=replace(config.run, trainers=2))
    study = Study.create(tmp_path / "two", replace(config, sae=replace(config.sae, tokens=4096)))
    study.run(until="sae")
    windows = StrandWindows(study.genome, study.grid, train_cells(study)[0])
    parts = [
        ShuffledActivations(study.model, study.layer, Share(windows, rank, 2), 128, study.batch, seed=0)
        for rank in (0, 1)
    ]
    met = sorted(w.sequence for part in parts for w in part.windows)
    assert met == sorted(w.sequence for w in windows)
    alone = Trainer(train_config(study, study.model)).fit(Joined(parts))
    sae = alone.sae
    assert torch.allclose(study.sae.W_dec, sae.W_dec, atol=1e-4)
    assert torch.allclose(study.sae.W_enc, sae.W_enc, atol=1e-4)
    history = study.facts("training")["history"]
    assert [h["mse"] for h in history] == pytest.approx([h["mse"] for h in alone.history], rel=1e-4)
    refused = replace(config, sae=replace(config.sae, batch=255, tokens=4096))
    with pytest.raises(InputError, match="trainers 2 must divide"):
        Study.create(tmp_path / "odd", refused)


def test_seeds_are_those_of_studies_of_their_own(
    samples: Path, model: Path, tmp_path: Path, alone: Study
) -> None:
    study = made(samples, model, tmp_path / "three", seeds=3, tokens=4096)
    study.run(until="sae")
    folders = seed_folders(study)
    assert [f.relative_to(study.folder).as_posix() for f in folders] == ["sae", "sae/seed-1", "sae/seed-2"]
    saes = [SparseAutoencoder.load(folder) for folder in folders]
    assert len({sae.hash for sae in saes}) == 3
    assert [sae.config.provenance["seed"] for sae in saes] == [0, 1, 2]
    assert all(Calibration.load(f).l0 == pytest.approx(6, rel=0.02) for f in folders)
    facts = study.facts("training")
    assert len(facts["seeds"]) == 2 and facts["seeds"][1]["steps"] == 16
    assert alone.sae.hash == saes[0].hash and seed_folders(alone) == [alone.folder / "sae"]


@pytest.mark.parametrize("architecture", ["matryoshka", "jump_relu", "relu_l1", "gated"])
def test_every_architecture_makes_a_study(
    samples: Path, model: Path, tmp_path: Path, architecture: str
) -> None:
    tied = architecture == "matryoshka"
    study = made(samples, model, tmp_path / "s", architecture=architecture, tied=tied, tokens=8192)
    study.run(until="sae")
    sae = study.sae
    assert sae.config.architecture == architecture
    if tied:
        assert float((sae.W_enc.T - sae.W_dec).abs().max()) < 1e-6
    if architecture in ("matryoshka", "jump_relu"):
        assert study.calibration.l0 == pytest.approx(6, rel=0.02)


def test_after_a_changed_k_the_advice_is_to_train_anew(alone: Study, tmp_path: Path) -> None:
    study = Study.open(Path(shutil.copytree(alone.folder, tmp_path / "s")))
    former = study.sae.hash
    text = (study.folder / "study.toml").read_text()
    assert text.count("\nk = 6") == 1
    (study.folder / "study.toml").write_text(text.replace("\nk = 6", "\nk = 5"))
    advice = rf"began with other settings \(k\); train anew with `workbench run {study.folder} --force sae`"
    with pytest.raises(InputError, match=advice):
        Study.open(study.folder).run(until="sae")
    again = Study.open(study.folder)
    assert again.sae.hash == former  # nothing was lost by trying
    again.run(until="sae", force="sae")
    assert Study.open(study.folder).sae.config.k == 5


def test_the_names_in_study_toml_are_those_of_the_registry() -> None:
    one_layer = {name for name, kind in ARCHITECTURES.items() if kind.centred}
    assert set(SAE_ARCHITECTURES) == one_layer
    assert set(SAE_PENALISED) == {n for n, kind in ARCHITECTURES.items() if kind.penalised}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('architecture = "wishful"', "architecture is 'wishful', expected one of batch_topk"),
        ("l1 = 0.1", "l1 0.1 has no meaning for architecture batch_topk, whose sparsity is k"),
        ("l1 = -1.0", r"l1 -1.0 must be at least 0"),
        ("seeds = 0", "seeds 0 must be at least 1"),
        ("tied = 1", "tied is 1, expected bool"),
        ('precision = "float8"', "precision is 'float8', expected one of float32, bfloat16"),
        ("learning_rate = -0.1", "learning_rate -0.1 must be at least 0"),
        ("checkpoint_every = 0", "checkpoint_every 0 must be at least 1"),
    ],
)
def test_keys_are_checked(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(f'[input]\ngenome = "g.fa"\n[sae]\n{line}\n')
    with pytest.raises(InputError, match=message):
        read_config(path)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 85), (signal.SIGINT, 130)])
def test_a_polite_stop_goes_on_to_the_same_bytes(
    samples: Path, model: Path, straight: Study, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    study = made(samples, model, tmp_path / "stopped", **LONG)
    root = ROOT
    code = "from workbench.cli import main; main()"
    command = [sys.executable, "-c", code, "run", str(study.folder), "--until", "sae"]
    run = subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoint = study.folder / "sae" / "training.safetensors"
    deadline = time.monotonic() + 60
    while not checkpoint.exists():
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.002)
    run.send_signal(number)
    said = run.communicate()[1].splitlines()
    assert run.returncode == status
    assert said[-1] == "workbench: stopped; run the same command again to go on"
    with safe_open(checkpoint, "pt") as file:
        step = json.loads(file.metadata()["training"])["runs"][0]["numbers"]["step"]
    # Due were 100, 200, ...: this checkpoint was written because of the signal.
    assert 100 < step < 500 and step % 100
    assert not (study.folder / "sae" / "config.json").exists()
    Study.open(study.folder).run(until="sae")
    assert Study.open(study.folder).sae.hash == straight.sae.hash


def test_others_may_read_what_they_may_read_of_other_files(
    samples: Path, model: Path, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        study = made(samples, model, tmp_path / "study", seeds=2)
        study.run(until="sae")
    finally:
        os.umask(before)
    modes = {p.name: p.stat().st_mode & 0o777 for p in study.folder.rglob("*") if p.is_file()}
    assert {"sae.safetensors", "training.safetensors", "manifest.json"} <= set(modes)
    assert set(modes.values()) == {0o640}, modes


def test_defaults_make_one_batch_topk() -> None:
    sae = StudyConfig().sae
    assert (sae.architecture, sae.seeds, sae.tied, sae.l1) == ("batch_topk", 1, False, 0.0)


def test_a_train_split_of_less_than_a_batch_is_refused(samples, model, tmp_path):
    config = small_config(samples, model)
    config = replace(config, sae=replace(config.sae, tokens=200_000, batch=100_000))
    study = Study.create(tmp_path / "study", config)
    with pytest.raises(InputError, match=r"readings of bases, fewer than one batch of 100,000; use"):
        study.run(until="sae")
