"""Training: recovery of a planted dictionary, reproducibility, resume, clear errors."""

from __future__ import annotations

from itertools import islice, repeat
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_mining.sae.calibrate import calibrate
from feature_mining.sae.training.scaling import measure_scaling
from feature_mining.sae.training.trainer import TrainConfig, Trainer, default_learning_rate
from tests.feature_mining.sae.conftest import ACTIVE, D_IN, TRUE, Planted

CONFIG = TrainConfig(d_sae=TRUE, k=ACTIVE, steps=30, batch=256)


def test_a_planted_dictionary_is_found() -> None:
    config = TrainConfig(d_sae=2 * TRUE, k=ACTIVE, steps=400, batch=256)
    source = Planted()
    result = Trainer(config).fit(source)
    best = (source.truth @ result.sae.W_dec.T).max(dim=1).values
    assert float(best.mean()) > 0.95
    assert result.finished and result.steps == 400 and result.tokens == 400 * 256
    held_out = list(islice(Planted(seed=1), 8))
    sae, _ = calibrate(result.sae, held_out[:4])
    fresh = torch.cat(held_out[4:])
    assert sae.encode_sparse(fresh).indices.size / len(fresh) == pytest.approx(ACTIVE, rel=0.02)
    left = (fresh - sae.decode(sae.encode(fresh))).square().sum()
    assert float(left / (fresh - fresh.mean(0)).square().sum()) < 0.15


def test_one_seed_gives_one_set_of_bytes() -> None:
    first, again = (Trainer(CONFIG).fit(Planted()) for _ in range(2))
    assert first.sae.hash == again.sae.hash and first.history == again.history
    other = TrainConfig(d_sae=TRUE, k=ACTIVE, steps=30, batch=256, seed=1)
    assert Trainer(other).fit(Planted()).sae.hash != first.sae.hash


@pytest.mark.parametrize("stop_at", [4, 10, 17])
def test_resume_is_bit_exact(tmp_path: Path, stop_at: int) -> None:
    straight = Trainer(CONFIG).fit(Planted())
    path = tmp_path / "state.safetensors"
    done: list[int] = []
    stopped = Trainer(CONFIG).fit(
        Planted(),
        progress=lambda step, metrics: done.append(step),
        checkpoint=path,
        checkpoint_every=7,
        should_stop=lambda: len(done) == stop_at,
    )
    assert not stopped.finished and stopped.steps == stop_at
    # Before the tenth step there is nothing to go on from, and the run starts afresh.
    assert path.exists() == (stop_at >= 10)
    resumed = Trainer(CONFIG).fit(Planted(), checkpoint=path)
    assert resumed.sae.hash == straight.sae.hash
    assert resumed.history == straight.history and resumed.final_mse == straight.final_mse
    finished = Trainer(CONFIG).fit(Planted(), checkpoint=path)
    assert finished.sae.hash == straight.sae.hash
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]


def test_checkpoints_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    Trainer(CONFIG).fit(Planted(), checkpoint=path)
    other = TrainConfig(d_sae=TRUE, k=2, steps=30, batch=256)
    with pytest.raises(ValueError, match=r"another configuration \(differs in k\)"):
        Trainer(other).fit(Planted(), checkpoint=path)
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:])
    with pytest.raises(ValueError, match=r"not a checkpoint of SAE training \(its values are not those"):
        Trainer(CONFIG).fit(Planted(), checkpoint=path)
    path.write_bytes(whole[:100])
    with pytest.raises(ValueError, match="not a checkpoint of SAE training"):
        Trainer(CONFIG).fit(Planted(), checkpoint=path)
    with pytest.raises(ValueError, match="needs a source with state_dict"):
        Trainer(CONFIG).fit(iter([torch.zeros(2, 2)]), checkpoint=path)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (torch.zeros(256, D_IN), "all zero"),
        (torch.full((256, D_IN), 1.7), "the same at every position"),
        (torch.full((256, D_IN), torch.nan), "NaN or infinite"),
        (torch.zeros(256), r"shape \(256,\); expected \(batch, d_in\)"),
    ],
)
def test_activations_without_content_are_refused(batch: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trainer(CONFIG).fit(repeat(batch))


def test_nan_in_the_middle_and_an_early_end_are_reported() -> None:
    good = list(islice(Planted(), 12))
    with pytest.raises(ValueError, match="NaN or infinite"):
        Trainer(CONFIG).fit(iter([*good, torch.full((256, D_IN), torch.nan)]))
    with pytest.raises(ValueError, match="the source ended after 12 of 30 batches"):
        Trainer(CONFIG).fit(iter(good))
    with pytest.raises(ValueError, match="the source ended after 5 of 30 batches"):
        Trainer(CONFIG).fit(iter(good[:5]))


def test_scaling_by_hand() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 5.0], [5.0, 0.0], [300.0, 400.0]])
    scaling = measure_scaling([rows])
    # Median norm 5, so the last row is shortened from 500 to 50: (30, 40).
    assert scaling.longest == 50.0
    square = (25 + 25 + 25 + 2500) / 4
    assert scaling.scale == pytest.approx((2 / square) ** 0.5)
    np.testing.assert_allclose(scaling.mean / scaling.scale, [9.5, 12.25], rtol=1e-6)
    spread = square - 9.5**2 - 12.25**2
    assert scaling.variance == pytest.approx(spread * scaling.scale**2)
    x, clipped = scaling.apply(rows)
    assert clipped == 1
    np.testing.assert_allclose(x[3] / scaling.scale, [30, 40], rtol=1e-6)


def test_outliers_are_counted() -> None:
    batches = list(islice(Planted(), 30))
    for batch in batches[::2]:
        batch[5] *= 1000
    result = Trainer(CONFIG).fit(iter(batches))
    assert result.clipped == 15


def test_rates_and_window() -> None:
    config = TrainConfig(d_sae=2048, k=32, steps=1000)
    assert config.peak_rate(256) == 8e-3
    assert default_learning_rate(64, 2048, 2048, 1000) == 1.6e-2
    assert default_learning_rate(1024, 2048, 128, 4000) == pytest.approx(1e-3)
    assert default_learning_rate(4096, 2**14, 4096, 10**9) == pytest.approx(2e-4)
    assert config.share(0) == pytest.approx(1 / 50)
    assert config.share(49) == config.share(500) == config.share(800) == 1
    assert config.share(900) == pytest.approx(1 / 2)
    assert config.share(999) == pytest.approx(1 / 200)
    assert config.window == 102_400
    assert TrainConfig(d_sae=8, k=1, steps=3).window == 2048
    assert TrainConfig(d_sae=8, k=1, steps=10**6).window == 10_000_000
