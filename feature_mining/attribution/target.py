"""Outputs of a model that are attributed: one number a sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from feature_mining.edits.apply import Dictionary
from genomic_models.contract import DNAModel, Forward, ModelError
from genomic_models.striped_hyena.operators import at_least_fp32


class Target(Protocol):
    """What an output is: the taps that it needs, and its value.

    Positions are those of the sequence. A pass that begins in the middle (``Forward.offset``) gives the part
    that it holds: what lies before is the same for all that have the same beginning.
    """

    @property
    def taps(self) -> tuple[str, ...]:
        """Layers that must be read."""

    def value(self, model: DNAModel, forward: Forward) -> Tensor:
        """``(B,)``, differentiable where the pass was."""


@dataclass(frozen=True)
class BaseProbability:
    """Log-probability, nats, of ``base`` at ``position`` (0-based), over the whole vocabulary."""

    position: int
    base: str
    taps: tuple[str, ...] = ()

    def value(self, model: DNAModel, forward: Forward) -> Tensor:
        """``(B,)`` nats."""
        return _predictions(model, forward, self.position)[:, _token(model, self.base)]


@dataclass(frozen=True)
class AlleleOdds:
    """Log-odds, nats, of ``alternative`` over ``reference`` at ``position`` (0-based)."""

    position: int
    reference: str
    alternative: str
    taps: tuple[str, ...] = ()

    def value(self, model: DNAModel, forward: Forward) -> Tensor:
        """``(B,)`` nats."""
        logs = _predictions(model, forward, self.position)
        return logs[:, _token(model, self.alternative)] - logs[:, _token(model, self.reference)]


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood, nats, of the bases that stand in ``[start, end)``, each given those before it."""

    start: int
    end: int
    taps: tuple[str, ...] = ()

    def value(self, model: DNAModel, forward: Forward) -> Tensor:
        """``(B,)`` nats."""
        logs = _logs(model, forward)
        length = forward.offset + logs.shape[1]
        if not 1 <= self.start < self.end <= length:
            raise ValueError(
                f"interval {self.start}-{self.end}: expected 1 <= start < end <= {length}; nothing"
                " predicts the first base"
            )
        start, end = (max(1, at - forward.offset) for at in (self.start, self.end))
        ids = forward.tokens.ids[:, start:end].to(logs.device)
        rows = logs[:, start - 1 : end - 1].float().log_softmax(-1)
        return rows.gather(-1, ids[..., None])[..., 0].sum(1)


@dataclass(frozen=True)
class Output:
    """What a model with outputs of its own says of ``[start, end)``, summed over the columns that lie there.

    Of a class its log-probability, nats; of a track its value.
    """

    name: str
    start: int
    end: int
    taps: tuple[str, ...] = ()

    def value(self, model: DNAModel, forward: Forward) -> Tensor:
        """``(B,)``, nats or units of the track."""
        if model.outputs is None or forward.logits is None:
            raise ModelError(f"model {model.name} has no outputs but tokens: no {self.name} to ask for")
        first, last = (model.outputs.column(at) for at in (self.start, self.end - 1))
        if not 0 <= first <= last < forward.logits.shape[1]:
            raise ValueError(f"bases {self.start}-{self.end}: the model says nothing of some of them")
        return forward.logits[:, first : last + 1, model.outputs.index(self.name)].float().sum(1)


@dataclass(frozen=True, eq=False)
class Activation:
    """Activation of a feature of a later layer, summed over ``[start, end)``; 0 where it is not active."""

    dictionary: Dictionary
    feature: int
    start: int
    end: int

    @property
    def taps(self) -> tuple[str, ...]:
        """The layer that the feature is of."""
        return self.dictionary.reads

    def value(self, model: DNAModel, forward: Forward) -> Tensor:
        """``(B,)``, in units of the feature."""
        x = _inside(forward, self.taps[0], self.start, self.end)
        found = self.dictionary.encode(x.flatten(0, 1), [self.feature])
        return found.view(x.shape[:2]).sum(1)


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear read-out ``weights`` ``(d,)`` of a layer's activation, summed over ``[start, end)``."""

    layer: str
    weights: Tensor
    start: int
    end: int

    @property
    def taps(self) -> tuple[str, ...]:
        """The layer that it reads."""
        return (self.layer,)

    def value(self, model: DNAModel, forward: Forward) -> Tensor:
        """``(B,)``, in units of the probe."""
        x = _inside(forward, self.layer, self.start, self.end)
        return (x @ self.weights.to(x)).sum(1)


def _inside(forward: Forward, layer: str, start: int, end: int) -> Tensor:
    """Activations ``(B, n, d)`` float32 of those positions of ``[start, end)`` that the pass holds."""
    return forward.taps[layer][:, max(0, start - forward.offset) : max(0, end - forward.offset)].float()


def _logs(model: DNAModel, forward: Forward) -> Tensor:
    model.require_bases("no such target")
    assert forward.logits is not None
    return forward.logits


def _predictions(model: DNAModel, forward: Forward, position: int) -> Tensor:
    logs, first = _logs(model, forward), forward.offset + 1
    length = forward.offset + logs.shape[1]
    if not first <= position < length:
        raise ValueError(
            f"position {position}: expected {first} to {length - 1}; nothing predicts the first base"
        )
    return at_least_fp32(logs[:, position - first]).log_softmax(-1)


def _token(model: DNAModel, base: str) -> int:
    bases = model.base_tokens()
    if bases is None or len(base) != 1 or base.upper() not in "ACGT":
        raise ValueError(f"base {base!r}: expected A, C, G or T")
    return int(bases["ACGT".index(base.upper())])


def check_finite(value: Tensor) -> Tensor:
    """The value; ``ModelError`` where it is NaN or infinite."""
    if not torch.isfinite(value).all():
        raise ModelError("the target is NaN or infinite: nothing can be attributed")
    return value
