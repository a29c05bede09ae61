"""Rules as choices of a form: the sentence that choices make, and the choices of a sentence.

What a rule of the form applies is named by the plan: ``clamp_12_0.5`` sets feature 12 to 0.5 of its full
scale, ``steer_12_2`` adds, ``scale_12_0`` multiplies, ``ablate_12`` takes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.data.study import Opened
from feature_mining.edits.edit import Ablate, Clamp, Scale, Steer
from feature_mining.edits.plan import EditPlan
from feature_mining.rules.rule import SIDES, Action, Condition, Rule
from workbench import InputError
from workbench.study.locus import check_features

# Strength of an edit, either way, in units of the feature's own full scale.
STRONGEST = 100.0
# What the form offers of `feature_mining.edits.edit.KINDS`, and its words.
EDITS = {"clamp": Clamp, "steer": Steer, "scale": Scale, "ablate": Ablate}
WORDS = {"clamp": "set", "steer": "add", "scale": "scale", "ablate": "ablate"}
_PLAN = re.compile(
    r"(?P<kind>clamp|steer|scale)_(?P<of>\d{1,9})_(?P<by>-?\d{1,6}(?:\.\d{1,9})?)|ablate_(?P<out>\d{1,9})"
)


def plan_name(kind: str, feature: int, strength: float) -> str:
    """What a rule calls the plan that edits one feature."""
    return f"ablate_{feature}" if kind == "ablate" else f"{kind}_{feature}_{strength:.6g}"


def read_plan(opened: Opened, name: str) -> EditPlan:
    """The plan that a name means. Raises ``InputError`` for any other name."""
    found = _PLAN.fullmatch(name)
    if found is None:
        raise InputError(f"plan {name!r}: expected one as clamp_12_0.5, steer_12_2, scale_12_0 or ablate_12")
    feature = int(found["of"] or found["out"])
    check_features(opened.study, [feature])
    layer = opened.study.layer
    if found["out"]:
        return EditPlan((Ablate(layer, feature),))
    strength = float(found["by"])
    if abs(strength) > STRONGEST:
        raise InputError(f"plan {name!r}: expected a strength of at most {STRONGEST:g}")
    return EditPlan((EDITS[found["kind"]](layer, feature, strength),))


def read_rule(opened: Opened, sentence: str) -> tuple[Rule, dict[str, EditPlan]]:
    """A rule and its plans. Raises ``InputError``, a sentence, for what is none."""
    try:
        rule = Rule.of(sentence)
    except (ValueError, OverflowError) as error:
        raise InputError(str(error)) from None
    plans = {}
    if rule.action.kind in ("apply", "switch"):
        plans[rule.action.of] = read_plan(opened, rule.action.of)
    return rule, plans


def choices_of(rule: Rule) -> dict[str, Any] | None:
    """What the form shows of a rule; None for one that says more than the form can."""
    (condition, *more) = rule.conditions
    other = condition.until is not None or rule.start or rule.end is not None or rule.wait or rule.budget
    plan = _PLAN.fullmatch(rule.action.of) if rule.action.kind == "apply" else None
    if more or other or rule.action.kind not in ("record", "apply") or (rule.action.of and plan is None):
        return None
    chosen: dict[str, Any] = {
        "concept": condition.concept,
        "sign": ">" if condition.above else "<",
        "percent": round(100 * condition.threshold, 7),
        "run": condition.run,
        "track": rule.near,
        "side": rule.side,
        "distance": rule.distance,
        "strand": rule.strand,
        "action": rule.action.kind,
    }
    if plan:
        chosen |= {
            "action": plan["kind"] or "ablate",
            "feature": int(plan["of"] or plan["out"]),
            "strength": float(plan["by"] or 0),
            "bases": rule.action.bases,
        }
    return chosen


def sentence_of(opened: Opened, chosen: Mapping[str, Any]) -> str:
    """The sentence of what was chosen in the form. Raises ``InputError`` for what is no rule."""

    def number(name: str, usual: float, least: float, most: float) -> float:
        value = chosen.get(name, usual)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise InputError(f"{name}: expected a number from {least:g} to {most:g}")
        return float(value)

    def word(name: str, known: tuple[str, ...]) -> str:
        value = str(chosen.get(name, known[0]))
        if value not in known:
            raise InputError(
                f"{name} {value[:40]!r}: expected one of {', '.join(k or 'none' for k in known)}"
            )
        return value

    kind = word("action", ("record", *EDITS))
    action = Action("record")
    if kind in EDITS:
        feature = int(number("feature", 0, 0, 10**9))
        name = plan_name(kind, feature, number("strength", 0, -STRONGEST, STRONGEST))
        action = Action("apply", name, int(number("bases", 0, 0, 10**6)))
    track = str(chosen.get("track", ""))[:200]
    try:
        condition = Condition(
            str(chosen.get("concept", ""))[:200],
            round(number("percent", 20, -10_000, 10_000) / 100, 9),
            word("sign", (">", "<")) == ">",
            run=int(number("run", 1, 1, 10**6)),
        )
        rule = Rule(
            (condition,),
            action,
            strand=word("strand", ("", "+", "-")),
            near=track,
            side=word("side", SIDES) if track else "",
            distance=int(number("distance", 0, 0, 10**7)) if track else 0,
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    read_rule(opened, str(rule))
    return str(rule)
