"""A concept's level and edits against arithmetic by hand, a running network, and its file."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from feature_mining.concepts.concept import Concept, Evidence
from feature_mining.edits.apply import Dictionary
from feature_mining.edits.passes import forward
from feature_mining.edits.places import Where
from feature_mining.edits.plan import EditPlan
from feature_mining.feature_map import from_dense
from tests.feature_mining.edits.tiny import LAYER, UNIT, autoencoder, tiny_model

MIXED = Concept(
    "mixed", "blocks.0", {17: -1.0, 3: 1.0, 204: 0.5}, 0.8, "m" * 8, "a" * 8, "3 - 17 + 0.5 * 204",
    Evidence("learnt", "CDS_stop", "same", 0.235, 0.2, 0.27),
)  # fmt: skip


def scales() -> np.ndarray:
    """Units of 300 features: feature f has f + 1, and 5 was never active."""
    units = np.arange(1.0, 301.0)
    units[5] = 0
    return units


def test_the_level_is_the_projection_on_the_weights() -> None:
    activations = np.zeros((3, 300), np.float32)
    activations[0, [3, 17, 204]] = [2, 9, 205]  # 0.5, 0.5 and 1 of their units
    activations[1, [5, 12]] = 7  # not its features
    activations[2, 17] = 18
    by_hand = [(0.5 - 0.5 + 0.5) / 2.25, 0, -1 / 2.25]
    assert MIXED.level(activations, scales()) == pytest.approx(by_hand)
    assert MIXED.level(from_dense(activations), scales()) == pytest.approx(by_hand)
    chosen = activations[:, MIXED.features] @ MIXED.coefficients(scales())
    assert chosen == pytest.approx(by_hand)


def test_adding_the_weights_adds_their_strength_to_the_level() -> None:
    for strength in (0.3, 2.0):
        painted = np.zeros((1, 300))
        for feature, weight in MIXED.weights.items():
            painted[0, feature] = strength * weight * scales()[feature]
        assert MIXED.level(painted, scales()) == pytest.approx(strength)


def test_a_feature_that_was_never_active_adds_nothing() -> None:
    concept = Concept("c", "blocks.0", {5: 1.0, 6: 1.0}, 1.0)
    activations = np.zeros((1, 300))
    activations[0, [5, 6]] = 7
    assert concept.level(activations, scales()) == pytest.approx(0.5)


def test_edits_paint_what_a_running_network_gets() -> None:
    sae = autoencoder()
    dictionary = Dictionary(sae, (LAYER,), (LAYER,), UNIT)
    concept = Concept("c", LAYER, {2: 1.0, 7: -0.5}, 0.8, autoencoder=sae.hash)
    plan = EditPlan(concept.edits(0.5, Where(((3, 5),))), "", {LAYER: sae.hash})
    plain = forward(tiny_model(), ["ACGTTGCA"], [EditPlan()], {LAYER: dictionary}, taps=[LAYER]).taps[LAYER][
        0
    ]
    painted = forward(tiny_model(), ["ACGTTGCA"], [plan], {LAYER: dictionary}, taps=[LAYER]).taps[LAYER][0]
    direction = 0.8 * 0.5 * (3 * sae.W_dec[2] - 0.5 * 8 * sae.W_dec[7])
    expected = torch.zeros_like(plain)
    expected[3:5] = direction
    torch.testing.assert_close(painted - plain, expected, atol=1e-5, rtol=1e-4)


def test_edits_follow_a_ramp_the_largest_weight_first() -> None:
    edits = Concept("c", LAYER, {3: 0.5, 9: -2.0}, 2.0).edits(((0, 0.0), (10, 1.0)))
    assert [(edit.feature, edit.strength) for edit in edits] == [
        (9, ((0, 0.0), (10, -4.0))),
        (3, ((0, 0.0), (10, 1.0))),
    ]


def test_one_feature_is_painted_in_its_own_units() -> None:
    concept = Concept.of_feature(871, "blocks.4", "m", "a")
    assert concept.name == "feature 871"
    assert [edit.strength for edit in concept.edits(2.0)] == [2.0]
    assert concept.features == (871,)


def test_a_feature_is_turned_alone() -> None:
    turned = MIXED.scaled({17: 0.0, 204: 3.0})
    assert turned.weights == {3: 1.0, 204: 1.5}
    before = {edit.feature: edit.strength for edit in MIXED.edits(1.0)}
    after = {edit.feature: edit.strength for edit in turned.edits(1.0)}
    assert after == {3: before[3], 204: pytest.approx(3 * before[204])}
    assert turned.evidence == Evidence()
    assert "17 times 0, 204 times 3" in turned.how
    with pytest.raises(ValueError, match="no feature 4; expected one of 3, 17, 204"):
        MIXED.scaled({4: 2.0})
    with pytest.raises(ValueError, match="every weight is 0"):
        Concept.of_feature(1, "l", "", "").scaled({1: 0.0})


def test_the_file_gives_the_concept_back() -> None:
    assert Concept.from_json(MIXED.to_json()) == MIXED
    plain = Concept.of_feature(871, "blocks.4", "m", "a")
    assert Concept.from_json(plain.to_json()) == plain
    assert hash(Concept.from_json(MIXED.to_json())) == hash(MIXED)


def test_one_line_says_weights_and_evidence() -> None:
    assert str(MIXED) == (
        "mixed (blocks.0): 1 of 3, -1 of 17, 0.5 of 204;"
        " CDS_stop (same strand): learnt, lift 0.235 (0.2 to 0.27)"
    )
    assert str(Concept.of_feature(1, "l", "", "")).endswith("a number")
    many = Concept("many", "l", {feature: 1.0 for feature in range(9)}, 1.0)
    assert " and 3 more;" in str(many)


def test_another_model_and_autoencoder_are_refused_with_both_hashes() -> None:
    MIXED.check("m" * 8, "a" * 8)
    Concept("c", "l", {1: 1.0}, 1.0).check("any", "any")
    with pytest.raises(ValueError, match="of a model with hash mmmmmmmm; this one has other"):
        MIXED.check("other", "a" * 8)
    with pytest.raises(
        ValueError, match=r"an autoencoder of blocks\.0 with hash aaaaaaaa; this one has other"
    ):
        MIXED.check("m" * 8, "other")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"top": 0.8', '"top": "high"', 'line 10, field top: found "high"; expected a finite number'),
        ('"top": 0.8', '"top": -1', "line 10, field top: found -1; expected a number above 0"),
        ('"17": -1.0', '"17": null', "line 7, field weights.17: found null; expected a finite number"),
        ('"17": -1.0', '"-17": 1', "line 7, field weights.-17: found 1; expected a weight under the number"),
        ('"lift"', '"lifted"', "field evidence.lifted: no such field; expected verdict, track"),
        ('"name": "mixed",', "", "line 1: no field name; expected version, name, layer"),
        ('"version": 1', '"version": 2', "line 2, field version: found 2; expected 1, which"),
        (
            '"name": "mixed"',
            '"name": "a\\u001b"',
            "line 3, field name: found .*; expected a text of one line",
        ),
        ('"name": "mixed"', '"name": ""', "line 3, field name: .*expected a name"),
        ('"top": 0.8,', '"top": 0.8', "line 11: Expecting ',' delimiter"),
    ],
)
def test_broken_files_name_line_and_field(old: str, new: str, told: str) -> None:
    text = MIXED.to_json()
    assert old in text
    with pytest.raises(ValueError, match=f"the concept.*{told}"):
        Concept.from_json(text.replace(old, new))


def test_weights_of_nothing_are_refused() -> None:
    values = json.loads(MIXED.to_json())
    for weights in ({}, {"3": 0.0}, [1.0]):
        with pytest.raises(ValueError, match="field weights: found"):
            Concept.from_json(json.dumps(values | {"weights": weights}))
    for weights in ({}, {3: 0.0}, {-1: 1.0}, {3: float("nan")}):
        with pytest.raises(ValueError, match=r"weight|feature"):
            Concept("c", "l", weights, 1.0)
    with pytest.raises(ValueError, match="too large a number"):
        Concept("c", "l", {1: 1e300}, 1e300)
    for top in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="top is"):
            Concept("c", "l", {1: 1.0}, top)
