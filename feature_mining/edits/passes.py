"""Passes of a model under plans: whole, in chunks, and token after token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from feature_mining.edits.apply import Applied, Dictionary, Shadow
from feature_mining.edits.plan import EditPlan
from genomic_models.contract import DNAModel, Forward, ModelError

# Bits of entropy of the first token, which nothing predicts.
UNKNOWN = 2.0


class State(NamedTuple):
    """Where a reading stands: the edited model's state, and the untouched one's where it is needed."""

    edited: object
    untouched: object | None
    entropy: Tensor | None


def entropy(model: DNAModel, logits: Tensor) -> Tensor:
    """Bits ``(B, L)`` of each position's prediction of the next base, over A, C, G and T."""
    bases = model.base_tokens()
    if bases is None or not model.causal:
        raise ModelError(f"model {model.name} does not predict base after base: it has no such entropy")
    logs = logits[..., bases.to(logits.device)].float().log_softmax(-1)
    return -(logs.exp() * logs).sum(-1) / torch.log(torch.tensor(2.0))


def _shadow(
    model: DNAModel, forward: Forward, applied: Applied, before: Tensor | None
) -> tuple[Shadow, Tensor]:
    """What the untouched model says of a piece, and its entropy over the token after the piece."""
    assert forward.logits is not None
    of_next = entropy(model, forward.logits)
    first = torch.full_like(of_next[:, :1], UNKNOWN) if before is None else before
    taps = {tap: forward.taps[tap] for tap in applied.shadowed}
    return Shadow(torch.cat([first, of_next[:, :-1]], dim=1), taps), of_next[:, -1:]


def read(
    model: DNAModel, ids: Tensor, applied: Applied, state: State | None = None, taps: Sequence[str] = ()
) -> tuple[Forward, State]:
    """Read more tokens ``(B, L)`` under plans; values are those of one pass over all tokens."""
    untouched, after = None, None
    if applied.needs_shadow:
        given = None if state is None else state.untouched
        forward, untouched = model.read(ids, given, taps=applied.shadowed)
        before = None if state is None else state.entropy
        applied.shadow, after = _shadow(model, forward, applied, before)
    edited = None if state is None else state.edited
    forward, edited = model.read(ids, edited, taps=taps, edits=applied.edits)
    return forward, State(edited, untouched, after)


def repeat(model: DNAModel, state: State, times: int) -> State:
    """The state, each row of the batch ``times`` times over."""
    untouched = None if state.untouched is None else model.repeat(state.untouched, times)
    after = None if state.entropy is None else state.entropy.repeat_interleave(times, 0)
    return State(model.repeat(state.edited, times), untouched, after)


def forward(
    model: DNAModel,
    sequences: Sequence[str],
    plans: Sequence[EditPlan],
    dictionaries: Mapping[str, Dictionary],
    taps: Sequence[str] = (),
    strands: Sequence[str] = (),
) -> Forward:
    """One pass over a batch under plans.

    Parameters
    ----------
    model : DNAModel
    sequences : sequence of str
        In the direction of the reading.
    plans : sequence of EditPlan
        One for all, or one a sequence.
    dictionaries : mapping of str to Dictionary
        By layer.
    taps : sequence of str
        Layers whose activations are returned, as edited.
    strands : sequence of str
        Strand of each reading; plus where empty.
    """
    return run(model, sequences, Applied(plans, dictionaries, strands), taps)


def run(model: DNAModel, sequences: Sequence[str], applied: Applied, taps: Sequence[str] = ()) -> Forward:
    """One pass over a batch under plans that are bound already."""
    if applied.needs_shadow:
        untouched = model.forward(sequences, taps=applied.shadowed)
        applied.shadow = _shadow(model, untouched, applied, None)[0]
    return model.forward(sequences, taps=taps, edits=applied.edits)


def forward_chunks(
    model: DNAModel,
    sequences: Sequence[str],
    chunk: int,
    plans: Sequence[EditPlan],
    dictionaries: Mapping[str, Dictionary],
    taps: Sequence[str] = (),
) -> Iterator[Forward]:
    """The values of ``forward`` piece by piece, for sequences of one length."""
    applied = Applied(plans, dictionaries)
    ids = model.tokenize(sequences).ids
    state = None
    for piece in ids.split(chunk, dim=1):
        found, state = read(model, piece, applied, state, taps)
        yield found
