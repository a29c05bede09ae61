"""A whole study small enough for a test: the plasmid pPCP1 and a random model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.torch import save_file

from feature_mining.packing import Scale, rounded
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.network import StripedHyena, initialise
from tests.conftest import ROOT, made_once
from workbench.analysis.readings import STRANDS
from workbench.genome.windows import Cell
from workbench.scans.source import FileSource, Piece
from workbench.study.config import (
    ControlConfig,
    InputConfig,
    ModelConfig,
    RunConfig,
    SAEConfig,
    StatisticsConfig,
    StudyConfig,
    WindowConfig,
)
from workbench.study.study import Study


def write_model(folder: Path, seed: int = 0, context: int = 256) -> Path:
    """A random network of 4 blocks and 16 channels, as a model folder."""
    config = StripedHyenaConfig("evo2", "SDH*", 16, 2, 32, groups=4, context=context)
    network = initialise(StripedHyena(config), seed)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "model.safetensors")
    return folder


def small_config(samples: Path, model: Path, seed: int = 0) -> StudyConfig:
    """Settings under which the whole study takes seconds."""
    return StudyConfig(
        input=InputConfig(
            genome=str(samples / "yersinia_pPCP1.fa"), tracks=[str(samples / "yersinia_pPCP1.gff3")]
        ),
        model=ModelConfig(name=str(model), layer="blocks.2"),
        windows=WindowConfig(window=128, warmup=32, batch=8),
        sae=SAEConfig(width=64, k=6, tokens=16_384, batch=256, checkpoint_every=8),
        statistics=StatisticsConfig(min_intervals=2),
        controls=ControlConfig(bases=4_000),
        run=RunConfig(seed=seed, shard_bases=2_400),
    )


def run_apart(study: Study) -> None:
    """Run a study in a process of its own: what tests before did to the threads of this one changes sums."""
    command = [sys.executable, "-P", "-m", "workbench", "run", str(study.folder)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def finished_study(factory: pytest.TempPathFactory) -> Path:
    """Folder of a study of ``small_config``, run to its report; its model lies in ``tiny`` beside it.

    To be read, or copied: all tests of a run have the same one.
    """

    def make(folder: Path) -> None:
        config = small_config(ROOT / "data_samples", write_model(folder / "tiny"))
        run_apart(Study.create(folder / "done", config))

    return made_once(factory, "finished", make) / "done"


def trained_study(factory: pytest.TempPathFactory, folder: Path) -> Study:
    """A copy, as ``folder``, of a study of ``small_config`` run as far as its autoencoder."""

    def make(folder: Path) -> None:
        config = small_config(ROOT / "data_samples", write_model(folder / "tiny"))
        Study.create(folder / "study", config).run(until="sae")

    return Study.open(Path(shutil.copytree(made_once(factory, "trained", make) / "study", folder)))


def keep_readings(monkeypatch: pytest.MonkeyPatch, study: Study) -> None:
    """Have files read anew come back as the study's maps keep them, 16 bits a value, and else as they are."""
    anew = FileSource.read

    def kept(source: FileSource, cells: Sequence[Cell], strands: Sequence[str] = STRANDS) -> Iterator[Piece]:
        for piece in anew(source, cells, strands):
            for path, chrom, start, end in study.features.shards:
                if chrom == piece.cell.chrom and start <= piece.cell.start < end:
                    with h5py.File(path) as file:
                        low, shift = file["scale"][:]
                    scale = Scale(low.astype(np.uint16), shift.astype(np.uint8))
                    piece = piece._replace(features=rounded(piece.features, scale))
            yield piece

    monkeypatch.setattr(FileSource, "read", kept)
