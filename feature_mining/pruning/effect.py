"""What parts are worth: bits a base with a part taken out, exactly and by the gradient.

A part is taken out by a gate of zero on what it writes; gates are edits at the taps of the model, so that
nothing of the network is changed. The gradient is that of the bits by every gate at one (attribution
patching, as in Nanda 2023; first-order Taylor, as in Molchanov et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.pruning.parts import Parts
from genomic_models.contract import DNAModel, Edit, TapContext
from genomic_models.striped_hyena.operators import at_least_fp32


class Reading(NamedTuple):
    """A sequence, and of each class of letters which of them count: bool ``(classes, letters)``."""

    sequence: str
    use: np.ndarray


class Costs(NamedTuple):
    """Bits of every reading's letters and their number, float64 and int64 ``(readings, classes)``."""

    bits: np.ndarray
    letters: np.ndarray

    @property
    def a_base(self) -> np.ndarray:
        """Bits a base by class, float64 ``(classes,)``; NaN of a class without letters."""
        counts = self.letters.sum(axis=0)
        means: np.ndarray = np.divide(
            self.bits.sum(axis=0), counts, out=np.full(len(counts), math.nan), where=counts > 0
        )
        return means


def costs(
    model: DNAModel,
    readings: Sequence[Reading],
    together: int,
    edits: Mapping[str, Edit] | None = None,
    told: Callable[[int], object] = lambda bases: None,
) -> Costs:
    """What the letters of readings cost, ``together`` of them a pass; ``told`` hears of the bases read."""
    bits, letters = [], []
    for start in range(0, len(readings), together):
        group = readings[start : start + together]
        nats = _nats(model, group, edits, False).double().cpu().numpy()
        for reading, row in zip(group, nats, strict=True):
            use = reading.use[:, 1:]
            bits.append(np.where(use, row[: use.shape[1]], 0.0).sum(axis=1) / math.log(2))
            letters.append(use.sum(axis=1))
        told(sum(len(reading.sequence) for reading in group))
    return Costs(np.array(bits), np.array(letters))


def gradients(
    model: DNAModel,
    parts: Parts,
    kept: np.ndarray,
    readings: Sequence[Reading],
    classes: Sequence[int],
    together: int,
    told: Callable[[int], object] = lambda bases: None,
) -> np.ndarray:
    """Derivative of the bits a base by every part's gate, reading by reading, where ``kept`` are there.

    Returns
    -------
    ndarray
        float64 ``(readings, parts)``: its sum over readings is the derivative of the mean bits a base of the
        letters of ``classes``, so that minus that sum is the first guess at what taking a part out costs.
    """
    rows = []
    total = max(1, sum(int(reading.use[classes, 1:].any(axis=0).sum()) for reading in readings))
    for start in range(0, len(readings), together):
        group = readings[start : start + together]
        gates = _gates(model, parts, kept).repeat(len(group), 1).requires_grad_()
        nats = _nats(model, group, gating(parts, gates), True)
        use = np.zeros(nats.shape, bool)
        for row, reading in zip(use, group, strict=True):
            row[: len(reading.sequence) - 1] = reading.use[classes, 1:].any(axis=0)
        loss = nats[torch.from_numpy(use).to(nats.device)].sum() / (math.log(2) * total)
        (found,) = torch.autograd.grad(loss, gates)
        rows.append(found.double().cpu().numpy())
        told(sum(len(reading.sequence) for reading in group))
    return np.concatenate(rows)


def costs_without(
    model: DNAModel,
    parts: Parts,
    kept: np.ndarray,
    readings: Sequence[Reading],
    together: int,
    told: Callable[[int], object] = lambda bases: None,
) -> Costs:
    """`costs` with all parts taken out but those that are ``kept``, bool ``(parts,)``."""
    return costs(model, readings, together, gating(parts, _gates(model, parts, kept)), told)


def _gates(model: DNAModel, parts: Parts, kept: np.ndarray) -> Tensor:
    return torch.from_numpy(parts.settle(kept).astype(np.float32))[None].to(model.device)


def gating(parts: Parts, gates: Tensor) -> dict[str, Edit]:
    """Edits that scale what every part writes by its gate; ``gates`` is ``(B, parts)`` or ``(1, parts)``."""
    edits: dict[str, Edit] = {}
    for place, i in enumerate(parts.present):
        block, mixer, inner = gates[:, place, None], gates[:, parts.mixers[i]], gates[:, parts.inners[i]]
        wide = parts.config.width // parts.config.whole_mixer(i)
        channels = mixer.repeat_interleave(wide, dim=1)
        if parts.config.pattern[i] == "*":
            heads = channels.unflatten(1, (-1, 1, wide))
            # What a head writes is linear in its values; queries and keys stay.
            ones = torch.ones_like(heads)
            edits[f"blocks.{i}.inner_mha_cls.Wqkv"] = _scaled(torch.cat([ones, ones, heads], 2).flatten(1))
            edits[f"blocks.{i}.inner_mha_cls"] = _scaled(block)
        else:
            edits[f"blocks.{i}.filter"] = _scaled(channels)
            edits[f"blocks.{i}.out_filter_dense"] = _scaled(block)
        edits[f"blocks.{i}.mlp.l2"] = _scaled(inner)
        edits[f"blocks.{i}.mlp"] = _scaled(block)
    return edits


def _scaled(factor: Tensor) -> Edit:
    def edit(x: Tensor, context: TapContext) -> Tensor:
        return x * factor[:, None].to(x)

    return edit


def _nats(
    model: DNAModel, group: Sequence[Reading], edits: Mapping[str, Edit] | None, differentiable: bool
) -> Tensor:
    """Nats of all letters after the first given those before, ``(B, letters - 1)``; junk of padding."""
    found = model.forward([r.sequence for r in group], edits=edits, gradients=differentiable)
    assert found.logits is not None
    logs = at_least_fp32(found.logits[:, :-1]).log_softmax(-1)
    return -logs.gather(-1, found.tokens.ids[:, 1:, None].to(logs.device))[..., 0]
