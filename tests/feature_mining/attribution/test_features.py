"""Attribution against closed forms where the output is linear, finite differences and ablation elsewhere."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from feature_mining.attribution.features import ablate_features, attribute_features
from feature_mining.attribution.target import Activation, AlleleOdds, BaseProbability, Likelihood, Probe
from feature_mining.edits.apply import Dictionary
from genomic_models.contract import ModelError
from genomic_models.scoring import score
from genomic_models.striped_hyena.model import StripedHyenaModel
from tests.feature_mining.edits.tiny import LAYER, UNIT, WIDTH, autoencoder, tiny_model

SEQUENCE = "ACGTTGCAAGCTTACGGATC"


@pytest.fixture(scope="module")
def model() -> StripedHyenaModel:
    return tiny_model()


def dictionary(**more) -> Dictionary:
    return Dictionary(autoencoder(**more), (LAYER,), (LAYER,), UNIT, UNIT / 10)


@pytest.mark.parametrize("norm", ["", "unit_rms"])
@pytest.mark.parametrize("method", ["gradient", "integrated"])
def test_a_linear_output_is_taken_apart_exactly(model: StripedHyenaModel, method: str, norm: str) -> None:
    w = torch.randn(WIDTH, generator=torch.Generator().manual_seed(8))
    own = dictionary(row_norm=norm)
    found = attribute_features(model, SEQUENCE, Probe(LAYER, w, 3, 9), own, method)
    x = model.forward([SEQUENCE], taps=[LAYER]).taps[LAYER][0]
    f = own.sae.encode(x)
    size = (x.norm(dim=1, keepdim=True) / math.sqrt(WIDTH)) if norm else 1.0
    wanted = f * size * (own.sae.W_dec @ w)
    inside = torch.zeros(len(x), 1)
    inside[3:9] = 1
    dense = np.zeros(tuple(f.shape), np.float32)
    dense[found.table["position"], found.table["feature"]] = found.table["attribution"]
    np.testing.assert_allclose(dense, (wanted * inside).numpy(), rtol=1e-4, atol=1e-5)
    unexplained = ((x - own.sae.write(f, x)) @ w) * inside[:, 0]
    np.testing.assert_allclose(found.error, unexplained.numpy(), rtol=1e-4, atol=1e-4)
    assert found.completeness_error < 1e-4
    assert found.value == pytest.approx(float((x[3:9] @ w).sum()), rel=1e-4)
    sizes = found.table["attribution"].abs()
    assert sizes.is_monotonic_decreasing and (found.table["activation"] > 0).all()


def test_of_a_linear_output_ablation_says_the_same(model: StripedHyenaModel) -> None:
    w = torch.randn(WIDTH, generator=torch.Generator().manual_seed(8))
    target = Probe(LAYER, w, 0, len(SEQUENCE))
    found = attribute_features(model, SEQUENCE, target, dictionary(), "gradient")
    summed = found.table.groupby("feature")["attribution"].sum()
    exact = ablate_features(model, SEQUENCE, target, LAYER, {LAYER: dictionary()}[LAYER], summed.index, 5)
    np.testing.assert_allclose(exact["effect"], summed, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "target",
    [BaseProbability(12, "T"), AlleleOdds(12, "T", "g"), Likelihood(5, 15)],
    ids=["base", "odds", "likelihood"],
)
def test_parts_add_up_to_what_the_output_loses(model: StripedHyenaModel, target) -> None:
    coarse = attribute_features(model, SEQUENCE, target, dictionary(), steps=2)
    fine = attribute_features(model, SEQUENCE, target, dictionary(), steps=64)
    parts = fine.table["attribution"].sum() + fine.error.sum()
    missed = abs(parts - (fine.value - fine.baseline)) / abs(fine.value - fine.baseline)
    assert fine.completeness_error == pytest.approx(missed, rel=1e-3, abs=1e-5)
    assert fine.completeness_error < min(0.02, max(coarse.completeness_error, 1e-3))
    late = fine.table["position"] >= (getattr(target, "position", None) or target.end)
    sizes = fine.table["attribution"].abs()  # nothing after an output has a part in it, but for rounding
    assert late.any() and sizes[late].max() < 1e-5 * sizes.max()


def test_values_are_those_of_scoring(model: StripedHyenaModel) -> None:
    (scored,) = score(model, [SEQUENCE])
    forward = model.forward([SEQUENCE])
    for position in (1, 7, 19):
        own = BaseProbability(position, SEQUENCE[position]).value(model, forward)
        assert float(own[0]) == pytest.approx(scored.nats[position], rel=1e-5)
    total = Likelihood(4, 11).value(model, forward)
    assert float(total[0]) == pytest.approx(scored.nats[4:11].sum(), rel=1e-5)
    odds = AlleleOdds(6, "C", "A").value(model, forward) + BaseProbability(6, "C").value(model, forward)
    assert torch.allclose(odds, BaseProbability(6, "A").value(model, forward))


def test_the_gradient_is_that_of_finite_differences(model: StripedHyenaModel) -> None:
    target, own = BaseProbability(12, "T"), dictionary()
    found = attribute_features(model, SEQUENCE, target, own, "gradient").table.iloc[0]
    feature, position = int(found["feature"]), int(found["position"])

    def at(change: float) -> float:
        def edit(x, context):
            out = x.clone()
            out[:, position] += change * own.sae.W_dec[feature]
            return out

        return float(target.value(model, model.forward([SEQUENCE], edits={LAYER: edit}))[0])

    slope = (at(0.02) - at(-0.02)) / 0.04
    assert found["attribution"] == pytest.approx(slope * found["activation"], rel=0.02)


def test_a_feature_of_a_later_layer_is_a_target(model: StripedHyenaModel) -> None:
    later = dataclasses.replace(dictionary(), reads=("blocks.3",), writes=("blocks.3",))
    x = model.forward([SEQUENCE], taps=["blocks.3"]).taps["blocks.3"][0]
    f = later.sae.encode(x)
    feature = int(f[10:15].sum(0).argmax())
    target = Activation(later, feature, 10, 15)
    found = attribute_features(model, SEQUENCE, target, dictionary(), steps=64)
    assert found.value == pytest.approx(float(f[10:15, feature].sum()), rel=1e-4)
    assert found.table["attribution"].abs().max() > 0


def test_mistakes_are_a_sentence(model: StripedHyenaModel) -> None:
    target = BaseProbability(12, "T")
    with pytest.raises(ValueError, match="method 'shapley': expected gradient or integrated"):
        attribute_features(model, SEQUENCE, target, dictionary(), "shapley")
    with pytest.raises(ValueError, match=r"position 0: expected 1 to 19; nothing predicts the first"):
        attribute_features(model, SEQUENCE, BaseProbability(0, "T"), dictionary())
    with pytest.raises(ValueError, match="base 'N': expected A, C, G or T"):
        attribute_features(model, SEQUENCE, BaseProbability(3, "N"), dictionary())
    with pytest.raises(ValueError, match="interval 5-99"):
        attribute_features(model, SEQUENCE, Likelihood(5, 99), dictionary())
    two = dataclasses.replace(dictionary(), reads=(LAYER, "blocks.2"), writes=(LAYER, "blocks.2"))
    with pytest.raises(ValueError, match="reads and writes one layer"):
        attribute_features(model, SEQUENCE, target, two)
    with pytest.raises(ModelError, match="NaN or infinite"):
        attribute_features(model, SEQUENCE, Probe(LAYER, torch.full((WIDTH,), math.nan), 0, 3), dictionary())
