"""Rules with the concepts and plans that they name, as a file that reads aloud."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from feature_mining.concepts.concept import Concept
from feature_mining.edits.plan import EditPlan
from feature_mining.json_fields import JsonFields
from feature_mining.rules.rule import Rule

VERSION = 1


@dataclass(frozen=True)
class RuleSet:
    """Rules in the order in which they act, and what their names stand for.

    Attributes
    ----------
    rules : tuple of Rule
    concepts : mapping of str to Concept
        By the names in the rules. All are of one layer.
    plans : mapping of str to EditPlan
    """

    rules: tuple[Rule, ...]
    concepts: Mapping[str, Concept]
    plans: Mapping[str, EditPlan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        for rule in self.rules:
            for condition in rule.conditions:
                if condition.concept not in self.concepts:
                    raise ValueError(f"{rule}: no concept is called {condition.concept}")
            if rule.action.kind in ("apply", "switch") and rule.action.of not in self.plans:
                raise ValueError(f"{rule}: no plan is called {rule.action.of}")
        if not self.rules:
            raise ValueError("no rule")
        if len(layers := {concept.layer for concept in self.concepts.values()}) > 1:
            raise ValueError(f"concepts of several layers ({', '.join(sorted(layers))}); expected one")

    def __str__(self) -> str:
        return "\n".join(map(str, self.rules))

    @property
    def layer(self) -> str:
        """Tap whose features the concepts are made of."""
        return next(iter(self.concepts.values())).layer

    @property
    def names(self) -> tuple[str, ...]:
        """Concepts that rules look at, in the order of their first use."""
        return tuple(dict.fromkeys(each.concept for rule in self.rules for each in rule.conditions))

    def check(self, model: str, autoencoders: Mapping[str, str]) -> None:
        """Raise ``ValueError`` with both hashes for a concept or plan of another model or autoencoder."""
        if self.layer not in autoencoders:
            known = ", ".join(autoencoders) or "none"
            raise ValueError(f"the rules look at {self.layer}; there is an autoencoder for {known}")
        for concept in self.concepts.values():
            concept.check(model, autoencoders[self.layer])
        for name, plan in self.plans.items():
            try:
                plan.check(model, autoencoders)
            except ValueError as error:
                raise ValueError(f"plan {name}: {error}") from None

    def to_json(self) -> str:
        """The rules as text; ``from_json`` gives them back."""
        values = {
            "version": VERSION,
            "rules": [str(rule) for rule in self.rules],
            "concepts": {name: json.loads(concept.to_json()) for name, concept in self.concepts.items()},
            "plans": {name: json.loads(plan.to_json()) for name, plan in self.plans.items()},
        }
        return json.dumps(values, indent=1)

    @classmethod
    def from_json(cls, text: str) -> RuleSet:
        """The rules that a text says; ``ValueError`` names the line and the field that is wrong."""
        read = JsonFields(text, "the file of rules")
        read.check_keys((), ("version", "rules", "concepts", "plans"))
        if read.values["version"] != VERSION:
            raise read.wrong(("version",), f"{VERSION}, which this program reads")
        for name in ("concepts", "plans"):
            if not isinstance(read.values[name], dict):
                raise read.wrong((name,), "an object, by names")
        if not isinstance(read.values["rules"], list) or not read.values["rules"]:
            raise read.wrong(("rules",), "a list of sentences")
        rules = []
        for number in range(len(read.values["rules"])):
            try:
                rules.append(Rule.of(read.string("rules", number)))
            except ValueError as error:
                raise read.wrong(("rules", number), f"a rule: {error}") from None
        concepts = {name: Concept.from_json(read.part("concepts", name)) for name in read.values["concepts"]}
        plans = {}
        for name in read.values["plans"]:
            try:
                plans[name] = EditPlan.from_json(read.part("plans", name))
            except ValueError as error:
                raise read.wrong(("plans", name), f"a plan: {error}") from None
        try:
            return cls(tuple(rules), concepts, plans)
        except ValueError as error:
            raise ValueError(f"the file of rules: {error}") from None
