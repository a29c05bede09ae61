"""An autoencoder of SAELens in a study, and out of it again: the same features at both ends."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from feature_mining.sae.formats import read
from feature_mining.sae.model import SparseAutoencoder
from tests.workbench.small_study import small_config, write_model
from workbench.analysis.imported_sae import source_files
from workbench.analysis.training_setup import train_config
from workbench.cli import app
from workbench.errors import InputError
from workbench.stages.baselines import STAGE as BASELINES
from workbench.stages.sae import STAGE
from workbench.study.study import Study


def saelens_folder(folder: Path, **config: object) -> dict[str, torch.Tensor]:
    """A JumpReLU of 16 to 48 with decoder rows of many norms, as that library stores it."""
    g = torch.Generator().manual_seed(3)
    tensors = {
        "W_enc": torch.randn(16, 48, generator=g),
        "b_enc": 0.1 * torch.randn(48, generator=g),
        "W_dec": 0.5 * torch.randn(48, 16, generator=g),
        "b_dec": 0.1 * torch.randn(16, generator=g),
        "threshold": 0.05 * torch.rand(48, generator=g),
    }
    folder.mkdir()
    save_file(tensors, folder / "sae_weights.safetensors")
    text = {
        "architecture": "jumprelu",
        "d_in": 16,
        "d_sae": 48,
        "dtype": "float32",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"training_architecture_details": {"k": 9}},
    }
    (folder / "cfg.json").write_text(json.dumps(text | config))
    return tensors


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_in_through_a_study_and_out_again(samples: Path, tmp_path: Path) -> None:
    t = saelens_folder(tmp_path / "theirs")
    model = write_model(tmp_path / "model")
    study = Study.create(tmp_path / "study", small_config(samples, model))
    assert "jumprelu, 16 to 48, k 9" in run("import-sae", str(tmp_path / "theirs"), "--to", str(study.folder))
    study = Study.open(study.folder)
    study.run(until="encode")
    config = train_config(study)
    assert (config.d_sae, config.k) == (48, 9)
    run("export-sae", str(study.folder), "--format", "saelens", "--out", str(tmp_path / "out"))
    x = torch.randn(200, 16, generator=torch.Generator().manual_seed(1))
    pre = ((x - t["b_dec"]).double() @ t["W_enc"].double()) + t["b_enc"]
    features = pre.relu() * (pre > t["threshold"]) * t["W_dec"].double().norm(dim=1)
    for sae in (study.sae, read(tmp_path / "out").sae):
        torch.testing.assert_close(sae.encode(x).double(), features, atol=5e-6, rtol=1e-6)
    out = load_file(tmp_path / "out" / "sae_weights.safetensors")
    torch.testing.assert_close(out["W_dec"].norm(dim=1), torch.ones(48))

    # Other bytes under the same name: the stage and what follows are due again.
    before = source_files(study)
    first = study.sae.hash
    save_file(t | {"b_enc": t["b_enc"] + 0.2}, tmp_path / "theirs" / "sae_weights.safetensors")
    assert source_files(study) != before
    assert source_files(study).items() <= STAGE.inputs(study).items()
    assert BASELINES.inputs(study) == source_files(study)
    again = Study.open(study.folder)
    again.run(until="sae")
    assert Study.open(study.folder).sae.hash != first


def test_a_transcoder_is_no_features_of_a_study(samples: Path, tmp_path: Path) -> None:
    t = saelens_folder(
        tmp_path / "theirs", architecture="jumprelu_transcoder", d_out=16, apply_b_dec_to_input=False
    )
    converted = tmp_path / "converted"
    assert "writes 16" in run("import-sae", str(tmp_path / "theirs"), "--to", str(converted))
    assert SparseAutoencoder.load(converted).config.d_out == t["b_dec"].numel()
    config = small_config(samples, write_model(tmp_path / "model"))
    config = replace(config, sae=replace(config.sae, source=str(converted)))
    with pytest.raises(InputError, match="a transcoder or an autoencoder with a skip"):
        Study.create(tmp_path / "study", config).run(until="sae")
