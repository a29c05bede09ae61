"""A planted dictionary: activations whose true features are known. Simulated data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

TRUE, WIDTH, ACTIVE = 2_048, 256, 20.0
# Firing rates fall as ``(i + SHIFT) ** -POWER``: 0.13 to 0.0032, median 0.0055.
SHIFT, POWER = 19, 0.8
_FAR = 20_241_121
SPREAD, BIAS, NOISE = 0.25, 3.0, 0.01


class Planted(NamedTuple):
    """Rows ``(n, width)`` float32 to train on and to judge with; true features ``(true, width)`` of norm 1;
    true codes of the held-out rows ``(n, true)``, sparse.
    """

    train: Tensor
    held_out: Tensor
    features: Tensor
    codes: Tensor


def plant(
    seed: int,
    train: int = 200_000,
    held_out: int = 50_000,
    true: int = TRUE,
    width: int = WIDTH,
    active: float = ACTIVE,
) -> Planted:
    """Sums of about ``active`` of ``true`` directions with log-normal sizes, on a dense bias, with noise.

    The numbers are drawn from a seed far from those that trainers are given: a dictionary that begins as
    normal draws of the same seed would begin as the truth.
    """
    g = torch.Generator().manual_seed(_FAR + seed)
    features = torch.randn(true, width, generator=g)
    features /= features.norm(dim=1, keepdim=True)
    bias = torch.randn(width, generator=g)
    bias *= BIAS / bias.norm()
    rates = (torch.arange(1, true + 1) + SHIFT).double() ** -POWER
    rates = (rates * (active / rates.sum())).float()

    def rows(count: int) -> tuple[Tensor, Tensor]:
        x = torch.empty(count, width)
        kept = []
        for start in range(0, count, 10_000):
            n = min(10_000, count - start)
            fires = torch.rand(n, true, generator=g) < rates
            codes = fires * torch.exp(SPREAD * torch.randn(n, true, generator=g))
            noise = NOISE * torch.randn(n, width, generator=g)
            x[start : start + n] = codes @ features + bias + noise
            kept.append(codes.to_sparse())
        return x, torch.cat(kept).coalesce()

    x, _ = rows(train)
    y, codes = rows(held_out)
    return Planted(x, y, features, codes)


def batches(rows: Tensor, size: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Shuffled batches, epoch after epoch."""
    g = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < size:
            order = torch.cat([order, torch.randperm(len(rows), generator=g)])
        yield rows[order[:size]]
        order = order[size:]


def judge(planted: Planted, encode, decode, decoder: Tensor, rows: int = 20_000) -> dict[str, float]:
    """Held-out quality of a dictionary ``decoder`` (m, width), as loaded for inference.

    ``ev`` with the pooled mean; ``l0``; ``dead``, share of features silent on the held-out rows; ``mmcs``,
    mean over learnt features of the largest cosine to a true one; ``recovered``, share of true features
    with a cosine above 0.9; ``mcc``, mean cosine of the best one-to-one matching; ``f1``, mean over true
    features of the F1 of firing of the matched one (0 where there is none).
    """
    x = planted.held_out[:rows]
    error, l0, fired = 0.0, 0.0, torch.zeros(len(decoder), dtype=torch.bool)
    unit = decoder / decoder.norm(dim=1, keepdim=True).clamp_min(1e-12)
    cosine = unit @ planted.features.T
    learnt, true = linear_sum_assignment(-cosine.numpy())
    both, ours, theirs = (np.zeros(len(true)) for _ in range(3))
    codes = planted.codes.to_dense()[:rows] > 0
    order = torch.from_numpy(learnt)
    for start in range(0, rows, 2_000):
        part = x[start : start + 2_000]
        f = encode(part)
        error += float((decode(f) - part).square().sum())
        on = f > 0
        l0 += float(on.sum())
        fired |= on.any(dim=0)
        matched = on[:, order]
        truth = codes[start : start + 2_000][:, torch.from_numpy(true)]
        both += (matched & truth).sum(dim=0).numpy()
        ours += matched.sum(dim=0).numpy()
        theirs += truth.sum(dim=0).numpy()
    variance = float((x - x.mean(dim=0)).square().sum())
    return {
        "ev": 1 - error / variance,
        "l0": l0 / rows,
        "dead": float((~fired).float().mean()),
        "mmcs": float(cosine.max(dim=1).values.mean()),
        "recovered": float((cosine.max(dim=0).values > 0.9).float().mean()),
        "mcc": float(cosine.numpy()[learnt, true].mean()),
        "f1": float((2 * both / np.maximum(1, ours + theirs)).sum() / len(planted.features)),
    }
