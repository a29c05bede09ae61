"""Direct effects: what a pass with its gates held is linear in, against a linear pass written out by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genomic_models.striped_hyena import operators
from genomic_models.striped_hyena.layers import EPSILON, Attention, HyenaFilter, RMSNorm
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import AttentionBlock, Block, HyenaBlock, StripedHyena, initialise
from tests.genomic_models.tiny import EVO1, EVO2

SEQUENCE = "ACGTTGCAAGCTTACGGATCACCA"


def by_norm(norm: RMSNorm, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    size = x.norm(2, dim=-1, keepdim=True) * x.shape[-1] ** -0.5 + EPSILON
    return norm.scale * x / size, norm.scale * d / size


def by_filter(filter_: HyenaFilter, z: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """The filter is linear in what is neither of its gates."""
    weight = filter_.short_filter_weight[:, 0]
    short, moved = (operators.short_convolution(each.mT, weight, None)[0] for each in (z, d))
    if not filter_.interleaved:
        short = short + filter_.short_filter_bias[:, None]
    x2, x1, v = filter_._split(short)
    dv = filter_._split(moved)[2]
    c, dc = (filter_.inner(x1 * each, None, False)[0] for each in (v, dv))
    return (x2 * c).mT, (x2 * dc).mT


def by_attention(attention: Attention, x: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    """The pattern is that of the untouched pass."""
    q, k, v = attention._heads(attention.Wqkv(x))
    bias = 0 if attention.Wqkv.bias is None else attention.Wqkv.bias
    dv = attention._heads(attention.Wqkv(d) - bias)[2]
    turn = operators.rotation(attention.rotary_emb.inv_freq, 0, x.shape[1], attention.scale, x.dtype)
    q, k = (operators.rotate(each, *turn).transpose(1, 2) for each in (q, k))
    scores = q @ k.mT / q.shape[-1] ** 0.5
    mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    pattern = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    y, dy = ((pattern @ each.transpose(1, 2)).transpose(1, 2).flatten(-2) for each in (v, dv))
    return attention.out_proj(y), dy @ attention.out_proj.weight.T


def by_block(block: Block, u: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
    x, dx = by_norm(block.pre_norm, u, d)
    if isinstance(block, AttentionBlock):
        y, dy = by_attention(block.inner_mha_cls, x, dx)
    else:
        assert isinstance(block, HyenaBlock)
        y, dy = by_filter(block.filter, block.projections(x), dx @ block.projections.weight.T)
        y, dy = block.out_filter_dense(y), dy @ block.out_filter_dense.weight.T
    u, d = u + y, d + dy
    x, dx = by_norm(block.post_norm, u, d)
    gate = F.gelu(block.mlp.l1(x)) if block.mlp.gelu else block.mlp.l1(x)
    return u + block.mlp.l3(gate * block.mlp.l2(x)), d + block.mlp.l3(gate * block.mlp.l2(dx))


@pytest.mark.parametrize("generation", ["evo1", "evo2"])
def test_the_direct_effect_is_that_of_the_linear_pass(generation: str) -> None:
    network = initialise(StripedHyena(EVO1 if generation == "evo1" else EVO2), 1)
    with torch.no_grad():
        network.embedding_layer.weight *= 40
    model, layer = StripedHyenaModel(network, "tiny"), "blocks.0"
    u = model.forward([SEQUENCE], taps=[layer]).taps[layer].clone()
    d = torch.randn(u.shape, generator=torch.Generator().manual_seed(1))
    x, dx = u, d
    with torch.no_grad():
        for block in list(network.blocks)[1:]:
            x, dx = by_block(block, x, dx)
        x, dx = by_norm(network.norm, x, dx)
        expected = (dx @ network.embedding_layer.weight.T)[0, -2, 65]
        logits = x @ network.embedding_layer.weight.T
    slopes = {}
    for frozen in (True, False):
        leaf = u.clone().requires_grad_(True)
        found = model.forward(
            [SEQUENCE], edits={layer: lambda own, at, leaf=leaf: leaf}, gradients=True, frozen=frozen
        ).logits
        torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-4)  # values are those of any pass
        (gradient,) = torch.autograd.grad(found[0, -2, 65], leaf)
        slopes[frozen] = (gradient * d).sum()
    torch.testing.assert_close(slopes[True], expected, rtol=1e-3, atol=1e-4)
    assert abs(float(slopes[False] - expected)) > 10 * abs(float(slopes[True] - expected))
