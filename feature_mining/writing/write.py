"""Many sequences written at once: rows in step from carried state, each under a plan of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import Tensor

from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.passes import State, read, repeat
from feature_mining.edits.plan import EditPlan
from feature_mining.writing.constraints import Constraint
from feature_mining.writing.guide import Guide, lattice_of
from genomic_models.contract import DNAModel, Forward, ModelError
from genomic_models.dna import refuse_string
from genomic_models.generation import Sampling, check_writer, extend


@dataclass(frozen=True)
class Written:
    """A sequence that a model wrote.

    Attributes
    ----------
    prompt, plan, copy : int
        Which prompt it follows, under which plan, and the how manieth of the two it is.
    sequence : str
        In the direction of the reading, without the prompt.
    nats : ndarray
        ``(n,)`` float32, log-probability of each base under the plan, over the whole vocabulary, whatever
        the temperature and the constraints; NaN for a first base that nothing predicts.
    """

    prompt: int
    plan: int
    copy: int
    sequence: str
    nats: np.ndarray


def write(
    model: DNAModel,
    prompts: Sequence[str],
    length: int,
    plans: Sequence[EditPlan] = (EditPlan(),),
    dictionaries: Mapping[str, Dictionary] | None = None,
    strands: Sequence[str] = (),
    constraints: Sequence[Constraint] = (),
    sampling: Sampling | None = None,
    number: int = 1,
    together: int = 64,
    told: Callable[[int], object] = lambda count: None,
) -> list[Written]:
    """Continue each prompt ``number`` times under each plan.

    Prompts of one length are written together; each is read once for all sequences of a batch. A sequence's
    draws depend on the seed, its prompt's number and its own, so that sequences under two plans differ by the
    plans alone, and none depends on what else is in the batch (but where a draw falls so near the boundary of
    two bases that the rounding of a product of another size decides).

    Parameters
    ----------
    model : DNAModel
        Causal, one token a base, with state that can be carried.
    prompts : sequence of str
        In the direction of the reading; an empty one for none, after which the first base is any of the four
        with the same probability.
    length : int
        Bases written a sequence.
    plans : sequence of EditPlan
        Their positions count from the first base of the prompt.
    dictionaries : mapping of str to Dictionary
        By layer, for the plans.
    strands : sequence of str
        Strand that each prompt's reading is of; plus where empty.
    constraints : sequence of Constraint
        In positions of what is written, in the direction of the reading.
    sampling : Sampling, optional
    number : int
        Sequences a prompt and plan.
    together : int
        Rows of a batch.
    told : callable
        Called with the number of bases written since the last call.

    Returns
    -------
    list of Written
        By prompt, plan and copy.

    Raises
    ------
    ModelError
        For a model that cannot write, and a prompt that leaves no room in its context.
    ValueError
        For a plan of another model or autoencoder, an edit that acts nowhere in what is read and
        written, and constraints that cannot be met.
    TypeError
        For one string in place of a list of prompts.
    """
    refuse_string(prompts)
    sampling = sampling or Sampling()
    bases = check_writer(model)
    _check_lengths(model, prompts, length, number, together)
    for plan in plans:
        plan.check(model.weights_hash, {layer: d.sae.hash for layer, d in (dictionaries or {}).items()})
        _check_places(plan, min(map(len, prompts), default=0) + length)
    copies = min(number, together)
    lattice = lattice_of(constraints, length, prompts) if constraints else None
    found: list[Written] = []
    for size in sorted({len(prompt) for prompt in prompts}):
        heads = [(i, j) for i, prompt in enumerate(prompts) if len(prompt) == size for j in range(len(plans))]
        for group in _portions(heads, max(1, together // copies)):
            for chosen in _portions(range(number), copies):
                writer = _Batch(model, dictionaries or {}, group, len(chosen), plans, strands)
                logits, state = writer.begin([prompts[i] for i, _ in group])
                rows = [(i, copy) for i, _ in group for copy in chosen]
                chances = sampling.chances(rows, length)
                guide = Guide(lattice, [i for i, _ in rows]) if lattice is not None else None
                texts, nats = extend(writer.read, logits, state, bases, chances, sampling, guide, told)
                keys = [(i, j, copy) for i, j in group for copy in chosen]
                found += [Written(*key, *row) for key, *row in zip(keys, texts, nats, strict=True)]
    return sorted(found, key=lambda each: (each.prompt, each.plan, each.copy))


class _Batch:
    """How the rows of one batch are read: heads, each ``copies`` times over."""

    def __init__(
        self,
        model: DNAModel,
        dictionaries: Mapping[str, Dictionary],
        heads: Sequence[tuple[int, int]],
        copies: int,
        plans: Sequence[EditPlan],
        strands: Sequence[str],
    ) -> None:
        self.model, self.copies = model, copies
        own = [plans[j] for _, j in heads]
        turned = [strands[i] for i, _ in heads] if strands else []
        self._heads = Applied(own, dictionaries, turned)
        self._rows = Applied(_each(own, copies), dictionaries, _each(turned, copies))

    def begin(self, prompts: Sequence[str]) -> tuple[Tensor | None, State | None]:
        """Read the prompts once; what predicts the first base of every row, and the state of every row."""
        if not prompts[0]:
            return None, None
        forward, state = read(self.model, self.model.tokenize(prompts).ids, self._heads)
        assert forward.logits is not None
        logits = forward.logits[:, -1].repeat_interleave(self.copies, 0)
        return logits, repeat(self.model, state, self.copies) if self.copies > 1 else state

    def read(self, ids: Tensor, state: object) -> tuple[Forward, object]:
        """Read the bases that were drawn."""
        return read(self.model, ids, self._rows, cast("State | None", state))


def _each(items: Sequence, times: int) -> list:
    """Each item so many times over."""
    return [item for item in items for _ in range(times)]


def _portions(items: Sequence, size: int) -> list[Sequence]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _check_lengths(model: DNAModel, prompts: Sequence[str], length: int, number: int, together: int) -> None:
    if length < 1 or number < 1 or together < 1:
        raise ModelError(f"length {length}, number {number}, together {together}: expected 1 or more of each")
    longest = max(map(len, prompts), default=0)
    if longest + length > model.context:
        raise ModelError(
            f"a prompt of {longest:,} bases and {length:,} to write are {longest + length:,}: model"
            f" {model.name} reads at most {model.context:,}; give a shorter prompt or write less"
        )


def _check_places(plan: EditPlan, total: int) -> None:
    for edit in plan.edits:
        intervals = edit.where.intervals
        if intervals and min(start for start, _ in intervals) >= total:
            raise ValueError(
                f"{edit}: lies outside of the {total:,} bases that are read and written, counted from the"
                " first base of the prompt"
            )
