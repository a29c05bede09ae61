"""What networks of attention share: heads, a mask of padding, positions that turn or that cost."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def heads(x: Tensor, count: int) -> Tensor:
    """``(B, L, d)`` as ``(B, heads, L, d / heads)``."""
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Attention ``(B, L, d)`` of heads ``(B, heads, L, d / heads)``; ``bias`` is added before the softmax."""
    mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
    return mixed.transpose(1, 2).flatten(-2)


def padding_bias(mask: Tensor) -> Tensor:
    """Float32 ``(B, 1, 1, L)``: 0 at tokens, as little as there is at padding, from ``(B, L)`` of 1 and 0."""
    return torch.where(mask[:, None, None, :] > 0, 0.0, torch.finfo(torch.bfloat16).min)


def turned(x: Tensor) -> Tensor:
    """Heads turned by their places (rotary positions, halves paired), ``(B, heads, L, d)``.

    Frequencies are computed here each time: nothing is stored that a library could leave empty.
    """
    length, size = x.shape[-2:]
    rates = 10_000.0 ** (-torch.arange(0, size, 2, device=x.device, dtype=torch.float32) / size)
    angles = torch.arange(length, device=x.device)[:, None] * rates
    cosine, sine = angles.cos(), angles.sin()
    first, second = x.float().chunk(2, -1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1).to(x.dtype)


def distance_bias(count: int, length: int, device: torch.device) -> Tensor:
    """Float32 ``(heads, L, L)``: distance times each head's slope, below 0 (ALiBi, to both sides)."""
    places = torch.arange(length, device=device)
    far = (places[:, None] - places).abs()
    return -torch.tensor(_slopes(count), device=device)[:, None, None] * far


def _slopes(count: int) -> list[float]:
    """A geometric row for a power of 2; beyond it, every second slope of twice that power more."""
    whole = 2 ** int(math.log2(count))
    row = [2.0 ** (-8 * (i + 1) / whole) for i in range(whole)]
    return row if whole == count else row + _slopes(2 * whole)[::2][: count - whole]
