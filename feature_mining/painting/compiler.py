"""An edit of features turned into changes of bases: the fewest that make the plain model predict the same.

What an edit plan does is how it changes the model's predictions over a window behind the bases that may
change. Changes are looked for with the gradient of the difference by the letters, which says of every
substitution at once about how much it gives; the best of these are read exactly, several sets side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feature_mining.edits.apply import Dictionary
from feature_mining.edits.edit import Patch
from feature_mining.edits.passes import forward as read_under
from feature_mining.edits.plan import EditPlan
from feature_mining.painting.design import as_one_hot, embeddings
from genomic_models.contract import DNAModel, ModelError, TapContext
from genomic_models.dna import BASES, base_codes

# Sets of changes that are carried on, and changed sets that are read exactly at each step.
BEAM, TRIED = 2, 36
# Share of the effect that one more change has to add to be worth it.
WORTH = 0.01
# Nats a base below which a plan counts as moving nothing: what rounding does.
LEAST = 1e-6

# Changes as (position, code) pairs, ascending.
Changes = tuple[tuple[int, int], ...]


@dataclass
class Locus:
    """A stretch whose bases may change, and the predictions behind it under a plan and without.

    Parameters
    ----------
    model : DNAModel
        Causal, one token a base, with state that can be carried.
    sequence : str
        In the direction of the reading, of A, C, G and T.
    start, end : int
        The bases that may change; 0-based half-open, ``start`` at least 1.
    window : int
        The predictions of so many bases from ``end`` on are the output.
    plan : EditPlan
        In positions of the sequence.
    dictionaries : mapping of str to Dictionary

    Attributes
    ----------
    effect : float
        Mean divergence, nats a base, of the predictions under the plan from those without.
    bases_read : int
        What was read so far to try changes, a gradient counted as three passes.
    """

    model: DNAModel
    sequence: str
    start: int
    end: int
    window: int
    plan: EditPlan
    dictionaries: Mapping[str, Dictionary]
    together: int = 64
    effect: float = field(init=False)
    bases_read: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if not 1 <= self.start < self.end < self.end + self.window <= len(self.sequence):
            raise ValueError(
                f"bases {self.start}-{self.end} and {self.window} behind them: expected 1 <= start < end, and"
                f" all within {len(self.sequence)}"
            )
        tokens = self.model.base_tokens()
        if tokens is None or not self.model.causal:
            raise ModelError(f"model {self.model.name} does not predict base after base: nothing to compile")
        self.sequence = self.sequence[: self.end + self.window]
        self._four = tokens
        edited = read_under(self.model, [self.sequence], [self.plan], self.dictionaries)
        assert edited.logits is not None
        self._wanted = self._predictions(edited.logits)
        ids = self.model.tokenize([self.sequence]).ids
        # The last base that is predicted is not read.
        self._state = self.model.read(ids[:, : self.start - 1])[1] if self.start > 1 else None
        self._ids = ids[:, self.start - 1 : -1]
        self.codes = base_codes(self.sequence)
        self.effect = float(self.divergence([()])[0])
        self.bases_read = 0

    def _predictions(self, logits: Tensor) -> Tensor:
        """Log-probabilities of the window's bases, of logits that end with that of the last or after."""
        last = logits.shape[1] - (logits.shape[1] == len(self.sequence))
        return logits[:, last - self.window : last].float().log_softmax(-1)

    def divergence(self, sets: Sequence[Changes]) -> np.ndarray:
        """Mean divergence, nats a base, of predictions under the plan from those after each set of changes.

        Float64 ``(n,)``.
        """
        found = []
        for at in range(0, len(sets), self.together):
            part = sets[at : at + self.together]
            logs = self._predictions(self._read(part))
            found += _divergence(self._wanted, logs).tolist()
        return np.array(found)

    def recovered(self, sets: Sequence[Changes]) -> np.ndarray:
        """Share of the effect that each set of changes brings about without the plan.

        1 where the predictions are those under the plan, 0 where they are as far from them as before, below 0
        where they are farther; NaN throughout where the plan moves no prediction.
        """
        if self.effect < LEAST:
            return np.full(len(sets), np.nan)
        return 1 - self.divergence(sets) / self.effect

    def likelihood(self, sets: Sequence[Changes]) -> np.ndarray:
        """Log-likelihood, nats, of the bases that may change and the window, after each set of changes."""
        found = []
        for at in range(0, len(sets), self.together):
            part = sets[at : at + self.together]
            logs = self._read(part).float().log_softmax(-1)
            ids = self._rows(part)[:, 1:].to(logs.device)
            known = logs[:, :-1].gather(-1, ids[..., None])[..., 0].sum(1)
            last = self._four[self.codes[-1]] if self.codes[-1] < len(BASES) else 0
            found += (known + logs[:, -1, int(last)]).tolist()
        return np.array(found)

    def substitutions(self, changes: Changes = ()) -> list[tuple[int, int]]:
        """Every (position, code) that is not there after some changes, positions among these left out."""
        taken = {position for position, _ in changes}
        return [
            (at, code)
            for at in range(self.start, self.end)
            if at not in taken
            for code in range(len(BASES))
            if code != self.codes[at]
        ]

    def gradient(self, sets: Sequence[Changes]) -> np.ndarray:
        """Slope of the divergence by the letters of the bases that may change: float32 ``(n, bases, 4)``."""
        codes = np.stack([self._changed(changes) for changes in sets])
        letters = as_one_hot(codes[:, self.start : self.end]).requires_grad_(True)
        four, (first, last) = embeddings(self.model), (self.start, self.end)

        def put(x: Tensor, context: TapContext) -> Tensor:
            return torch.cat([x[:, :first].clone(), (letters @ four).to(x.dtype), x[:, last:].clone()], dim=1)

        texts = [self.sequence] * len(sets)
        self.bases_read += 3 * len(self.sequence) * len(sets)
        found = self.model.forward(texts, edits={self.model.layers[0]: put}, gradients=True)
        assert found.logits is not None
        wanted = self._wanted.clone()
        _divergence(wanted, self._predictions(found.logits)).sum().backward()
        assert letters.grad is not None
        slope: np.ndarray = letters.grad.numpy()
        return slope

    def text(self, changes: Changes) -> str:
        """The sequence after some changes."""
        letters = list(self.sequence)
        for position, code in changes:
            letters[position] = BASES[code]
        return "".join(letters)

    def _changed(self, changes: Changes) -> np.ndarray:
        codes = self.codes.copy()
        for position, code in changes:
            codes[position] = code
        return codes

    def _rows(self, sets: Sequence[Changes]) -> Tensor:
        rows = self._ids.repeat(len(sets), 1)
        for row, changes in zip(rows, sets, strict=True):
            for position, code in changes:
                row[position - self.start + 1] = self._four[code]
        return rows

    def _read(self, sets: Sequence[Changes]) -> Tensor:
        rows = self._rows(sets)
        self.bases_read += rows.numel()
        state = None if self._state is None else self.model.repeat(self._state, len(sets))
        logits = self.model.read(rows, state)[0].logits
        assert logits is not None
        return logits


@dataclass(frozen=True)
class Compiled:
    """Changes of bases that do what a plan does.

    Attributes
    ----------
    steps : tuple of Changes
        The best set found of 0, 1, 2 and more changes.
    recovered : ndarray
        Share of the effect that each brings about.
    fewest : int
        How many of them are worth it: no set of more adds `WORTH` to its share.
    bases_read : int
    """

    steps: tuple[Changes, ...]
    recovered: np.ndarray
    fewest: int
    bases_read: int

    @property
    def changes(self) -> Changes:
        """The fewest changes that are worth it."""
        return self.steps[self.fewest]


def put_at(plan: EditPlan, start: int) -> EditPlan:
    """A plan whose positions count from ``start``, in those of the whole sequence; it is for any model."""
    edits = []
    for edit in plan.edits:
        intervals = tuple((first + start, last + start) for first, last in edit.where.intervals)
        moved: dict[str, Any] = {"where": replace(edit.where, intervals=intervals)}
        if isinstance(strength := getattr(edit, "strength", 0.0), tuple):
            moved["strength"] = tuple((at + start, value) for at, value in strength)
        if isinstance(edit, Patch):
            moved["start"] = edit.start + start
        edits.append(replace(edit, **moved))
    return EditPlan(tuple(edits))


def compile_plan(locus: Locus, most: int) -> Compiled:
    """The fewest changes, ``most`` at most, that do what the plan of a locus does.

    Raises ``ValueError`` for a plan that moves no prediction there.
    """
    if locus.effect < LEAST:
        raise ValueError(f"the plan moves no prediction of the {locus.window} bases: nothing to compile")
    began = locus.bases_read
    steps: list[Changes] = [()]
    shares = [0.0]
    beam: list[Changes] = [()]
    for _ in range(min(most, locus.end - locus.start)):
        tried: dict[Changes, None] = {}
        for changes, slope in zip(beam, locus.gradient(beam), strict=True):
            own = locus.substitutions(changes)
            gain = slope - slope[np.arange(len(slope)), locus.codes[locus.start : locus.end], None]
            gains = [gain[at - locus.start, code] for at, code in own]
            for i in np.argsort(gains)[: TRIED // len(beam)]:
                tried[joined(changes, own[i])] = None
        found = locus.recovered(list(tried))
        order = np.argsort(-found)[:BEAM]
        beam = [list(tried)[i] for i in order]
        steps.append(beam[0])
        shares.append(float(found[order[0]]))
    for number in range(len(steps) - 1, 1, -1):
        # One of a later set may have done the work of one before it.
        without = [tuple(c for c in steps[number] if c != left) for left in steps[number]]
        found = locus.recovered(without)
        if found.max() > shares[number - 1]:
            steps[number - 1], shares[number - 1] = without[int(found.argmax())], float(found.max())
    recovered = np.array(shares)
    fewest = int(np.flatnonzero(recovered >= recovered.max() - WORTH)[0])
    return Compiled(tuple(steps), recovered, fewest, locus.bases_read - began)


def joined(changes: Changes, one: tuple[int, int]) -> Changes:
    """Changes with one more."""
    return tuple(sorted((*changes, one)))


def _divergence(wanted: Tensor, found: Tensor) -> Tensor:
    """Nats a base from ``wanted`` ``(1, W, V)`` to each row of ``found`` ``(B, W, V)``: ``(B,)``."""
    chance = wanted.exp()
    parts = torch.where(chance > 0, chance * (wanted - found), 0.0)
    return parts.sum(-1).mean(-1)
