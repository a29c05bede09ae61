"""Sums of concepts as people write them: ``3 - 17 + 0.5*204``, ``stop + 0.2*factor:12``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from feature_mining.concepts.concept import Concept

FORM = "numbers of features, or names of concepts, with + and - between and factors before, as 3 - 0.5*204"
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z]\w*(?::\w+)*)|(?P<sign>[-+*]))",
    re.ASCII,
)


class Term(NamedTuple):
    """A concept, the number of a feature or a name as it was written, and how often it is taken."""

    factor: float
    atom: str


def parse_sum(text: str) -> list[Term]:
    """The terms of a sum; ``ValueError`` with the place where it is none.

    The last of what is multiplied is the concept: ``2*3`` is feature 3 twice.
    """
    terms: list[Term] = []
    at, tokens = 0, []
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unexpected(text, at)
        tokens.append((found.lastgroup, found[0].strip(), found.end() - len(found[0].strip())))
        at = found.end()
    tokens.append(("end", "", len(text)))
    number = 0
    while tokens[number][0] != "end":
        factor = 1.0
        while tokens[number][1] in ("+", "-"):
            factor *= -1 if tokens[number][1] == "-" else 1
            number += 1
        while tokens[number][0] == "number" and tokens[number + 1][1] == "*":
            factor *= float(tokens[number][1])
            number += 2
        kind, atom, place = tokens[number]
        if kind not in ("number", "name") or (kind == "number" and not atom.isdigit()):
            raise _unexpected(text, place)
        terms.append(Term(factor, atom))
        number += 1
        if tokens[number][1] not in ("+", "-", ""):
            raise _unexpected(text, tokens[number][2])
    if not terms:
        raise _unexpected(text, 0)
    return terms


def add(parts: Iterable[tuple[float, Concept]]) -> dict[int, float]:
    """Weights of a sum of concepts, each at its top: what is painted with all of them, each so strongly."""
    total: dict[int, float] = {}
    for factor, concept in parts:
        for feature, weight in concept.weights.items():
            total[feature] = total.get(feature, 0.0) + factor * concept.top * weight
    return total


def _unexpected(text: str, at: int) -> ValueError:
    found = repr(text[at : at + 12].strip()) if text[at:].strip() else "its end"
    return ValueError(f"{text!r}, character {at + 1}: found {found}; expected {FORM}")
