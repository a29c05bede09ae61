"""Studies of a network of one's own and of a model of words: ends of windows, quality without a next base."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genomic_models.activations import read_activations
from tests.conftest import ROOT
from tests.workbench.small_study import small_config
from workbench.analysis.quality_table import gather_quality, quality_lines
from workbench.engines.local import processes, run
from workbench.engines.shards import plan_work
from workbench.errors import InputError
from workbench.experiments.registry import as_stage
from workbench.experiments.targets import parse_target
from workbench.progress import Silent
from workbench.study.config import ModelConfig
from workbench.study.planning import planned_grid
from workbench.study.study import Study
from workbench.study.trust import accept, risky_model

CODE = """
from pathlib import Path
import torch
from genomic_models import ModuleModel, Outputs

Path(__file__).with_name("ran").touch()


def build():
    first = torch.nn.Conv1d(4, 12, 9, padding=4)
    return torch.nn.Sequential(first, torch.nn.ReLU(), torch.nn.Conv1d(12, 3, 5, padding=2))


def model():
    torch.manual_seed(0)
    return ModuleModel(build, build().state_dict(), ["1"], Outputs("classes", ("exon", "intron", "neither")))
"""


def made(folder: Path, model: ModelConfig) -> Study:
    config = replace(small_config(ROOT / "data_samples", Path("mini")), model=model)
    study = Study.create(folder / "study", config)
    if found := risky_model(study.config.model):
        accept(study.folder, found)
    return study


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study of a network from a file, run by a worker process as far as its quality and features."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "net.py").write_text(CODE)
    study = made(folder, ModelConfig(name=f"file:{folder / 'net.py'}", trust_remote_code=True))
    run(study, processes(1), until="encode")
    return Study.open(study.folder)


def test_no_process_runs_the_code_of_a_study_that_was_sent(
    own: Study, tmp_path: Path, cli: Any, refused: Any
) -> None:
    """It was accepted elsewhere: neither the driver, nor its workers, nor a task of a job lets it run."""
    copy, ran = tmp_path / "sent", own.folder.with_name("ran")
    shutil.copytree(own.folder, copy)
    ran.unlink()
    assert cli("embed", copy, "--later")[0] == 0
    assert "workbench trust" in refused("experiments", copy, "--run", "embeddings", "--workers", 2)
    assert "workbench trust" in refused("shard", copy, "--stage", "experiments/embeddings", "--shard", "0/1")
    sent_on = Study.open(copy)
    outcome = processes(1)(sent_on, plan_work(sent_on, as_stage(sent_on, "embeddings")), Silent())
    assert outcome.made == 0 and "workbench trust" in outcome.failed[0]
    assert not ran.exists()


def test_every_base_has_full_context_on_both_sides(own: Study) -> None:
    """Features of a stretch that many cells cover are those of one reading of it with its surroundings."""
    assert own.manifest.windows["lookahead"] == own.grid.lookahead == own.grid.warmup == 32
    (chrom, length), *_ = own.manifest.contigs.items()
    start, end = length // 3, length // 3 + 400
    for strand in "+-":
        (whole,) = read_activations(
            own.model, own.layer, [own.genome.fetch(chrom, start - 50, end + 50, strand)]
        )
        expected = own.sae.encode(whole[50:-50]).numpy()
        found = own.features.rows(chrom, start, end, strand)
        assert found.callable.all()
        rows = found.features
        dense = np.zeros(expected.shape, np.float32)
        dense[np.repeat(np.arange(end - start), np.diff(rows.indptr)), rows.indices] = rows.values
        np.testing.assert_allclose(dense if strand == "+" else dense[::-1], expected, atol=2e-3)


def test_quality_is_the_divergence_of_what_is_said(own: Study) -> None:
    facts = own.facts("quality")
    bits = facts["bits"]
    assert math.isnan(bits["clean"]) and math.isnan(bits["sae"])
    assert 0 < bits["kl_sae"] < bits["kl_mean"]
    assert facts["shift"]["after_warmup"]["activation"] < 1e-5
    lines = {line.name: line.value for line in quality_lines(gather_quality(own))}
    assert lines["divergence (KL)"] == f"{bits['kl_sae']:.3g} bits" and "bits a base" not in lines


@pytest.mark.parametrize("strand", ["+", "-"])
def test_an_output_is_asked_for_by_name(own: Study, strand: str) -> None:
    """With as much context behind the place as before it, on either strand's reading."""
    (chrom, _), *_ = own.manifest.contigs.items()
    asked = parse_target(own, f"{chrom}:1001-1003=intron")
    assert asked.title == f"intron at {chrom}:1,001-1,003"
    letters, before, target = asked.read(own, strand, 50)
    assert (letters, before) == (own.genome.fetch(chrom, 950, 1053, strand).upper(), 50)
    forward = own.model.forward([letters])
    expected = float(forward.logits[0, 50:53, 1].sum())
    assert float(target.value(own.model, forward)) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(InputError, match="expected one of the model's classes, exon, intron, neither"):
        parse_target(own, f"{chrom}:1001=donor")


def test_a_window_without_a_middle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE)
    study = made(tmp_path, ModelConfig(name=f"file:{tmp_path / 'net.py'}", trust_remote_code=True))
    study.config = replace(study.config, windows=replace(study.config.windows, warmup=64))
    with pytest.raises(InputError, match="warmup 64 must be less than half of window 128"):
        planned_grid(study, study.model)


def test_a_masked_model_of_words(tmp_path: Path) -> None:
    """6-mers with special tokens on both sides: through the autoencoder and its quality."""
    pytest.importorskip("transformers", reason="the extra `hf` is not installed")
    from benchmarks.networks.published import write_checkpoint

    folder = write_checkpoint("Nucleotide Transformer v1", tmp_path / "nt")
    study = made(tmp_path, ModelConfig(name=f"hf:{folder}", layer="blocks.1"))
    study.run(until="quality")
    bits = Study.open(study.folder).facts("quality")["bits"]
    assert math.isnan(bits["clean"]) and bits["kl_sae"] > 0 and bits["bases"] > 1000
