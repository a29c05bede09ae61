"""Hand-written gradients against autograd; selection against a full sort."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_mining.sae.architectures.batch_topk import BatchTopK
from feature_mining.sae.architectures.initial_weights import Initialisation
from feature_mining.sae.architectures.objective import AUX_WEIGHT, auxiliary
from feature_mining.sae.architectures.registry import new_form


def fresh(seed: int = 0, d: int = 12, m: int = 50, k: int = 4) -> tuple[BatchTopK, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(300, d, generator=g) + 0.3
    weights = BatchTopK(Initialisation(m, k, x.mean(0), 11.0, g))
    weights.b_enc += 0.1 * torch.randn(m, generator=g)
    weights.encoder += 0.1 * torch.randn(m, d, generator=g)
    return weights, x


def reference(weights: BatchTopK, x: torch.Tensor) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients by autograd in float64, dense, with a full sort."""
    p = {n: t.double().requires_grad_() for n, t in weights.parameters().items()}
    pre = ((x.double() - p["b_dec"]) @ p["encoder"].T + p["b_enc"]).relu()
    cut = pre.flatten().sort(descending=True).values[len(x) * weights.k - 1]
    error = (pre * (pre >= cut)) @ p["decoder"] + p["b_dec"] - x
    loss = error.square().sum() / (len(x) * weights.variance)
    loss.backward()
    grads = {n: t.grad for n, t in p.items() if t.grad is not None}
    unit = p["decoder"].detach()
    grads["decoder"] = grads["decoder"] - (grads["decoder"] * unit).sum(1, keepdim=True) * unit
    return float(loss.detach()), grads


def test_gradients_are_those_of_autograd() -> None:
    weights, x = fresh()
    loss, expected = reference(weights, x)
    outcome = weights.gradients(x, torch.zeros(50, dtype=torch.bool))
    assert outcome.mse == pytest.approx(loss, rel=1e-5)
    assert outcome.l0 == 4.0 and outcome.aux == 0.0
    for name, parameter in weights.parameters().items():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad.double(), expected[name], rtol=1e-4, atol=1e-6)


def test_dense_and_sparse_paths_agree() -> None:
    weights, x = fresh(1)
    centred = x - weights.b_dec
    sparse, dense = weights._sparse(x, centred, 0.1), weights._dense(x, centred, 0.1)
    for a, b in zip(sparse[:4], dense[:4], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert sparse.squared_error == pytest.approx(dense.squared_error, rel=1e-6)
    assert sparse.active == dense.active == 1200
    assert sparse.cut == pytest.approx(dense.cut, rel=1e-6)
    assert torch.equal(sparse.fired, dense.fired)


def test_selection_does_not_depend_on_the_first_guess() -> None:
    weights, x = fresh(2)
    first = weights._select(x - weights.b_dec)
    for guess in (weights._last_cut, 0.1, 1e9):
        weights._last_cut = guess
        again = weights._select(x - weights.b_dec)
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)


def test_equal_values_at_the_cut_are_taken_in_order() -> None:
    weights, _ = fresh(3)
    same = torch.ones(10, 12)
    pairs = weights._select(same)
    assert pairs.values.size == 40 and pairs.indptr[-1] == 40
    weights.b_enc.fill_(-100.0)
    assert weights._select(same).values.size == 0


def test_auxiliary_gradients_are_those_of_autograd() -> None:
    weights, x = fresh(4)
    residual = torch.randn(300, 12, generator=torch.Generator().manual_seed(5))
    centred = x - weights.b_dec
    for rows in (torch.arange(20), torch.arange(3)):
        parts = [t[rows].double().requires_grad_() for t in (weights.encoder, weights.b_enc, weights.decoder)]
        codes = (centred.double() @ parts[0].T + parts[1]).relu()
        if len(rows) > 6:
            kept = codes.topk(6, dim=1).indices
            codes = codes * torch.zeros_like(codes).scatter(1, kept, 1.0)
        spread = (residual - residual.mean(0)).double().square().sum()
        loss = (codes @ parts[2] - residual).square().sum() / spread
        (loss * AUX_WEIGHT * min(1, len(rows) / 6)).backward()
        own = auxiliary(residual, centred, weights.encoder[rows], weights.b_enc[rows], weights.decoder[rows])
        assert own.loss == pytest.approx(float(loss.detach()), rel=1e-5)
        for mine, theirs in zip((own.encoder, own.bias, own.decoder), parts, strict=True):
            assert theirs.grad is not None
            torch.testing.assert_close(mine.double(), theirs.grad, rtol=1e-3, atol=1e-7)


def test_dead_features_get_a_gradient() -> None:
    weights, x = fresh(6)
    weights.b_enc[7] = -50.0
    weights.b_enc[9] = -1.0
    weights.encoder[9] *= 0.01
    dead = torch.zeros(50, dtype=torch.bool)
    dead[[7, 9]] = True
    outcome = weights.gradients(x, dead)
    assert outcome.aux > 0 and not outcome.fired[7]
    weights.b_enc[9] = 1.0
    weights.gradients(x, dead)
    assert weights.encoder.grad is not None and float(weights.encoder.grad[9].norm()) > 0


def test_unknown_architecture_and_k_are_refused() -> None:
    given = Initialisation(4, 2, torch.zeros(3), 1.0, torch.Generator())
    with pytest.raises(ValueError, match="unknown SAE architecture 'wishful'; expected one of batch_topk"):
        new_form("wishful", given)
    with pytest.raises(ValueError, match="k 5 must lie between 1 and the 4 features"):
        new_form("batch_topk", given._replace(k=5))
