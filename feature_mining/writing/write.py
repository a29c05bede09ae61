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
from feature_mining.rules.direct import Deed, Director, Listener
from feature_mining.rules.rule_set import RuleSet
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
    deeds : tuple of Deed
        What rules did, in the order of the bases at which they fired.
    """

    prompt: int
    plan: int
    copy: int
    sequence: str
    nats: np.ndarray
    deeds: tuple[Deed, ...] = ()


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
    rules: RuleSet | None = None,
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
    rules : RuleSet, optional
        They look at what the model reads, before any edit there, and act from the next base on; a sequence
        that they stop is shorter. Their positions count from the first base of the prompt, in which they do
        not fire.

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
    hashes = {layer: d.sae.hash for layer, d in (dictionaries or {}).items()}
    if rules is not None:
        rules.check(model.weights_hash, hashes)
        if any(edit.where.entropy for plan in rules.plans.values() for edit in plan.edits):
            raise ValueError("a plan that a rule brings in cannot wait for entropy; leave its gate out")
    for plan in (*plans, *(rules.plans.values() if rules is not None else ())):
        plan.check(model.weights_hash, hashes)
        _check_places(plan, min(map(len, prompts), default=0) + length)
    copies = min(number, together)
    lattice = lattice_of(constraints, length, prompts) if constraints else None
    found: list[Written] = []
    for size in sorted({len(prompt) for prompt in prompts}):
        heads = [(i, j) for i, prompt in enumerate(prompts) if len(prompt) == size for j in range(len(plans))]
        for group in _portions(heads, max(1, together // copies)):
            for chosen in _portions(range(number), copies):
                rows = [(i, copy) for i, _ in group for copy in chosen]
                guide: Guide | Director | None = None
                if lattice is not None:
                    guide = Guide(lattice, [i for i, _ in rows])
                own = [plans[j] for _, j in group]
                sides = [strands[i] for i, _ in group] if strands else []
                batch = _Batch(model, dictionaries or {}, own, len(chosen), sides)
                if rules is not None:
                    sides = sides or ["+"] * len(group)
                    guide = Director(rules, _each(own, len(chosen)), _each(sides, len(chosen)), size, guide)
                    batch = _RuledBatch(batch, rules, guide)
                logits, state = batch.begin([prompts[i] for i, _ in group])
                chances = sampling.chances(rows, length)
                texts, nats = extend(batch.read, logits, state, bases, chances, sampling, guide, told)
                keys = [(i, j, copy) for i, j in group for copy in chosen]
                kept = batch.end(texts, nats)
                found += [Written(*key, *row) for key, row in zip(keys, kept, strict=True)]
    return sorted(found, key=lambda each: (each.prompt, each.plan, each.copy))


# What is kept of a row: letters, log-probabilities, and what rules did.
_Kept = tuple[str, np.ndarray, tuple[Deed, ...]]


class _Batch:
    """How the rows of one batch are read: heads, each ``copies`` times over."""

    def __init__(
        self,
        model: DNAModel,
        dictionaries: Mapping[str, Dictionary],
        heads: Sequence[EditPlan],
        copies: int,
        strands: Sequence[str],
    ) -> None:
        self.model, self.copies, self.dictionaries = model, copies, dictionaries
        self.strands = _each(strands, copies)
        self.heads = Applied(heads, dictionaries, strands)
        self.rows = Applied(_each(heads, copies), dictionaries, self.strands)

    def begin(self, prompts: Sequence[str]) -> tuple[Tensor | None, State | None]:
        """Read the prompts once; what predicts the first base of every row, and the state of every row."""
        if not prompts[0]:
            return None, None
        forward, state = read(self.model, self.model.tokenize(prompts).ids, self.heads)
        assert forward.logits is not None
        logits = forward.logits[:, -1].repeat_interleave(self.copies, 0)
        return logits, repeat(self.model, state, self.copies) if self.copies > 1 else state

    def read(self, ids: Tensor, state: object) -> tuple[Forward, object]:
        """Read the bases that were drawn."""
        return read(self.model, ids, self.rows, cast("State | None", state))

    def end(self, texts: list[str], nats: np.ndarray) -> list[_Kept]:
        """What is kept of every row."""
        return [(text, own, ()) for text, own in zip(texts, nats, strict=True)]


class _RuledBatch(_Batch):
    """A batch whose rows are under rules."""

    def __init__(self, batch: _Batch, rules: RuleSet, director: Director) -> None:
        vars(self).update(vars(batch))
        self._director, self._listener = director, Listener(rules, batch.dictionaries[rules.layer])
        self._state: object = None
        for applied in (self.heads, self.rows):
            applied.edits = self._listener.before(applied.edits)

    def begin(self, prompts: Sequence[str]) -> tuple[Tensor | None, State | None]:
        logits, state = super().begin(prompts)
        if state is not None:
            self._director.hear(self._listener.levels.repeat(self.copies, axis=0))
        self._state = state
        return logits, state

    def read(self, ids: Tensor, state: object) -> tuple[Forward, object]:
        forward, self._state = super().read(ids, state)
        plans = self._director.hear(self._listener.levels)
        if plans is not None:
            self.rows = Applied(plans, self.dictionaries, self.strands)
            self.rows.edits = self._listener.before(self.rows.edits)
        return forward, self._state

    def end(self, texts: list[str], nats: np.ndarray) -> list[_Kept]:
        # Rules also hear the last bases, which nothing else is read for.
        self.read(self.model.tokenize([text[-1] for text in texts]).ids, self._state)
        ends = self._director.ends()
        return [
            (text[:size], own[:size], tuple(deeds))
            for text, own, (size, deeds) in zip(texts, nats, ends, strict=True)
        ]


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
