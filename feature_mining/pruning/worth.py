"""Parts ranked by what they are worth, round after round, down to the smallest network that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from feature_mining.pruning.effect import Reading, costs_without, gradients
from feature_mining.pruning.order import Removal, by_worth
from feature_mining.pruning.parts import KINDS, Parts
from genomic_models.contract import DNAModel


class Worth(NamedTuple):
    """Bits a base that hang on every part, float64 ``(parts,)`` each.

    guess : by the gradient, the sum over readings of its sizes
    exact : with the part taken out; NaN where that was not tried
    """

    guess: np.ndarray
    exact: np.ndarray

    @property
    def best(self) -> np.ndarray:
        """The exact where there is one, else the guess."""
        return np.where(np.isnan(self.exact), self.guess, self.exact)


class Task(NamedTuple):
    """What worth is measured on, and how.

    readings, classes : sequences, and the classes of their letters whose bits count
    together : readings a pass
    exact : parts of each kind in the lead that are also taken out exactly, and as many of the rest
    """

    readings: Sequence[Reading]
    classes: Sequence[int]
    together: int
    exact: int


def measure(
    model: DNAModel,
    parts: Parts,
    kept: np.ndarray,
    task: Task,
    exact: int,
    told: Callable[[int], object] = lambda bases: None,
) -> Worth:
    """Worth of the parts that are ``kept``: all by the gradient, blocks and leading ones exactly.

    ``exact``: of each other kind, as in `Task`.
    """
    signed = gradients(model, parts, kept, task.readings, task.classes, task.together, told)
    guess, found = np.abs(signed).sum(axis=0), np.full(parts.count, np.nan)

    def bits(there: np.ndarray) -> float:
        own = costs_without(model, parts, there, task.readings, task.together, told)
        return float(own.bits[:, task.classes].sum() / max(1, own.letters[:, task.classes].sum()))

    before = bits(kept)
    for part in chosen(parts, parts.settle(kept), guess, exact):
        without = kept.copy()
        without[part] = False
        found[part] = bits(without) - before
    return Worth(guess, found)


def chosen(parts: Parts, kept: np.ndarray, guess: np.ndarray, exact: int) -> list[int]:
    """Parts that are taken out exactly: every block, ``exact`` in the lead of each kind and of the rest."""
    out = np.flatnonzero(kept & (parts.kind == KINDS.index("block"))).tolist()
    for kind in range(1, len(KINDS)):
        own = np.flatnonzero(kept & (parts.kind == kind))
        own = own[np.argsort(-guess[own], kind="stable")]
        rest = own[exact:]
        out += own[:exact].tolist()
        if exact and len(rest):
            out += rest[np.unique(np.linspace(0, len(rest) - 1, exact).round().astype(int))].tolist()
    return out


def plan(
    model: DNAModel,
    parts: Parts,
    shares: Sequence[float],
    task: Task,
    told: Callable[[int], object] = lambda bases: None,
) -> tuple[Removal, Worth]:
    """The order in which parts go down to the smallest of ``shares`` of parameters, and their worth at first.

    At every share the worth of what is left is measured anew: by the gradient, of blocks exactly.
    """
    removal, first = Removal(parts), None
    whole = removal.parameters[0]
    for share in sorted(shares, reverse=True):
        found = measure(model, parts, removal.kept, task, task.exact if first is None else 0, told)
        first = first or found
        removal.take(by_worth(parts, found.best), int(share * whole))
    assert first is not None
    return removal, first


def passes(parts: Parts, rounds: int, exact: int) -> int:
    """Passes over all readings that `plan` takes, a gradient counted as three."""
    kinds = [int((parts.kind == kind).sum()) for kind in range(1, len(KINDS))]
    return rounds * (4 + len(parts.present)) + sum(min(count, 2 * exact) for count in kinds)
