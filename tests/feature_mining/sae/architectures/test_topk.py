"""TopK: which pairs are active, what its gradients are, and that inference keeps k of each row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_mining.sae import kernels
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.registry import new_form
from feature_mining.sae.training.thresholds import set_thresholds
from feature_mining.sae.training.trainer import TrainConfig, Trainer
from tests.feature_mining.sae.conftest import D_IN, TRUE, Planted


def rows_of(pre: np.ndarray, k: int) -> list[dict[int, float]]:
    counts = np.zeros(len(pre), np.int64)
    indices, values = np.empty((len(pre), k), np.int32), np.empty((len(pre), k), np.float32)
    kernels.top_rows(pre, k, counts, indices, values)
    return [
        dict(zip(i[:n].tolist(), v[:n].tolist(), strict=True))
        for i, v, n in zip(indices, values, counts, strict=True)
    ]


@pytest.mark.parametrize("width", [8, 37, 200])
def test_rows_keep_what_torch_keeps(width):
    pre = torch.randn(300, width, generator=torch.Generator().manual_seed(width))
    pre[7] = -1.0
    pre[8, 3:] = -1.0
    best = pre.topk(5, dim=1)
    for got, values, places in zip(
        rows_of(pre.numpy(), 5), best.values.tolist(), best.indices.tolist(), strict=True
    ):
        expected = {i: v for i, v in zip(places, values, strict=True) if v > 0}
        assert got == pytest.approx(expected)


def test_of_equal_values_the_first_are_taken():
    pre = np.array([[1, 2, 2, 2, 3, 0, 0, 2]], np.float32)
    assert rows_of(pre, 3) == [{1: 2.0, 2: 2.0, 4: 3.0}]


def test_gradients_equal_autograd():
    g = torch.Generator().manual_seed(3)
    form = new_form("topk", Initialisation(24, 4, torch.randn(D_IN, generator=g), 2.0, g))
    form.encoder.add_(0.1 * torch.randn(24, D_IN, generator=g))
    form.b_enc.add_(0.1 * torch.randn(24, generator=g))
    x = torch.randn(64, D_IN, generator=g)
    outcome = form.gradients(x, torch.zeros(24, dtype=torch.bool))
    p = {n: t.clone().requires_grad_() for n, t in form.parameters().items()}
    codes = torch.relu((x - p["b_dec"]) @ p["encoder"].T + p["b_enc"])
    best = codes.topk(4, dim=1)
    codes = torch.zeros_like(codes).scatter(1, best.indices, best.values)
    loss = ((codes @ p["decoder"] + p["b_dec"] - x) ** 2).sum() / (64 * 2.0)
    loss.backward()
    assert outcome.mse == pytest.approx(float(loss.detach()), rel=1e-5)
    along = (p["decoder"].grad * p["decoder"]).sum(dim=1, keepdim=True) * p["decoder"]
    expected = {n: t.grad for n, t in p.items()} | {"decoder": (p["decoder"].grad - along).detach()}
    for name, tensor in form.parameters().items():
        torch.testing.assert_close(tensor.grad, expected[name], rtol=1e-4, atol=1e-6)
    sparse = {n: t.grad.clone() for n, t in form.parameters().items()}
    dense = form._dense(x, x - form.b_dec, 2 / (64 * 2.0))
    torch.testing.assert_close(dense.encoder, sparse["encoder"], rtol=1e-4, atol=1e-6)
    assert dense.active == round(outcome.l0 * 64)


def test_planted_directions_are_found_and_l0_is_k():
    source = Planted()
    result = Trainer(TrainConfig(d_sae=2 * TRUE, k=3, steps=400, batch=256, architecture="topk")).fit(source)
    sae, calibration = set_thresholds(result.sae, [next(source)])
    found = (sae.W_dec @ source.truth.T).max(dim=0).values
    assert (found > 0.9).float().mean() > 0.9
    x = next(source)
    assert (sae.encode(x) > 0).sum(dim=1).float().mean() == pytest.approx(3, rel=0.02)
    assert calibration.l0 == pytest.approx(3, rel=0.02)
    torch.testing.assert_close(sae.encode(x[10:11]), sae.encode(x)[10:11], rtol=0, atol=0)
