"""A cache of activations, and autoencoders of several layers off one pass, as a user asks for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from feature_mining.sae.model import SparseAutoencoder
from feature_mining.sae.training.cache import ActivationCache, cache_bytes
from feature_mining.sae.training.trainer import Trainer
from genomic_models.activations import read_activations
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.analysis.activations import StrandWindows, other_layers, training_stream
from workbench.analysis.training_setup import train_cells, train_config
from workbench.cli import app
from workbench.errors import InputError
from workbench.progress import Silent
from workbench.stages.registry import STAGES
from workbench.study.config import ActivationConfig, read_config


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("layers") / "model")


def made(samples: Path, model: Path, folder: Path, seeds: int = 1, **asked: object) -> Study:
    config = small_config(samples, model)
    config = replace(config, sae=replace(config.sae, tokens=4096, seeds=seeds))
    return Study.create(folder, replace(config, activations=ActivationConfig(**asked)))  # type: ignore[arg-type]


def test_a_cache_changes_no_byte_and_is_read_again(
    samples: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = made(samples, model, tmp_path / "plain", seeds=2)
    plain.run(until="sae")
    kept = made(samples, model, tmp_path / "kept", seeds=2, cache=True)
    kept.run(until="sae")
    assert kept.sae.hash == plain.sae.hash
    second = SparseAutoencoder.load(kept.folder / "sae" / "seed-1")
    assert second.hash == SparseAutoencoder.load(plain.folder / "sae" / "seed-1").hash
    cache = ActivationCache(kept.folder / "activations")
    windows = StrandWindows(kept.genome, kept.grid, train_cells(kept)[0])
    assert cache.windows["chrom"].tolist() == [place.chrom for place in windows.places]
    on_disk = sum(p.stat().st_size for p in (kept.folder / "activations").glob("*.npy"))
    assert 0 <= on_disk - cache_bytes(cache.rows, 16) < 1024
    # A row is the model's, at the base that it says.
    (rows,) = read_activations(kept.model, kept.layer, [windows[5].sequence])
    assert torch.allclose(cache.read(5), rows[windows[5].skip :], atol=1e-5)
    # Another width is trained without asking the model about the training cells again.
    before = {p: p.stat().st_mtime_ns for p in (kept.folder / "activations").iterdir()}
    asked: list[int] = []
    monkeypatch.setattr(
        "feature_mining.sae.training.site_source.read_sites", lambda *a: asked.append(1) or []
    )
    text = (kept.folder / "study.toml").read_text()
    (kept.folder / "study.toml").write_text(text.replace("width = 64", "width = 48"))
    (kept.folder / "sae" / "training.safetensors").unlink()
    again = Study.open(kept.folder)
    again.run(until="sae")
    assert again.sae.config.d_sae == 48 and not asked
    assert {p: p.stat().st_mtime_ns for p in (kept.folder / "activations").iterdir()} == before


def test_layers_of_one_pass_are_those_of_studies_of_their_own(
    samples: Path, model: Path, tmp_path: Path
) -> None:
    study = made(samples, model, tmp_path / "many", layers=["blocks.1", "blocks.2", "blocks.3"])
    study.run(until="layers")
    assert other_layers(study) == ["blocks.1", "blocks.3"], "the study's own layer is trained already"
    table = study.table("layers")
    assert table["layer"].tolist() == ["blocks.2", "blocks.1", "blocks.3"]
    assert table["folder"].tolist() == ["sae", "layers/blocks.1", "layers/blocks.3"]
    assert table["l0"].between(4, 9).all() and (table["explained_variance"] < 1).all()
    config = small_config(samples, model)
    for layer in ("blocks.1", "blocks.3"):
        alone = Study.create(
            tmp_path / layer,
            replace(config, model=replace(config.model, layer=layer), sae=replace(config.sae, tokens=4096)),
        )
        alone.run(until="sae")
        sae = SparseAutoencoder.load(study.folder / "layers" / layer)
        assert sae.config.layer == layer and sae.config.sites == ()
        # The pass goes further than the layer, which rounds its activations no other way.
        assert torch.allclose(sae.W_dec, alone.sae.W_dec, atol=1e-4)
    done = CliRunner().invoke(app, ["export-sae", str(study.folder / "layers" / "blocks.3"),
                                    "--format", "saelens", "--out", str(tmp_path / "out")])  # fmt: skip
    assert done.exit_code == 0, done.output


def test_the_cache_serves_all_layers(samples: Path, model: Path, tmp_path: Path) -> None:
    study = made(samples, model, tmp_path / "both", layers=["blocks.1", "blocks.3"], cache=True)
    streamed = made(samples, model, tmp_path / "streamed", layers=["blocks.1", "blocks.3"])
    for each in (study, streamed):
        each.run(until="plan")
    windows = StrandWindows(study.genome, study.grid, train_cells(study)[0])
    config = train_config(study, study.model)
    for layers in ([study.layer], ["blocks.1", "blocks.3"]):
        ways = [
            training_stream(s, s.model, layers, windows, 256, config.seed, Silent())
            for s in (study, streamed)
        ]
        for _ in range(3):
            cached, direct = (next(way) for way in ways)
            whole = torch.cat(direct, dim=1) if isinstance(direct, tuple) else direct
            assert torch.allclose(cached, whole, atol=1e-5)
    assert ActivationCache(study.folder / "activations").width == 48
    assert STAGES["layers"].wanted(study) and STAGES["layers"].inputs(study)
    with pytest.raises(ValueError, match="part 2 of 2 sites"):
        Trainer(replace(config, sites=(16, 16), part=2))


def test_one_process_reads_a_cache(samples: Path, model: Path, tmp_path: Path) -> None:
    config = small_config(samples, model)
    asked = replace(config, run=replace(config.run, trainers=2), activations=ActivationConfig(cache=True))
    with pytest.raises(InputError, match="a cache is read by one process"):
        Study.create(tmp_path / "two", asked)
    study = made(samples, model, tmp_path / "one")
    assert "[activations]" in (study.folder / "study.toml").read_text()
    assert read_config(study.folder / "study.toml").activations == ActivationConfig()
