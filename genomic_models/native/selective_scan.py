"""Mamba's mixer: a state space whose step, input and output hang on the token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from genomic_models.native.network import masked

# Tokens whose states are computed together; memory is that of one such stretch.
STRETCH = 64


def scan(x: Tensor, step: Tensor, decay: Tensor, enters: Tensor, leaves: Tensor) -> Tensor:
    """What a state space gives, float32 ``(B, L, d)``.

    The state of each channel is ``exp(step * decay) * state + step * x * enters``; what leaves is its
    product with ``leaves``. Within a stretch all states are had by doubling, exact but for rounding.

    Parameters
    ----------
    x, step : Tensor
        ``(B, L, d)``.
    decay : Tensor
        ``(d, n)``, below 0.
    enters, leaves : Tensor
        ``(B, L, n)``.
    """
    state = x.new_zeros(x.shape[0], x.shape[2], decay.shape[1])
    found = []
    for first in range(0, x.shape[1], STRETCH):
        here = slice(first, first + STRETCH)
        kept = torch.exp(step[:, here, :, None] * decay)
        states = (step * x)[:, here, :, None] * enters[:, here, None, :]
        reach = 1
        while reach < states.shape[1]:
            states = torch.cat(
                [states[:, :reach], states[:, reach:] + kept[:, reach:] * states[:, :-reach]], 1
            )
            kept = torch.cat([kept[:, :reach], kept[:, reach:] * kept[:, :-reach]], 1)
            reach *= 2
        states = states + kept * state[:, None]
        found.append(torch.einsum("bldn,bln->bld", states, leaves[:, here]))
        state = states[:, -1]
    return torch.cat(found, 1)


class Mamba(nn.Module):
    """The mixer, from left to right. Padding moves no state."""

    def __init__(self, width: int, settings: Mapping[str, Any]) -> None:
        super().__init__()
        inner, self.states = int(settings.get("expand", 2)) * width, int(settings.get("d_state", 16))
        rank = settings.get("dt_rank", "auto")
        self.rank = math.ceil(width / 16) if rank == "auto" else int(rank)
        size, biased = int(settings.get("d_conv", 4)), bool(settings.get("bias", False))
        self.in_proj = nn.Linear(width, 2 * inner, bias=biased)
        self.conv1d = nn.Conv1d(
            inner, inner, size, groups=inner, padding=size - 1, bias=bool(settings.get("conv_bias", True))
        )
        self.x_proj = nn.Linear(inner, self.rank + 2 * self.states, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, self.states + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=biased)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        length = x.shape[1]
        x, gate = self.in_proj(x).chunk(2, -1)
        x = self.conv1d(masked(x, mask).transpose(1, 2))[..., :length].transpose(1, 2)
        x = masked(functional.silu(x), mask)
        step, enters, leaves = self.x_proj(x).split([self.rank, self.states, self.states], -1)
        step = functional.softplus(self.dt_proj(step).float())
        found = scan(x.float(), step, -torch.exp(self.A_log.float()), enters.float(), leaves.float())
        found = found + self.D.float() * x.float()
        return self.out_proj(found.to(gate.dtype) * functional.silu(gate))
