"""Red team: the fewest base changes that hide a site from a detector, or make it call a place that is none.

Greedy: every change that is allowed is read, the best is made, and so on. Guided: the gradient of the score
by the letters says which changes to read. Random: as many changes, drawn evenly. A call counts where any base
of the place reaches the threshold, on any strand that the detector looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.detection.detector import Detector
from feature_mining.edits.apply import Dictionary
from genomic_models.contract import DNAModel, ModelError
from genomic_models.dna import BASES, base_codes, reverse_complement

HIDE, FAKE = "hide", "fake"
GREEDY, GUIDED, RANDOM = "greedy", "guided", "random"
# Changes that the gradient proposes at each step, and draws of random changes.
PROPOSED, DRAWS = 12, 16
# What scores before thresholds count beside those after.
_TIE = 1e-3

# A change: position in the place's letters, and code of the new base.
Change = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Place:
    """A stretch that is attacked.

    Attributes
    ----------
    letters : str
        Upper case, context included, in the direction of the reading; of both where ``both``.
    start, end : int
        Bases of which one has to be called, or none.
    allowed : ndarray
        bool ``(len(letters), 4)``: bases that may take the place of what stands there.
    group : ndarray
        int64 ``(len(letters),)``: of bases with the same number only one may be changed (a codon's).
    both : bool
        Whether the reverse complement is read too.
    """

    letters: str
    start: int
    end: int
    allowed: np.ndarray
    group: np.ndarray
    both: bool = False

    def changed(self, changes: Sequence[Change]) -> str:
        """The letters after some changes."""
        letters = list(self.letters)
        for at, code in changes:
            letters[at] = BASES[code]
        return "".join(letters)

    def candidates(self, changes: Sequence[Change]) -> list[Change]:
        """Changes that may still be made."""
        taken = {self.group[at] for at, _ in changes}
        rows, codes = np.nonzero(self.allowed)
        return [
            (int(at), int(code))
            for at, code in zip(rows, codes, strict=True)
            if self.group[at] not in taken and BASES[code] != self.letters[at]
        ]


class Attack(NamedTuple):
    """What one way of attacking a place came to.

    way : `GREEDY`, `GUIDED` or `RANDOM`
    changes : in the order in which they were made
    scores : float64 (1 + changes), highest score of the place, before and after each
    """

    way: str
    changes: tuple[Change, ...]
    scores: np.ndarray

    def needed(self, goal: str, threshold: float) -> int | None:
        """Changes after which the goal is reached for the first time; None for not at all."""
        done = reached(self.scores, goal, threshold)
        return int(done.argmax()) if done.any() else None


def reached(scores: np.ndarray, goal: str, threshold: float) -> np.ndarray:
    """Whether a place with these highest scores is hidden, or called, bool."""
    found: np.ndarray = scores < threshold if goal == HIDE else scores >= threshold
    return found


class Target:
    """A place under a detector: its highest score after any changes, and the gradient of it.

    Raises ``ModelError`` for a model that is not causal or has no embedding of single bases.
    """

    def __init__(
        self, model: DNAModel, dictionary: Dictionary, detector: Detector, place: Place, together: int = 64
    ) -> None:
        if model.base_tokens() is None or not model.causal or model.layers[0] != "embedding_layer":
            raise ModelError(f"model {model.name} does not read base after base: nothing to attack it by")
        self.place, self._model, self._together = place, model, together
        self._part = dictionary.part(detector.concept.features)
        self._weights = torch.from_numpy(detector.coefficients).float()
        self._layer = dictionary.reads[0]
        free = np.flatnonzero(place.allowed.any(axis=1))
        first, last = (int(free[0]), int(free[-1])) if free.size else (place.start, place.end - 1)
        size = len(place.letters)
        # Of each reading: whether it is turned, what lies before all changes, and the bases that count.
        self._sides = [self._side(False, min(first, place.start), place.start, place.end)]
        if place.both:
            before = min(size - 1 - last, size - place.end)
            self._sides.append(self._side(True, before, size - place.end, size - place.start))

    def _side(self, turned: bool, before: int, start: int, end: int) -> tuple[bool, int, int, int, object]:
        letters = reverse_complement(self.place.letters) if turned else self.place.letters
        state = None
        if before:
            ids = self._model.tokenize([letters[:before]]).ids
            # To the end: a pass that stops early has no state of the block in which it stops.
            state = self._model.read(ids)[1]
        return turned, before, start, end, state

    def score(self, sets: Sequence[Sequence[Change]]) -> np.ndarray:
        """Highest score of the place after each set of changes, float64 ``(n,)``."""
        found: np.ndarray = self._read(sets)[0].max(axis=1)
        return found

    def lack(self, sets: Sequence[Sequence[Change]], goal: str, threshold: float) -> np.ndarray:
        """How far each set of changes is from the goal, float64 ``(n,)``; the less the better.

        Of a site by how much all of its bases together are above the threshold, of a place that is faked by
        how much its highest is below; of equal ones, by scores before the features' thresholds.
        """
        scores, linear = self._read(sets)
        if goal == HIDE:
            found: np.ndarray = np.maximum(scores - threshold, 0).sum(axis=1) + _TIE * linear.max(axis=1)
        else:
            found = -scores.max(axis=1) - _TIE * linear.max(axis=1)
        return found

    def _read(self, sets: Sequence[Sequence[Change]]) -> tuple[np.ndarray, np.ndarray]:
        """Scores of the bases of the place, float64 ``(n, bases)``, and those before features' thresholds."""
        texts = [self.place.changed(changes) for changes in sets]
        scores: list[np.ndarray] = []
        linear: list[np.ndarray] = []
        for turned, before, start, end, state in self._sides:
            own = [reverse_complement(text) if turned else text for text in texts]
            rows: list[Tensor] = []
            for at in range(0, len(own), self._together):
                part = [text[before:end] for text in own[at : at + self._together]]
                carried = None if state is None else self._model.repeat(state, len(part))
                ids = self._model.tokenize(part).ids
                forward, _ = self._model.read(ids, carried, taps=[self._layer], until=self._layer)
                rows.append(forward.taps[self._layer][:, start - before :].float())
            x = torch.cat(rows)
            for values, to in (
                (self._part.encode(x.flatten(0, 1)), scores),
                (self._linear(x.flatten(0, 1)), linear),
            ):
                to.append((values @ self._weights.to(values)).view(x.shape[:2]).double().cpu().numpy())
        return np.concatenate(scores, axis=1), np.concatenate(linear, axis=1)

    def slope(self, changes: Sequence[Change]) -> np.ndarray:
        """About how much each base in the place of each other adds to the score: float32 ``(L, 4)``.

        Features count before they are cut off at their thresholds, so that those that are silent have a
        slope too, and bases of the place by their softmax.
        """
        text, total = self.place.changed(changes), np.zeros((len(self.place.letters), len(BASES)), np.float32)
        for turned, _, start, end, _ in self._sides:
            letters = (reverse_complement(text) if turned else text)[:end]
            gradient = self._slope(letters, start)
            whole = np.zeros_like(total)
            whole[:end] = gradient
            total += whole[::-1, ::-1] if turned else whole
        return total

    def _slope(self, letters: str, start: int) -> np.ndarray:
        layer = self._model.layers[0]
        four = self._model.forward([BASES], taps=[layer], until=layer).taps[layer][0].float().clone()
        x = self._model.forward([letters], taps=[layer], until=layer).taps[layer].float().clone()
        leaf = x.detach().requires_grad_(True)
        found = self._model.forward(
            [letters],
            taps=[self._layer],
            until=self._layer,
            edits={layer: lambda own, context: leaf.to(own.dtype)},
            gradients=True,
        )
        rows = found.taps[self._layer][0, start:].float()
        scores = self._linear(rows) @ self._weights.to(rows)
        (gradient,) = torch.autograd.grad(scores.logsumexp(0), leaf)
        codes = torch.from_numpy(base_codes(letters).astype(np.int64)).clamp_max(len(BASES) - 1)
        by_letter = gradient[0].cpu() @ four.cpu().T
        change: np.ndarray = (by_letter - by_letter.gather(1, codes[:, None])).numpy()
        return change

    def _linear(self, x: Tensor) -> Tensor:
        """Features ``(n, m)`` of activations before their thresholds."""
        part = self._part
        inputs = x - part.sae.b_dec if part.sae.config.apply_b_dec_to_input else x
        return torch.addmm(part.bias, inputs, part.columns)


def attack(target: Target, goal: str, threshold: float, most: int, way: str, seed: int = 0) -> Attack:
    """Attack a place by at most so many changes.

    Parameters
    ----------
    target : Target
    goal : str
        `HIDE` or `FAKE`.
    threshold : float
        Of the detector.
    most : int
    way : str
        `GREEDY`, `GUIDED` or `RANDOM` (one draw, which makes all ``most`` changes).
    seed : int
        Of the draw.
    """
    sign = -1.0 if goal == HIDE else 1.0
    changes: tuple[Change, ...] = ()
    if way == RANDOM:
        random = np.random.default_rng(seed)
        while len(changes) < most and (left := target.place.candidates(changes)):
            changes = (*changes, left[random.integers(len(left))])
        return Attack(way, changes, target.score([changes[:k] for k in range(len(changes) + 1)]))
    scores = [float(target.score([()])[0])]
    while len(changes) < most and not reached(np.array(scores), goal, threshold).any():
        left = target.place.candidates(changes)
        if way == GUIDED and left:
            slope = sign * target.slope(changes)
            left = sorted(left, key=lambda change: -slope[change])[:PROPOSED]
        if not left:
            break
        lacks = target.lack([(*changes, change) for change in left], goal, threshold)
        changes = (*changes, left[int(lacks.argmin())])
        scores.append(float(target.score([changes])[0]))
    return Attack(way, changes, np.array(scores))


def success_by_changes(needed: Sequence[float], most: int) -> np.ndarray:
    """Share of attacks with success after at most 0, 1, ... ``most`` changes, float64; NaN is never."""
    at = np.nan_to_num(np.array(needed, np.float64), nan=np.inf)
    found: np.ndarray = (at[:, None] <= np.arange(most + 1)).mean(axis=0)
    return found
