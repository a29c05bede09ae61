"""The product that PyTorch does not choose by itself, against float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from genomic_models import products


@pytest.mark.skipif(not products.ONEDNN, reason="this PyTorch has no oneDNN")
@pytest.mark.parametrize("bias", [True, False])
def test_float32_takes_onednn_and_gives_the_same_product(monkeypatch, bias):
    """Another dtype and what is to be differentiated take PyTorch's own choice."""
    torch.manual_seed(0)
    x, weight = torch.randn(2, 300, 96), torch.randn(160, 96)
    shift = torch.randn(160) if bias else None
    exact = F.linear(x.double(), weight.double(), shift.double() if bias else None)
    plain, own = [], F.linear
    monkeypatch.setattr(F, "linear", lambda *given: plain.append(1) or own(*given))
    found = products.linear(x, weight, shift)
    assert not plain and (found - exact).abs().max() < 1e-4
    # Neither the shape nor what lies beside a row matters.
    assert torch.equal(products.linear(x[:1], weight, shift), found[:1])
    assert torch.equal(products.linear(x[0], weight, shift), found[0])
    products.linear(x.double(), weight.double())
    weight.requires_grad_()
    products.linear(x, weight).sum().backward()
    assert len(plain) == 2 and weight.grad is not None
    with torch.no_grad():
        assert torch.equal(products.linear(x, weight, shift), found) and len(plain) == 2
