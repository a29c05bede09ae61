"""Writing sequence with a causal model, one base at a time, from carried state.

Cached generation gives what the full forward pass gives, for prompts of every length: filters shorter than
their history are padded with zeros on the left (the published code misreads prompts of 1 to 5 bases).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from genomic_models.contract import DNAModel, Edit, Forward, ModelError
from genomic_models.dna import BASES, base_letters, refuse_string


@dataclass(frozen=True)
class Sampling:
    """How the next base is drawn.

    Attributes
    ----------
    temperature : float
        Above 1 evener, below 1 more certain.
    top_k : int
        Only the most likely so many bases; 1 takes the best, 0 or 4 keep all. Comes first.
    top_p : float
        Only the most likely bases that together have this share; comes after the temperature, off at 1.
    seed : int
        Each row has a stream of its own, so that it does not depend on what else is in the batch.

    Raises
    ------
    ModelError
        For settings out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.temperature < float("inf") and 0 < self.top_p <= 1 and self.top_k >= 0 <= self.seed):
            raise ModelError(
                f"temperature {self.temperature}, top_p {self.top_p}, top_k {self.top_k}, seed {self.seed}:"
                " expected temperature > 0, 0 < top_p <= 1, top_k >= 0, seed >= 0"
            )

    def chances(self, rows: Sequence[tuple[int, ...]], length: int) -> Tensor:
        """Float64 ``(rows, length)``, even over [0, 1): draws of each row, by its numbers and the seed."""
        streams = [np.random.default_rng([self.seed, *row]).random(length) for row in rows]
        return torch.from_numpy(np.stack(streams))

    def draw(self, logits: Tensor, chance: Tensor) -> Tensor:
        """One of four bases a row: int64 ``(B,)``.

        Parameters
        ----------
        logits : Tensor
            ``(B, 4)``; minus infinity for a base that may not come.
        chance : Tensor
            ``(B,)`` float64 in [0, 1): where on the cumulated probability the base lies.
        """
        if self.top_k == 1:
            return logits.argmax(-1)
        values, index = logits.double().sort(dim=-1, descending=True, stable=True)
        if self.top_k:
            values, index = values[:, : self.top_k], index[:, : self.top_k]
        p = (values / self.temperature).softmax(-1)
        if self.top_p < 1:
            p = torch.where(p.cumsum(-1) - p < self.top_p, p, 0.0)
        sums = p.cumsum(-1)
        place = (sums <= chance[:, None] * sums[:, -1:]).sum(-1, keepdim=True)
        # Rounding alone can lead past the last base that is possible.
        place = torch.minimum(place, (p > 0).sum(-1, keepdim=True) - 1)
        return index.gather(-1, place)[:, 0]


class Guide(Protocol):
    """What says which bases may come next, row by row; what it allows can always be gone on with."""

    def allowed(self) -> Tensor:
        """Bool ``(B, 4)``, A, C, G, T; at least one a row."""

    def take(self, choice: Tensor) -> None:
        """Go on by the bases that were drawn, int64 ``(B,)``."""


# Reads tokens ``(B, L)`` after a state; gives the values and the new state.
Read = Callable[[Tensor, object], tuple[Forward, object]]


@dataclass(frozen=True)
class Generated:
    """A sequence that a model wrote.

    Attributes
    ----------
    prompt, sequence : str
        What it was given, and what it wrote after it.
    nats : numpy.ndarray
        ``(n,)`` float32, log-probability of each base written under the untempered distribution over the
        whole vocabulary; NaN for a first base that nothing predicts.
    """

    prompt: str
    sequence: str
    nats: np.ndarray

    def __repr__(self) -> str:
        begins = self.sequence if len(self.sequence) <= 40 else f"{self.sequence[:37]}..."
        return f"Generated({begins!r}, {len(self.sequence):,} bases after {len(self.prompt):,})"


def check_writer(model: DNAModel) -> Tensor:
    """Ids of the four bases; ``ModelError`` for a model that does not write base after base."""
    bases = model.base_tokens()
    if bases is None or not model.causal:
        raise ModelError(f"model {model.name} does not write base after base: it cannot generate")
    return bases.to(model.device)


def extend(
    read: Read,
    logits: Tensor | None,
    state: object,
    bases: Tensor,
    chances: Tensor,
    sampling: Sampling,
    guide: Guide | None = None,
    told: Callable[[int], object] = lambda count: None,
) -> tuple[list[str], np.ndarray]:
    """Write on from a state, all rows of a batch in step.

    Parameters
    ----------
    read : callable
        How tokens are read.
    logits : Tensor or None
        ``(B, V)``, what predicts the first base; None where nothing was read, and all four are as likely.
    state : object
        After what was read; None for nothing.
    bases : Tensor
        Ids of A, C, G and T.
    chances : Tensor
        ``(B, length)``, see `Sampling.chances`.
    sampling : Sampling
    guide : Guide, optional
        Bases that it does not allow are not drawn; the others keep their proportions.
    told : callable
        Called with the number of bases written since the last call.

    Returns
    -------
    sequences : list of str
    nats : ndarray
        ``(B, length)`` float32, see `Generated`.
    """
    rows, length = chances.shape
    chances = chances.to(bases.device) if bases.device.type != "mps" else chances.float().to(bases.device)
    written = torch.empty(length, rows, dtype=torch.int64, device=bases.device)
    nats = torch.full((length, rows), float("nan"), device=bases.device)
    even = torch.zeros(rows, len(BASES), device=bases.device)
    for step in range(length):
        given = even if logits is None else logits[:, bases].float()
        allowed = given if guide is None else given.masked_fill(~guide.allowed().to(given.device), -torch.inf)
        choice = sampling.draw(allowed, chances[:, step])
        if guide is not None:
            guide.take(choice)
        written[step] = choice
        if logits is not None:
            chosen = given.gather(-1, choice[:, None])[:, 0]
            nats[step] = chosen - logits.float().logsumexp(-1)
        told(rows)
        if step + 1 < length:
            forward, state = read(bases[choice][:, None], state)
            assert forward.logits is not None
            logits = forward.logits[:, -1]
    codes = written.T.to("cpu", torch.uint8).numpy()
    return [base_letters(np.ascontiguousarray(row)) for row in codes], nats.T.cpu().numpy()


def generate(
    model: DNAModel,
    prompts: Sequence[str],
    length: int,
    sampling: Sampling | None = None,
    edits: Mapping[str, Edit] | None = None,
) -> list[Generated]:
    """Continue each prompt by ``length`` bases.

    Only A, C, G and T are drawn. Prompts of one length run as one batch. Returns one ``Generated`` a prompt,
    in their order. Raises ``ModelError`` for a model that cannot write base after base, ``TypeError`` for one
    string in place of a list of prompts.
    """
    refuse_string(prompts)
    bases, sampling = check_writer(model), sampling or Sampling()
    if length < 1:
        raise ModelError(f"length {length}: expected length >= 1")
    read = partial(model.read, edits=edits)
    results: dict[int, Generated] = {}
    for size in sorted({len(p) for p in prompts}):
        rows = [i for i, p in enumerate(prompts) if len(p) == size]
        forward, state = read(model.tokenize([prompts[i] for i in rows]).ids)
        assert forward.logits is not None
        chances = sampling.chances([(i,) for i in rows], length)
        sequences, nats = extend(read, forward.logits[:, -1], state, bases, chances, sampling)
        for row, sequence, values in zip(rows, sequences, nats, strict=True):
            results[row] = Generated(prompts[row], sequence, values)
    return [results[i] for i in range(len(prompts))]
