"""From columns of a model to bases: activations on what their tokens cover, and what is said of a base."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genomic_models.contract import DNAModel, Forward
from genomic_models.errors import ModelError


def spread(values: Tensor, spans: Tensor, length: int) -> Tensor:
    """Values ``(n, d)`` of tokens on the bases that they cover: ``(length, d)``.

    Each base has the value of the token that covers it, and where several do (words that overlap) the mean of
    theirs; special tokens cover none and are dropped. ``spans`` is int64 ``(n, 2)``, 0-based half-open.
    Raises ``ModelError`` where a base is in no token: nothing is shifted to fill it.
    """
    spans = spans.to(values.device)
    sizes = spans[:, 1] - spans[:, 0]
    token = torch.arange(len(spans), device=values.device).repeat_interleave(sizes)
    begun = (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    base = spans[token, 0] + torch.arange(len(token), device=values.device) - begun
    covered = torch.bincount(base, minlength=length)
    if len(covered) > length or not covered.all():
        missing = int((covered[:length] == 0).nonzero()[0, 0]) if not covered[:length].all() else length
        raise ModelError(f"base {missing} of {length} is in no token, or a token lies past the end")
    if len(base) == length and bool((base[1:] > base[:-1]).all()):
        return values[token]
    summed = values.new_zeros(length, values.shape[1]).index_add_(0, base, values[token])
    return summed / covered[:, None]


def columns_of_bases(model: DNAModel, forward: Forward) -> Tensor:
    """Which column of the logits says something of each base, int64 ``(B, L)``; -1 where none does.

    Of a model of the next token that before the token of the base, of one that sees both sides that of the
    token itself, and of one with outputs of its own that of the output. Where tokens overlap, the last.
    """
    if forward.logits is None:
        raise ModelError(f"model {model.name} says nothing of a place: it has no outputs")
    count, spans = forward.logits.shape[1], forward.tokens.spans
    rows, length = forward.tokens.ids.shape
    if model.outputs is not None:
        found = (torch.arange(length) - model.outputs.offset) // model.outputs.stride
        found = found.repeat(rows, 1)
    elif spans is None:
        found = torch.arange(length).repeat(rows, 1)
    else:
        found = torch.full((rows, int(spans.max())), -1)
        for row, own in enumerate(spans.tolist()):
            for column, (start, end) in enumerate(own):
                found[row, start:end] = column
    if model.outputs is None and model.causal:
        found = found - 1
    return torch.where((found >= 0) & (found < count), found, -1)


def shares_of_columns(model: DNAModel, forward: Forward) -> Tensor:
    """Bases that what each column of the logits says is of, int64 ``(B, columns)``, at least 1."""
    assert forward.logits is not None
    shape, spans = forward.logits.shape[:2], forward.tokens.spans
    if model.outputs is not None:
        return torch.full(shape, model.outputs.stride)
    if spans is None:
        return torch.ones(shape, dtype=torch.int64)
    sizes = spans[..., 1] - spans[..., 0]
    if model.causal:
        sizes = torch.nn.functional.pad(sizes[:, 1:], (0, 1))
    return sizes.clamp_min(1)


def said(model: DNAModel, forward: Forward) -> Tensor:
    """What a pass says, float32 ``(B, columns, n)``: log-probabilities of tokens or classes, or tracks."""
    if forward.logits is None:
        raise ModelError(f"model {model.name} says nothing of a place: it has no outputs")
    logits = forward.logits.float()
    return logits.log_softmax(-1) if model.outputs is None else logits


def divergence(model: DNAModel, untouched: Tensor, changed: Tensor) -> Tensor:
    """Kullback-Leibler divergence, bits, from what was said to what is said now, float64 ``(B, columns)``.

    Of tracks, half the sum of their squared changes in nats, turned into bits: that of normal distributions
    with a variance of 1 in each track's own units.
    """
    if model.outputs is not None and model.outputs.kind == "tracks":
        nats = (untouched - changed).square().sum(-1) / 2
    else:
        # What both rule out (-inf) adds nothing.
        difference = torch.where(untouched == changed, 0.0, untouched - changed)
        chance = untouched.exp()
        nats = torch.where(chance > 0, chance * difference, 0.0).sum(-1)
    return nats.double() / math.log(2)
