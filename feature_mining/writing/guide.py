"""Constraints kept at every step: a base is allowed if, and only if, what follows can still meet all of them.

What can still be finished is computed from the end backwards, exactly: for every position and every state of
the automaton of forbidden words, the numbers of G and C read so far from which some completion meets all
constraints. So nothing leads to a dead end, and no sequence that meets the constraints is out of reach.

Drawing from the model's probabilities with the other bases left out is not drawing from the model given the
constraints: the model does not know what is to come, so that sequences are preferred whose constraints bind
late. Only the chance of the bases that are left is compared, step by step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from feature_mining.writing.automaton import LETTERS, build
from feature_mining.writing.constraints import Constraint, combined_gc
from genomic_models.dna import BASES

# Positions from one stored layer to the next; those between are made again when they are passed.
STRIDE = 64
_GC = (1, 2)
_WORD = 64


class Lattice:
    """All ways to meet constraints, from every place to the end.

    Parameters
    ----------
    constraints : sequence of Constraint
    length : int
        Bases to be written.
    prompts : sequence of str
        What stands before, one for each kind of row.

    Raises
    ------
    ValueError
        For constraints outside of what is written, and a frame that begins in a prompt whose end is not
        known.
    """

    def __init__(
        self, constraints: Sequence[Constraint], length: int, prompts: Sequence[str] = ("",)
    ) -> None:
        self.length = length
        for each in constraints:
            each.check(length)
        masks = [own for each in constraints if (own := each.letters(length)) is not None]
        frames = [own for each in constraints if (own := each.codons(length)) is not None]
        self._letters = np.logical_and.reduce([np.ones((length, len(BASES)), bool), *masks])
        self._codons = _by_pair(np.logical_and.reduce(frames)) if frames else None
        if self._codons is not None:
            _check_joins(self._codons, prompts)
        motifs = dict.fromkeys(word for each in constraints for word in each.motifs())
        self.machine = build(list(motifs), prompts, bool(frames))
        self._range = combined_gc(constraints, length)
        self._stored: dict[int, np.ndarray] = {length: self._last()}
        layer = self._stored[length]
        for position in reversed(range(length)):
            layer = self._before(position, layer)
            if position % STRIDE == 0:
                self._stored[position] = layer
        self._block: tuple[int, list[np.ndarray]] = (-1, [])

    @property
    def counts_gc(self) -> bool:
        """Whether the number of G and C matters."""
        return self._range is not None

    def possible(self) -> bool:
        """Whether the constraints can be met after every prompt."""
        return bool((self._stored[0][self.machine.starts, 0] & np.uint64(1)).all())

    def allowed(self, position: int, states: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Bool ``(B, 4)``: the bases from which rows in some states can go on to the end."""
        after = self._layer(position + 1)
        found = self._fits(position)[states]
        for code in range(len(BASES)):
            count = counts + (self.counts_gc and code in _GC)
            reached = self.machine.follow[states, code]
            word = np.minimum(count // _WORD, after.shape[1] - 1)
            bits = after[reached, word] >> (count % _WORD).astype(np.uint64) & np.uint64(1)
            found[:, code] &= (bits == 1) & (count // _WORD == word)
        return found

    def kept(self, codes: np.ndarray, prompts: np.ndarray) -> np.ndarray:
        """Bool ``(B,)``: which sequences, codes ``(B, length)`` after some prompts, meet the constraints."""
        states, counts = self.machine.starts[prompts], np.zeros(len(codes), np.int64)
        fine = np.ones(len(codes), bool)
        for position, column in enumerate(codes.T):
            fine &= self.allowed(position, states, counts)[np.arange(len(codes)), column]
            # A row that has failed stays where it is.
            states = np.where(fine, self.machine.follow[states, column], states)
            counts = counts + (self.counts_gc and fine & np.isin(column, _GC))
        return fine

    def _last(self) -> np.ndarray:
        low, high = self._range or (0, 0)
        bits = np.zeros(-(-(max(high, 0) + 1) // _WORD) * _WORD, np.uint8)
        bits[low : high + 1] = 1
        words = np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64)
        return np.repeat(words[None], len(self.machine.follow), 0)

    def _fits(self, position: int) -> np.ndarray:
        """Bool ``(S, 4)``: the bases that masks, frames and forbidden words take at a position."""
        fits = (self.machine.follow >= 0) & self._letters[position]
        return fits if self._codons is None else fits & self._codons[position][self.machine.pairs]

    def _before(self, position: int, after: np.ndarray) -> np.ndarray:
        """The layer of a position from that of the next: bit ``g`` of a state says that ``g`` G and C so far
        can be gone on with.
        """
        one_more = _shifted(after) if self.counts_gc else after
        fits = self._fits(position)
        found = np.zeros_like(after)
        for code in range(len(BASES)):
            rows = np.flatnonzero(fits[:, code])
            found[rows] |= (one_more if code in _GC else after)[self.machine.follow[rows, code]]
        return found

    def _layer(self, position: int) -> np.ndarray:
        if position in self._stored:
            return self._stored[position]
        first = position // STRIDE * STRIDE
        if self._block[0] != first:
            end = min(first + STRIDE, self.length)
            layers = [self._stored[end]]
            for at in reversed(range(first + 1, end)):
                layers.append(self._before(at, layers[-1]))
            self._block = (first, layers[::-1])
        return self._block[1][position - first - 1]


class Guide:
    """Where each row of a batch stands among all ways to meet the constraints.

    Parameters
    ----------
    lattice : Lattice
    rows : sequence of int
        Which of its prompts each row follows.
    """

    def __init__(self, lattice: Lattice, rows: Sequence[int]) -> None:
        self._lattice, self._position = lattice, 0
        self._states = lattice.machine.starts[np.asarray(rows)]
        self._counts = np.zeros(len(rows), np.int64)

    def allowed(self) -> Tensor:
        """Bool ``(B, 4)``: the bases that may come next."""
        return torch.from_numpy(self._lattice.allowed(self._position, self._states, self._counts))

    def take(self, choice: Tensor) -> None:
        """Go on by the bases that were drawn, int64 ``(B,)``."""
        codes = choice.cpu().numpy()
        self._states = self._lattice.machine.follow[self._states, codes]
        if self._lattice.counts_gc:
            self._counts = self._counts + np.isin(codes, _GC)
        self._position += 1


def lattice_of(constraints: Sequence[Constraint], length: int, prompts: Sequence[str]) -> Lattice:
    """The lattice of constraints that can be met; ``ValueError`` names those that contradict each other."""
    found = Lattice(constraints, length, prompts)
    if found.possible():
        return found
    least = list(constraints)
    for each in constraints:
        rest = [other for other in least if other is not each]
        if not Lattice(rest, length, prompts).possible():
            least = rest
    where = f"in {length:,} bases" + (" after the prompt" if any(prompts) else "")
    if len(least) == 1:
        raise ValueError(f"{least[0]}: cannot be met {where}")
    *most, last = map(str, least)
    raise ValueError(
        f"{', '.join(most)} and {last} contradict each other: no sequence meets"
        f" {'both' if len(least) == 2 else 'all of them'} {where}"
    )


def _by_pair(codons: np.ndarray) -> np.ndarray:
    """``(L, 64)`` as ``(L, 25, 4)``, by the two bases before; any base after one that is not known."""
    found = np.ones((len(codons), LETTERS, LETTERS, 4), bool)
    found[:, :4, :4] = codons.reshape(-1, 4, 4, 4)
    return found.reshape(-1, LETTERS * LETTERS, 4)


def _check_joins(codons: np.ndarray, prompts: Sequence[str]) -> None:
    """Raise ``ValueError`` where a frame begins in the prompt and the base there is not known."""
    for position in range(min(2, len(codons))):
        needed = 2 - position
        if codons[position].all():
            continue
        for prompt in prompts:
            if len(prompt) < needed or set(prompt[-needed:]) - set(BASES):
                raise ValueError(
                    f"a reading frame begins {needed} bases before what is written: expected a prompt that"
                    f" ends on {needed} of A, C, G and T, found {prompt[-needed:] or 'none'!r}"
                )


def _shifted(layer: np.ndarray) -> np.ndarray:
    """Bits of counts as they are before one more G or C is read."""
    found = layer >> np.uint64(1)
    found[:, :-1] |= layer[:, 1:] << np.uint64(_WORD - 1)
    return found
