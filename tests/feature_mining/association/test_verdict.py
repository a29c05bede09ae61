"""Verdicts and their rules: every word by the case that calls for it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from feature_mining.association.verdict import FEWEST, Control, Verdict, understood, verdicts

CLEAR = {"feature": 3, "mode": "same", "ap_lift": 0.5, "q": 1e-6, "copied_share": 0.0}
CLEAR |= {"sample_blocks": 20, "sample_intervals": 40}
for control in Control:
    CLEAR |= {control.lift: 0.1, control.low: 0.3, control.high: 0.5}


def said(**changed: object) -> tuple[str, str]:
    """Verdict and rule of a track that is clearly learnt but for what is changed."""
    row = verdicts(pd.DataFrame([CLEAR | changed])).iloc[0]
    return row["verdict"], row["rule"]


def test_what_beats_every_control_is_learnt():
    assert said() == ("learnt", "lift and q pass; beats every control")
    assert said(ap_lift=0.121, **{c.low: 0.001 for c in Control})[0] == "learnt"
    left_out = {Control.RANDOM.lift: np.nan, Control.RANDOM.low: np.nan}
    assert said(**left_out) == ("learnt", "lift and q pass; not run: random weights")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("neuron", "raw neuron as good"),
        ("pca", "principal direction as good"),
        ("composition", "composition"),
        ("random", "random-weights too"),
        ("shuffled", "composition"),
    ],
)
def test_each_control_is_beaten_by_enough_and_surely(name, word):
    lift, low = f"{name}_ap_lift", f"margin_{name}_low"
    # 0.0012 ahead with the whole interval above 0: won by rounding.
    assert said(**{lift: 0.4988, low: 0.00118})[0] == word
    assert said(**{lift: 0.481, low: 0.018})[0] == word
    assert said(**{lift: 0.479, low: 0.018})[0] == "learnt"
    assert said(**{lift: 0.3, low: -0.001})[0] == word
    assert said(**{lift: 0.3, low: 0.0})[0] == word
    assert said(**{lift: 0.3, low: np.nan})[0] == word
    assert said(**{lift: 0.9, low: -0.5})[0] == word


def test_the_strictest_control_has_the_word():
    all_as_good = {c.lift: 0.5 for c in Control} | {c.low: 0.0 for c in Control}
    order = []
    for control in Control:
        order.append(said(**all_as_good)[0])
        all_as_good |= {control.lift: 0.1, control.low: 0.3}
    assert order == [
        "composition", "composition", "random-weights too", "raw neuron as good",
        "principal direction as good",
    ]  # fmt: skip
    assert said(**all_as_good)[0] == "learnt"


def test_chance():
    assert said(ap_lift=0.019)[0] == said(q=0.051)[0] == "not distinguishable"
    assert said(ap_lift=0.019, q=0.9, **{c.lift: 0.9 for c in Control})[0] == "not distinguishable"
    assert said(ap_lift=-0.4)[0] == "not distinguishable"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"feature": -1, "ap_lift": np.nan, "q": np.nan}, "no feature could be picked"),
        ({"feature": np.nan, "ap_lift": 0.0}, "no feature could be picked"),
        ({"copied_share": 1.0, "ap_lift": np.nan}, "near copies of all of it"),
        ({"ap_lift": np.nan}, "no base of the track"),
        ({"q": np.nan}, "q could not be computed"),
        ({"q": np.nan, "ap_lift": 0.0}, "q could not be computed"),
        ({"sample_blocks": FEWEST - 1}, "fewer than 8 blocks"),
        ({"sample_intervals": FEWEST - 1}, "fewer than 8 intervals"),
        ({"sample_intervals": 2 * FEWEST - 1, "mode": "any"}, "fewer than 8 intervals"),
        ({"sample_blocks": 1, "q": 0.9, "ap_lift": 0.0}, "fewer than 8 blocks"),
        (dict.fromkeys((c.lift for c in Control), np.nan), "no control ran"),
    ],
)
def test_what_cannot_be_judged_is_not_tested(changed, why):
    word, rule = said(**changed)
    assert word == "not tested" and why in rule


def test_margins_are_feature_less_control():
    lifts = {c.lift: 0.1 * i for i, c in enumerate(Control)}
    lifts[Control.RANDOM.lift] = np.nan
    row = verdicts(pd.DataFrame([CLEAR | lifts])).iloc[0]
    found = [row[c.margin] for c in Control]
    np.testing.assert_allclose(found, [0.5, 0.4, np.nan, 0.2, 0.1])
    assert row["margin"] == pytest.approx(0.1)


def test_words_are_those_of_studies_made_before():
    words = {"learnt", "raw neuron as good", "principal direction as good", "random-weights too"}
    words |= {"composition", "not distinguishable", "not tested"}
    assert {str(verdict) for verdict in Verdict} == words
    assert {str(control) for control in Control} == {
        "neuron", "pca", "composition", "random", "shuffled",
    }  # fmt: skip
    for member in [*Verdict, *Control]:
        assert re.fullmatch("#[0-9A-Fa-f]{6}", member.colour) and member.meaning
    for members in (Verdict, Control):
        assert len({m.colour for m in members}) == len({m.meaning for m in members}) == len(members)
    assert all(v.rule for v in Verdict)


def test_old_tables_are_read_with_todays_words():
    old = pd.DataFrame([CLEAR] * 4).drop(columns=["sample_blocks", "copied_share"])
    old = old.assign(sample_ap_lift=[0.5, 0.001, np.nan, 0.001], feature=[1, 2, 3, -1])
    old["verdict"] = ["learnt", *["not distinguishable"] * 3]
    old["rule"] = ["lift and q pass; beats every control", *["average precision lift below 0.02"] * 3]
    found = understood(old)
    assert found["verdict"].tolist() == ["learnt", "not distinguishable", "not tested", "not tested"]
    assert found["rule"][1] == old["rule"][1] and "no base" in found["rule"][2]
    pd.testing.assert_frame_equal(understood(found), found)
    empty = pd.DataFrame()
    assert understood(empty) is empty
