"""Canvases where they stand, read on either strand, as the model is or under a plan.

What a causal model has read before a canvas is the same for everything that is put there, so that its state
is kept and a canvas costs what its own bases cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from feature_mining.edits.apply import Applied, Dictionary
from feature_mining.edits.passes import State, read, repeat
from feature_mining.edits.plan import EditPlan
from genomic_models.contract import DNAModel, ModelError
from genomic_models.dna import BASES, reverse_complement

UNEDITED = EditPlan()


class Reading(NamedTuple):
    """What one strand's reading of canvases gives, in the direction and the letters of the plus strand.

    x : ``(B, L, d)`` float32, the layer's activation at each base
    logs : ``(B, L, 4)`` float32, log-probabilities of A, C, G and T at each base as the bases before it in
        the direction of the reading predict them, over the four; empty where only activations were asked for
    """

    x: Tensor
    logs: Tensor


class Scene:
    """Places of one size for canvases.

    Parameters
    ----------
    model : DNAModel
        Causal, one token a base, with state that can be carried.
    layer : str
        Tap whose activations are read.
    befores, afters : sequence of str
        What stands before and after each place on the plus strand, of A, C, G and T; all befores have one
        length, and all afters.
    told : callable
        Called with the number of bases read since the last call.

    Raises
    ------
    ModelError
        For a model that does not read base after base.
    """

    def __init__(
        self,
        model: DNAModel,
        layer: str,
        befores: Sequence[str],
        afters: Sequence[str],
        told: Callable[[int], object] = lambda count: None,
    ) -> None:
        bases = model.base_tokens()
        if bases is None or not model.causal:
            raise ModelError(f"model {model.name} does not read base after base: nothing can be painted")
        self.model, self.layer, self.bases, self.told = model, layer, bases.to(model.device), told
        self.befores, self.afters = list(befores), list(afters)
        self._states: dict[tuple[str, EditPlan], State | None] = {}

    @property
    def places(self) -> int:
        """How many places there are."""
        return len(self.befores)

    def heads(self, strand: str) -> list[str]:
        """What a strand's reading begins with, place by place."""
        return self.befores if strand == "+" else [reverse_complement(text) for text in self.afters]

    def read(
        self,
        canvases: Sequence[str],
        strand: str,
        plan: EditPlan = UNEDITED,
        dictionaries: dict[str, Dictionary] | None = None,
        predictions: bool = True,
    ) -> Reading:
        """Read canvases of one length, as many at each place, those of the first place first.

        ``predictions`` False reads no further than the layer.
        """
        times, rest = divmod(len(canvases), self.places)
        if rest or not times:
            raise ValueError(f"{len(canvases)} canvases for {self.places} places: expected as many at each")
        heads = self.heads(strand)
        applied = Applied([plan], dictionaries or {}, [strand] * len(canvases))
        state = self._state(strand, heads, plan, dictionaries or {})
        state = repeat(self.model, state, times) if state is not None and times > 1 else state
        # The base before a canvas predicts its first, and is read again with it.
        texts = canvases if strand == "+" else [reverse_complement(text) for text in canvases]
        lasts = [head[-1:] for head in heads for _ in range(times)]
        ids = self.model.tokenize([last + text for last, text in zip(lasts, texts, strict=True)]).ids
        size = len(texts[0])
        self.told(ids.numel())
        if predictions or applied.needs_shadow:
            forward, _ = read(self.model, ids, applied, state, [self.layer])
        else:
            before = None if state is None else state.edited
            forward, _ = self.model.read(ids, before, [self.layer], self.layer, applied.edits)
        x = forward.taps[self.layer][:, -size:].float()
        logs = x.new_zeros(0)
        if predictions:
            assert forward.logits is not None
            logs = forward.logits[:, :, self.bases].float().log_softmax(-1)
            even = torch.full_like(logs[:, :1], 1 / len(BASES)).log()
            logs = torch.cat([even, logs], dim=1)[:, -size - 1 : -1]
        if strand == "-":
            x = x.flip(1)
            logs = logs.flip(1, 2) if predictions else logs  # A and T, C and G change places
        return Reading(x, logs)

    def _state(
        self, strand: str, heads: Sequence[str], plan: EditPlan, dictionaries: dict[str, Dictionary]
    ) -> State | None:
        """The state after all but the last base before each canvas."""
        key = (strand, plan)
        if key not in self._states:
            state = None
            if len(heads[0]) > 1:
                applied = Applied([plan], dictionaries, [strand] * len(heads))
                ids = self.model.tokenize([head[:-1] for head in heads]).ids
                self.told(ids.numel())
                state = cast(State, read(self.model, ids, applied)[1])
            self._states[key] = state
        return self._states[key]
