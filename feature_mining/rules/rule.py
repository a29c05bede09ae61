"""A rule: when concepts are present, something is done. Its sentence and the rule are the same thing.

``when stop > 0.5 until 0.3 for 3 bases and gene < 0.2, within 100-500, on the plus strand: insert TAATAA;
wait 50 bases; at most 2 times``

``when 213 > 0.2, within 30 bases of the end of gene: record``
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
# A colon within a name, as in factor:3, is not the one after which the action comes.
_NAME = r"(?:[^\s:;,]|:(?=\S))+"
_CONDITION = re.compile(
    rf"(?P<concept>{_NAME}) (?P<sign>[<>]) (?P<threshold>{_NUMBER})(?: until (?P<until>{_NUMBER}))?"
    r"(?: for (?P<run>\d+) bases?)?"
)
_RULE = re.compile(
    r"when (?P<conditions>(?:[^:;,]|:(?=\S))+)(?:, within (?P<start>\d+)-(?P<end>\d*))?"
    rf"(?:, within (?P<distance>\d+) bases? of (?:the (?P<side>start|end) of )?(?P<near>{_NAME}))?"
    r"(?:, on the (?P<strand>plus|minus) strand)?: (?P<action>[^:;,]+)(?:; wait (?P<wait>\d+) bases?)?"
    r"(?:; at most (?P<budget>\d+) times?)?"
)
_ACTION = re.compile(
    rf"(?P<record>record)|(?P<stop>stop)|insert (?P<insert>[ACGT]+)|switch to (?P<switch>{_NAME})"
    rf"|apply (?P<apply>{_NAME})(?: for (?P<bases>\d+) bases?)?"
)
FORM = (
    "when CONCEPT > NUMBER [until NUMBER] [for N bases] [and ...][, within START-END][, within N bases of"
    " [the start|end of] TRACK][, on the plus|minus strand]: record | stop | insert BASES | apply PLAN [for N"
    " bases] | switch to PLAN[; wait N bases][; at most N times]"
)
_STRANDS = {"plus": "+", "minus": "-"}
SIDES = ("", "start", "end")
KINDS = ("record", "stop", "insert", "switch", "apply")


@dataclass(frozen=True)
class Condition:
    """A level of a concept that has to hold.

    Attributes
    ----------
    concept : str
        Name.
    threshold : float
        Of the level, as a share of the concept's ``top``.
    above : bool
        Whether it holds above the threshold, or below.
    until : float, optional
        Once it holds, it goes on until the level comes back past this one (hysteresis).
    run : int
        Bases in a row for which it has to hold.
    """

    concept: str
    threshold: float
    above: bool = True
    until: float | None = None
    run: int = 1

    def __post_init__(self) -> None:
        numbers = [self.threshold, *([] if self.until is None else [self.until])]
        if not re.fullmatch(_NAME, self.concept) or not all(map(math.isfinite, numbers)):
            raise ValueError(f"condition on {self.concept!r}: expected a name in one word and finite numbers")
        until = self.threshold if self.until is None else self.until
        if until > self.threshold if self.above else until < self.threshold:
            side = "below" if self.above else "above"
            raise ValueError(f"{self}: expected until {side} the threshold")
        if self.run < 1:
            raise ValueError(f"{self}: expected 1 base or more")

    def __str__(self) -> str:
        until = "" if self.until is None else f" until {self.until:.12g}"
        run = "" if self.run == 1 else f" for {self.run} bases"
        return f"{self.concept} {'>' if self.above else '<'} {self.threshold:.12g}{until}{run}"


@dataclass(frozen=True)
class Action:
    """What is done.

    Attributes
    ----------
    kind : str
        ``record``: nothing more. ``stop``: the sequence ends here. ``insert``: the next bases are ``of``.
        ``apply``: the plan ``of`` acts beside the present one on the next ``bases`` bases, or to the end.
        ``switch``: it takes the present one's place.
    of : str
        Letters, or the name of a plan.
    bases : int
        Of ``apply``; 0 for to the end.
    """

    kind: str
    of: str = ""
    bases: int = 0

    def __post_init__(self) -> None:
        if not _ACTION.fullmatch(str(self)):
            raise ValueError(f"action {str(self)!r}: expected record, stop, insert, apply or switch")

    def __str__(self) -> str:
        if self.kind == "switch":
            return f"switch to {self.of}"
        length = f" for {self.bases} base{'s' * (self.bases > 1)}" if self.bases else ""
        return f"{self.kind} {self.of}{length}" if self.of else self.kind


@dataclass(frozen=True)
class Rule:
    """When all conditions hold, something is done.

    It fires at the first base at which they hold together, and again only after they have ceased to.

    Attributes
    ----------
    conditions : tuple of Condition
    action : Action
    start, end : int, optional
        Positions at which it may fire, 0-based half-open.
    near, side, distance : str, str, int
        Only within ``distance`` bases of an interval of the track ``near``, of its ``start`` or ``end`` in
        its direction where ``side`` says so: along sequence whose annotation is known. Empty for anywhere.
    strand : str
        ``+`` or ``-``: only along readings of that strand; empty for both.
    wait : int
        Bases after firing at which it does not fire again (cool-down).
    budget : int
        How often it fires at most, a sequence and strand; 0 for any number.
    """

    conditions: tuple[Condition, ...]
    action: Action
    start: int = 0
    end: int | None = None
    strand: str = ""
    wait: int = 0
    budget: int = 0
    near: str = ""
    side: str = ""
    distance: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "conditions", tuple(self.conditions))
        if not self.conditions:
            raise ValueError("a rule without a condition")
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise ValueError(f"{self}: expected 0 <= start < end")
        if self.strand not in ("", "+", "-") or self.wait < 0 or self.budget < 0:
            raise ValueError(f"{self}: expected strand +, - or none, and numbers of at least 0")
        named = re.fullmatch(_NAME, self.near) if self.near else not self.side and not self.distance
        if not named or self.side not in SIDES or self.distance < 0:
            raise ValueError(f"near {self.near!r}: expected a track in one word, its start, end or neither")

    def __str__(self) -> str:
        parts = [f"when {' and '.join(map(str, self.conditions))}"]
        if self.start or self.end is not None:
            parts += [f"within {self.start}-{'' if self.end is None else self.end}"]
        if self.near:
            side = f"the {self.side} of " if self.side else ""
            parts += [f"within {self.distance} base{'s' * (self.distance != 1)} of {side}{self.near}"]
        parts += [f"on the {name} strand" for name, sign in _STRANDS.items() if sign == self.strand]
        ends = [f"{', '.join(parts)}: {self.action}"]
        ends += [f"wait {self.wait} base{'s' * (self.wait > 1)}"] if self.wait else []
        ends += [f"at most {self.budget} time{'s' * (self.budget > 1)}"] if self.budget else []
        return "; ".join(ends)

    @classmethod
    def of(cls, sentence: str) -> Rule:
        """The rule that a sentence says; ``ValueError`` for what is none."""
        text = " ".join(sentence.split())
        found = _RULE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no rule; expected {FORM}")
        conditions = [_condition(part) for part in found["conditions"].split(" and ")]
        return cls(
            tuple(conditions),
            _action(found["action"]),
            int(found["start"] or 0),
            int(found["end"]) if found["end"] else None,
            _STRANDS.get(found["strand"] or "", ""),
            int(found["wait"] or 0),
            int(found["budget"] or 0),
            found["near"] or "",
            found["side"] or "",
            int(found["distance"] or 0),
        )


def _condition(text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no condition; expected CONCEPT > NUMBER [until NUMBER] [for N bases]")
    until = float(found["until"]) if found["until"] else None
    above, run = found["sign"] == ">", int(found["run"] or 1)
    return Condition(found["concept"], float(found["threshold"]), above, until, run)


def _action(text: str) -> Action:
    found = _ACTION.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no action; expected record, stop, insert BASES, apply PLAN [for N bases] or"
            " switch to PLAN"
        )
    kind = next(kind for kind in KINDS if found[kind])
    of = found[kind] if kind not in ("record", "stop") else ""
    return Action(kind, of, int(found["bases"] or 0))
