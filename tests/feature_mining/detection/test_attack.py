"""Attacks against brute force on a random network, and on one whose fewest changes are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from feature_mining.concepts.concept import Concept
from feature_mining.detection.attack import (
    FAKE,
    GREEDY,
    GUIDED,
    HIDE,
    RANDOM,
    Place,
    Target,
    attack,
    success_by_changes,
)
from feature_mining.detection.detector import Detector
from feature_mining.detection.domain import COLUMNS, Domain
from feature_mining.edits.apply import Dictionary
from feature_mining.sae.config import SAEConfig
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.contract import ModelError
from genomic_models.dna import BASES, base_codes, reverse_complement
from tests.feature_mining.edits.tiny import FEATURES, LAYER, UNIT, WIDTH, autoencoder, tiny_model
from tests.feature_mining.rules.echo import EchoModel

NOTHING = Domain(np.zeros(0, np.int64), np.zeros(COLUMNS + 1), np.eye(COLUMNS + 1), 1.0)
LETTERS = "ACGTTGCAAGTCTTACGGATCCGATTACAGATTGCAAGGCT"


def detector(layer: str, weights: dict[int, float], units: dict[int, float], **more: object) -> Detector:
    concept = Concept("it", layer, weights, 1.0)
    given = {"threshold": 0.5, "mode": "same", "gap": 0} | more
    return Detector("it", concept, units, "site", given["mode"], 64, 8, given["threshold"], given["gap"],
                    (0.0, 1.0), 0.8, 100.0, NOTHING)  # fmt: skip


def place(start: int = 30, end: int = 33, both: bool = False, first: int = 20, last: int = 36) -> Place:
    codes = base_codes(LETTERS)
    allowed = np.zeros((len(LETTERS), 4), bool)
    allowed[first:last] = True
    allowed[np.arange(len(LETTERS)), codes] = False
    return Place(LETTERS, start, end, allowed, np.arange(len(LETTERS)) // 3, both)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def at() -> Dictionary:
    return Dictionary(autoencoder(), (LAYER,), (LAYER,), UNIT)


def whole(model, at: Dictionary, found: Detector, text: str, own: Place) -> float:
    """The highest score of a place from one pass over all letters of each reading."""
    sides = [(text, own.start, own.end)]
    if own.both:
        size = len(text)
        sides.append((reverse_complement(text), size - own.end, size - own.start))
    best = -np.inf
    for letters, start, end in sides:
        x = model.forward([letters], taps=[LAYER]).taps[LAYER][0].float()
        values = at.sae.encode(x)[start:end].numpy() / UNIT.numpy()
        w = np.zeros(FEATURES)
        w[list(found.concept.weights)] = list(found.concept.weights.values())
        best = max(best, float((values @ w / (w @ w)).max()))
    return best


@pytest.mark.parametrize("both", [False, True])
def test_scores_from_carried_state_are_those_of_whole_passes(model, at, both) -> None:
    found = detector(LAYER, {2: 1.0, 7: -0.5}, {2: 3.0, 7: 8.0})
    own = place(both=both)
    target = Target(model, at, found, own, together=5)
    random = np.random.default_rng(0)
    sets = [()]
    for _ in range(12):
        left = own.candidates(())
        sets.append(tuple(left[i] for i in random.choice(len(left), 2, replace=False)))
    expected = [whole(model, at, found, own.changed(changes), own) for changes in sets]
    assert target.score(sets) == pytest.approx(expected, abs=1e-4)
    assert len(set(np.round(expected, 5))) >= 4


def test_greedy_makes_the_best_change_of_all_at_each_step(model, at) -> None:
    found, own = detector(LAYER, {2: 1.0}, {2: 3.0}), place(start=32)
    target = Target(model, at, found, own)
    before = float(target.score([()])[0])
    for goal, sign, threshold in ((FAKE, 1, 99.0), (HIDE, -1, -99.0)):
        result = attack(target, goal, threshold, 2, GREEDY)
        assert len(result.changes) == 2 and result.scores[0] == before
        assert result.needed(goal, threshold) is None
        changes: tuple = ()
        for step in (1, 2):
            scores = {
                change: whole(model, at, found, own.changed((*changes, change)), own)
                for change in own.candidates(changes)
            }
            best = max(sign * score for score in scores.values())
            assert sign * result.scores[step] == pytest.approx(best, abs=1e-4)
            changes = result.changes[:step]
    reached = attack(target, FAKE, before + 1e-3, 4, GREEDY)
    assert reached.needed(FAKE, before + 1e-3) == len(reached.changes) == 1


def test_one_change_a_codon_and_only_those_that_are_allowed(model, at) -> None:
    found, own = detector(LAYER, {2: 1.0}, {2: 3.0}), place()
    target = Target(model, at, found, own)
    for way in (GREEDY, GUIDED, RANDOM):
        for seed in range(4):
            result = attack(target, FAKE, 99.0, 9, way, seed)
            groups = [int(own.group[position]) for position, _ in result.changes]
            assert len(groups) == len(set(groups)) == 6
            assert all(own.allowed[position, code] for position, code in result.changes)
            assert result.scores == pytest.approx(
                [whole(model, at, found, own.changed(result.changes[:k]), own) for k in range(7)], abs=1e-4
            )
    draws = {attack(target, FAKE, 99.0, 3, RANDOM, seed).changes for seed in range(6)}
    assert len(draws) == 6
    assert (
        attack(target, FAKE, 99.0, 3, RANDOM, 1).changes == attack(target, FAKE, 99.0, 3, RANDOM, 1).changes
    )


def known(letter: str) -> tuple[Dictionary, Detector]:
    """A detector, on the embedding, of one letter: what changes a score is known."""
    model = tiny_model()
    layer = model.layers[0]
    x = model.forward([BASES], taps=[layer], until=layer).taps[layer][0].float()
    apart = torch.linalg.pinv(x)[:, [BASES.index(letter)]]
    zeros = torch.zeros(1)
    config = SAEConfig("relu_l1", WIDTH, 1, 1, False)
    sae = SparseAutoencoder(
        apart, zeros, (apart / apart.norm()).T.contiguous(), torch.zeros(WIDTH), zeros + 0.01, config
    )
    return Dictionary(sae, (layer,), (layer,), torch.ones(1)), detector(layer, {0: 1.0}, {0: 1.0})


@pytest.mark.parametrize("way", [GREEDY, GUIDED])
@pytest.mark.parametrize("both", [False, True])
def test_the_known_fewest_changes_are_found(model, way, both) -> None:
    at, found = known("A")
    start = LETTERS.index("TTGC", 25)
    own = place(start=start, end=start + 4, both=both, last=41)
    own = replace(own, group=np.arange(len(LETTERS)))
    target = Target(model, at, found, own)
    if both:
        # The reverse complement of TTGC is GCAA: two A where T stands, each hidden by another base.
        assert target.score([()])[0] == pytest.approx(1, abs=1e-3)
        result = attack(target, HIDE, 0.5, 5, way)
        assert result.needed(HIDE, 0.5) == 2
        assert sorted(position for position, _ in result.changes) == [start, start + 1]
        return
    assert target.score([()])[0] == pytest.approx(0, abs=1e-3)
    result = attack(target, FAKE, 0.5, 5, way)
    assert result.needed(FAKE, 0.5) == 1 and len(result.changes) == 1
    position, code = result.changes[0]
    assert start <= position < start + 4 and BASES[code] == "A"
    # Of 63 changes 4 are right.
    lucky = [attack(target, FAKE, 0.5, 1, RANDOM, seed).needed(FAKE, 0.5) == 1 for seed in range(60)]
    assert np.mean(lucky) < 0.25


def test_slopes_tell_which_changes_help(model, at) -> None:
    found, own = detector(LAYER, {2: 1.0}, {2: 3.0}), place()
    target = Target(model, at, found, own)
    slope = target.slope(())
    assert slope.shape == (len(LETTERS), 4)
    assert slope[np.arange(len(LETTERS)), base_codes(LETTERS)] == pytest.approx(0)
    # What comes after the place is not read.
    assert not slope[own.end :].any()
    left = [change for change in own.candidates(()) if change[0] < own.end]
    real = target.score([(change,) for change in left]) - target.score([()])
    said = np.array([slope[change] for change in left])
    moved = np.abs(real) > 1e-6
    assert np.corrcoef(said[moved], real[moved])[0, 1] > 0.3


def test_success_is_counted_by_number_of_changes() -> None:
    assert success_by_changes([1, float("nan"), 3, 0], 4).tolist() == [0.25, 0.5, 0.5, 0.75, 0.75]


def test_a_model_without_an_embedding_of_bases_is_refused(at) -> None:
    with pytest.raises(ModelError, match="echo does not read base after base"):
        Target(EchoModel(), at, detector(LAYER, {2: 1.0}, {2: 3.0}), place())
