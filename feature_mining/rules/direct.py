"""Rules over rows that are being written: what each may draw next, and which plan it is under."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from feature_mining.edits.apply import Dictionary
from feature_mining.edits.plan import EditPlan
from feature_mining.rules.rule_set import RuleSet
from feature_mining.rules.watch import Fired, Watch
from genomic_models.contract import Edit, TapContext
from genomic_models.dna import BASES
from genomic_models.generation import Guide


class Listener:
    """How strongly concepts are present in activations that pass, before any edit of them.

    Attributes
    ----------
    levels : ndarray
        float64 ``(B, L, concepts)`` of the last pass, in the order of ``RuleSet.names``.
    """

    def __init__(self, rules: RuleSet, dictionary: Dictionary) -> None:
        if len(dictionary.reads) > 1:
            raise ValueError(f"{rules.layer}: rules look at one layer; this autoencoder reads several")
        self.tap = dictionary.reads[0]
        concepts = [rules.concepts[name] for name in rules.names]
        features = sorted({feature for concept in concepts for feature in concept.features})
        if features[-1] >= dictionary.sae.config.d_sae:
            last = dictionary.sae.config.d_sae - 1
            raise ValueError(f"{rules.layer}: no feature {features[-1]}; the autoencoder has 0 to {last}")
        self._part = dictionary.part(features)
        units = dictionary.unit.cpu().numpy()
        self._weights = np.zeros((len(features), len(concepts)))
        for column, concept in enumerate(concepts):
            rows = np.searchsorted(features, concept.features)
            self._weights[rows, column] = concept.coefficients(units) / concept.top
        self.levels = np.zeros((0, 0, len(concepts)))

    def hear(self, x: Tensor) -> np.ndarray:
        """Levels float64 ``(n, concepts)`` of activations ``(n, d)``."""
        return self._part.encode(x.float()).cpu().numpy() @ self._weights

    def before(self, edits: Mapping[str, Edit]) -> dict[str, Edit]:
        """Edits by tap, each pass of which it listens to first."""
        own = edits.get(self.tap)

        def heard(x: Tensor, context: TapContext) -> Tensor:
            self.levels = self.hear(x.flatten(0, 1)).reshape(*x.shape[:2], -1)
            return x if own is None else own(x, context)

        return {**edits, self.tap: heard}


@dataclass
class Deed:
    """A rule that fired while a row was written.

    Attributes
    ----------
    fired : Fired
        ``at`` counts from the first base of the prompt.
    sentence : str
        The rule.
    done : str
        What became of it.
    """

    fired: Fired
    sentence: str
    done: str


@dataclass
class _Insertion:
    """Bases that come next, as codes, and how many of them have come."""

    deed: Deed
    codes: list[int]
    come: int = 0

    def cut(self, why: str) -> None:
        """Say that it stops short."""
        self.deed.done += f": {self.come} of {len(self.codes)} bases, then {why}"


@dataclass
class _Row:
    """Where a row stands.

    base, applied : its plan, and those beside it with the base at which each ends
    now : all of them together
    end : base after its last, once it has been stopped
    """

    watch: Watch
    base: EditPlan
    now: EditPlan
    applied: list[tuple[float, EditPlan]] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    insertions: list[_Insertion] = field(default_factory=list)
    end: int | None = None


class Director:
    """Rows of a batch under rules.

    Parameters
    ----------
    rules : RuleSet
    plans : sequence of EditPlan
        One a row.
    strands : sequence of str
        Strand of each row's reading.
    first : int
        Position of the first base that is written: before it, conditions are followed but nothing fires.
    guide : Guide, optional
        Constraints, which go before rules: a base that they do not allow ends an insertion.
    """

    def __init__(
        self,
        rules: RuleSet,
        plans: Sequence[EditPlan],
        strands: Sequence[str],
        first: int,
        guide: Guide | None = None,
    ) -> None:
        if placed := next((rule for rule in rules.rules if rule.near), None):
            raise ValueError(f"{placed}: what is written has no annotation; rules with a track only scan")
        self._rules, self._guide = rules, guide
        self._first, self._at = first, 0
        self._rows = [
            _Row(Watch(rules, strand), plan, plan) for plan, strand in zip(plans, strands, strict=True)
        ]

    def allowed(self) -> Tensor:
        """Bool ``(B, 4)``: the bases that may come next."""
        found = torch.ones(len(self._rows), len(BASES), dtype=torch.bool)
        if self._guide is not None:
            found = self._guide.allowed().clone()
        for number, row in enumerate(self._rows):
            while row.insertions:
                base = row.insertions[0].codes[row.insertions[0].come]
                if found[number, base]:
                    found[number] = torch.arange(len(BASES)) == base
                    break
                row.insertions.pop(0).cut("a limit forbade the next")
        return found

    def take(self, choice: Tensor) -> None:
        """Go on by the bases that were drawn."""
        if self._guide is not None:
            self._guide.take(choice)
        for row in self._rows:
            if row.insertions:
                row.insertions[0].come += 1
                if row.insertions[0].come == len(row.insertions[0].codes):
                    row.insertions.pop(0)

    def hear(self, levels: np.ndarray) -> list[EditPlan] | None:
        """Go on by levels ``(B, n, concepts)`` of bases that were read, of the prompt or written.

        Returns the plans of all rows from the next base on where one of them changed, else None.
        """
        mute = self._at < self._first
        self._at += levels.shape[1]
        changed = False
        for row, own in zip(self._rows, levels, strict=True):
            found = row.watch.read(own, mute=mute or row.end is not None)
            for fired in found:
                self._do(row, fired)
            live = [(until, plan) for until, plan in row.applied if self._at < until]
            if found or len(live) < len(row.applied):
                row.applied = live
                parts = (row.base, *(plan for _, plan in live))
                now = replace(row.base, edits=tuple(edit for plan in parts for edit in plan.edits))
                row.now, changed = now, changed or now != row.now
        return [row.now for row in self._rows] if changed else None

    def ends(self) -> list[tuple[int | None, list[Deed]]]:
        """Of every row how many of its bases it keeps, None for all, and what rules did."""
        for row in self._rows:
            for insertion in row.insertions:
                insertion.cut("the sequence ended")
            row.insertions = []
        return [(None if row.end is None else row.end - self._first, row.deeds) for row in self._rows]

    def _do(self, row: _Row, fired: Fired) -> None:
        rule = self._rules.rules[fired.rule]
        kind, of, bases = rule.action.kind, rule.action.of, rule.action.bases
        deed = Deed(fired, str(rule), "recorded")
        row.deeds.append(deed)
        if kind == "stop":
            deed.done, row.end = "stopped", fired.at + 1
        elif kind == "insert":
            deed.done = f"inserted {of}"
            row.insertions.append(_Insertion(deed, [BASES.index(base) for base in of]))
        elif kind == "switch":
            deed.done = f"switched to {of}"
            row.base, row.applied = self._rules.plans[of], []
        elif kind == "apply":
            deed.done = f"applied {of}" + (f" for {bases} bases" if bases else "")
            row.applied.append((fired.at + 1 + bases if bases else math.inf, self._rules.plans[of]))
