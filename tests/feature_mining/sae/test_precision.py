"""bfloat16: every architecture learns on the dense path that a GPU takes, and keeps float32 weights."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import torch

from feature_mining.sae.architectures.batch_topk import BatchTopK
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.registry import ARCHITECTURES, new_form
from feature_mining.sae.training.thresholds import set_thresholds
from feature_mining.sae.training.trainer import TrainConfig, Trainer
from tests.feature_mining.sae.architectures.test_architectures import Mapped
from tests.feature_mining.sae.conftest import ACTIVE, D_IN, TRUE, Planted

AUTO = sorted(name for name, kind in ARCHITECTURES.items() if kind.centred)
CONFIG = TrainConfig(2 * TRUE, ACTIVE, 120, 256, precision="bfloat16")
SEEDS = 2


@pytest.fixture(autouse=True)
def dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU computes, on the CPU."""
    monkeypatch.setattr(BatchTopK, "_sparse", BatchTopK._dense)


@pytest.mark.parametrize(("architecture", "tied"), [*((name, False) for name in AUTO), ("batch_topk", True)])
def test_bfloat16_finds_what_float32_finds(architecture: str, tied: bool) -> None:
    # A window of one batch: the auxiliary loss takes part all the time.
    half = replace(CONFIG, architecture=architecture, tied=tied, dead_window=256)
    configs = [replace(half, seed=seed) for seed in range(SEEDS)]
    configs += [replace(config, precision="float32") for config in configs]
    results = Trainer(*configs).fit_all(Planted())
    cosines = [(Planted().truth @ r.sae.W_dec.T).max(dim=1).values.mean() for r in results]
    found, exact = torch.stack(cosines[:SEEDS]), torch.stack(cosines[SEEDS:])
    assert float(found.mean()) > float(exact.mean()) - 0.03 and not torch.equal(found, exact)
    l0 = [set_thresholds(r.sae, list(islice(Planted(seed=1), 2)))[1].l0 for r in results[::SEEDS]]
    assert l0[0] == pytest.approx(l0[1], rel=0.15)


@pytest.mark.parametrize("architecture", AUTO)
def test_gradients_are_float32_and_near_those_of_float32(architecture: str) -> None:
    g = torch.Generator().manual_seed(1)
    x = next(Planted()) * 2
    dead = torch.zeros(2 * TRUE, dtype=torch.bool)
    dead[:5] = True
    grads = []
    for half in (True, False):
        form = new_form(architecture, Initialisation(2 * TRUE, ACTIVE, x.mean(0), 12.0, g.manual_seed(1)))
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            form.gradients(x, dead)
        grads.append({n: p.grad for n, p in form.parameters().items()})
    for name, grad in grads[0].items():
        assert grad is not None and grad.dtype == torch.float32
        exact = grads[1][name]
        assert exact is not None
        assert float((grad - exact).norm()) <= 0.1 * float(exact.norm()), name


@pytest.mark.parametrize("name", ["transcoder", "skip_transcoder"])
def test_transcoders_in_bfloat16(name: str) -> None:
    linear = 0.2 if name == "skip_transcoder" else 0.0
    config = replace(CONFIG, architecture=name, steps=300, sites=(D_IN, 20))
    sae = Trainer(config).fit(Mapped(20, linear)).sae
    sae, _ = set_thresholds(sae, [x for x, _ in islice(Mapped(20, linear, seed=1), 2)])
    x, y = next(Mapped(20, linear, seed=2))
    left = (y - sae.reconstruct(x)).square().sum() / (y - y.mean(0)).square().sum()
    assert float(left) < 0.4
