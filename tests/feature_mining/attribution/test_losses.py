"""Losses taken apart: against taking a little of each out, and a lot where the loss is linear."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_mining.attribution.losses import RANDOM, Batch, attribute_losses
from feature_mining.edits.apply import Dictionary
from feature_mining.edits.edit import Ablate, Scale
from feature_mining.edits.passes import forward
from feature_mining.edits.plan import EditPlan
from feature_mining.pruning.effect import gating
from feature_mining.pruning.parts import Parts
from tests.feature_mining.edits.tiny import FEATURES, LAYER, UNIT, WIDTH, autoencoder, tiny_model

SEQUENCES = ["ACGTTGCAAGCTTACGGATC", "TTGACCGTAGGCATCGAT"]
OTHERS = np.roll(np.arange(FEATURES), 1)
LITTLE = 1e-3


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def dictionary():
    return Dictionary(autoencoder(), (LAYER,), (LAYER,), UNIT, UNIT / 10)


def losses(found):
    """The letters' cost, twice as much of the second sequence, and one direction of the layer."""
    ids = found.tokens.ids[:, 1:, None]
    nats = -found.logits[:, :-1].float().log_softmax(-1).gather(-1, ids)[..., 0]
    lengths = found.tokens.lengths[:, None]
    use = (torch.arange(nats.shape[1])[None] < lengths - 1).float()
    weight = torch.tensor([[1.0], [2.0]])[: len(nats)]
    direction = torch.linspace(-1, 1, WIDTH)
    inside = (torch.arange(found.taps[LAYER].shape[1])[None] < lengths).float()
    return [(weight * use * nats).sum(), ((found.taps[LAYER].float() @ direction) * inside).sum()]


def value(model, dictionary, plan, which, parts=None, gates=None):
    if plan is not None:
        found = forward(model, SEQUENCES, [plan], {LAYER: dictionary}, [LAYER])
    else:
        found = model.forward(SEQUENCES, taps=[LAYER], edits=gating(parts, gates))
    return float(losses(found)[which])


def test_relief_is_what_taking_a_little_out_takes_off(model, dictionary):
    parts = Parts(model.network.config)
    batches = [Batch(SEQUENCES, losses)]
    found = attribute_losses(model, batches, dictionary, OTHERS, parts)
    nothing = EditPlan()
    for feature in range(FEATURES):
        less = EditPlan((Scale(LAYER, feature, 1 - LITTLE),))
        for which in (0, 1):
            off = value(model, dictionary, nothing, which) - value(model, dictionary, less, which)
            assert found.features[which, feature] == pytest.approx(off / LITTLE, rel=0.05, abs=0.02)
    ones = torch.ones(1, parts.count)
    for part in range(0, parts.count, 7):
        gates = ones.clone()
        gates[0, part] -= 10 * LITTLE
        off = value(model, dictionary, None, 0, parts, ones) - value(model, dictionary, None, 0, parts, gates)
        assert found.parts[0, part] == pytest.approx(off / (10 * LITTLE), rel=0.05, abs=0.02)
    # What comes after the layer cannot move it.
    last = parts.mixers[3]
    assert np.abs(found.parts[0, last]).max() > 0 and (found.parts[1, last] == 0).all()


def test_where_a_loss_is_linear_it_is_what_taking_all_out_takes_off(model, dictionary):
    found = attribute_losses(model, [Batch(SEQUENCES, losses)], dictionary, OTHERS, None)
    whole = value(model, dictionary, EditPlan(), 1)
    for feature in range(FEATURES):
        off = whole - value(model, dictionary, EditPlan((Ablate(LAYER, feature),)), 1)
        assert found.features[1, feature] == pytest.approx(off, rel=1e-3, abs=1e-3)
    assert found.parts.shape == (2, 0)


def test_controls_are_as_long_as_what_is_taken_out(model, dictionary):
    """Of a linear loss: along another feature's row, and along directions drawn even over the sphere."""

    def linear(found):
        return losses(found)[1:]

    found = attribute_losses(model, [Batch(SEQUENCES, linear)], dictionary, OTHERS, None, seed=3)
    x = model.forward(SEQUENCES, taps=[LAYER]).taps[LAYER]
    direction, rows = torch.linspace(-1, 1, WIDTH), dictionary.sae.W_dec
    total = torch.zeros(FEATURES)
    for own, sequence in zip(x, SEQUENCES, strict=True):
        total += dictionary.sae.encode(own[: len(sequence)]).sum(0)
    lengths = rows.norm(dim=1)
    unit = rows[OTHERS] / rows[OTHERS].norm(dim=1, keepdim=True)
    np.testing.assert_allclose(found.other, total * lengths * (unit @ direction), rtol=1e-3, atol=1e-3)
    assert found.random.shape == (FEATURES, RANDOM)
    # The projection of a unit vector drawn so has mean square |d|^2 / width.
    spread = found.random / (total * lengths)[:, None].clamp_min(1e-9).numpy()
    active = (total > 0).numpy()
    expected = float(direction.square().sum()) / WIDTH
    assert (spread[active] ** 2).mean() == pytest.approx(expected, rel=0.25)
    again = attribute_losses(model, [Batch(SEQUENCES, linear)], dictionary, OTHERS, None, seed=3)
    np.testing.assert_array_equal(found.random, again.random)
