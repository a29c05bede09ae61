"""bfloat16: every architecture learns on the dense path that a GPU takes, and keeps float32 weights."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import torch

from feature_mining.sae.batch_topk import BatchTopK
from feature_mining.sae.registry import ARCHITECTURES, start
from feature_mining.sae.settle import settle
from feature_mining.sae.start import Start
from feature_mining.sae.trainer import TrainConfig, Trainer

from .conftest import ACTIVE, D_IN, TRUE, Planted
from .test_variants import Mapped

AUTO = sorted(name for name, kind in ARCHITECTURES.items() if kind.centred)
CONFIG = TrainConfig(2 * TRUE, ACTIVE, 200, 256, precision="bfloat16")


@pytest.fixture(autouse=True)
def dense(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU computes, on the CPU."""
    monkeypatch.setattr(BatchTopK, "_sparse", BatchTopK._dense)


@pytest.mark.parametrize(
    ("architecture", "tied"), [*((name, False) for name in AUTO), ("batch_topk", True)]
)
def test_bfloat16_finds_what_float32_finds(architecture: str, tied: bool) -> None:
    # A window of one batch: the auxiliary loss takes part all the time.
    half = replace(CONFIG, architecture=architecture, tied=tied, dead_window=256)
    configs = [replace(half, seed=seed) for seed in range(3)]
    configs += [replace(config, precision="float32") for config in configs]
    results = Trainer(*configs).fit_all(Planted())
    cosines = [(Planted().truth @ r.sae.W_dec.T).max(dim=1).values.mean() for r in results]
    found, exact = torch.stack(cosines[:3]), torch.stack(cosines[3:])
    assert float(found.mean()) > float(exact.mean()) - 0.03 and not torch.equal(found, exact)
    settled = [settle(r.sae, list(islice(Planted(seed=1), 2)))[1].l0 for r in results[::3]]
    assert settled[0] == pytest.approx(settled[1], rel=0.15)


@pytest.mark.parametrize("architecture", AUTO)
def test_gradients_are_float32_and_near_those_of_float32(architecture: str) -> None:
    g = torch.Generator().manual_seed(1)
    x = next(Planted()) * 2
    dead = torch.zeros(2 * TRUE, dtype=torch.bool)
    dead[:5] = True
    grads = []
    for half in (True, False):
        form = start(architecture, Start(2 * TRUE, ACTIVE, x.mean(0), 12.0, g.manual_seed(1)))
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
    sae, _ = settle(sae, [x for x, _ in islice(Mapped(20, linear, seed=1), 2)])
    x, y = next(Mapped(20, linear, seed=2))
    left = (y - sae.reconstruct(x)).square().sum() / (y - y.mean(0)).square().sum()
    assert float(left) < 0.4
