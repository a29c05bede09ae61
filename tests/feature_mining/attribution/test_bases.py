"""Saturation mutagenesis against whole mutants; the gradient by letters against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_mining.attribution.bases import BLOCK, ablate, attribute_bases, marginalize, saturate
from feature_mining.attribution.target import Activation, BaseProbability, Likelihood
from feature_mining.edits.apply import Dictionary
from genomic_models.striped_hyena.model import StripedHyenaModel
from tests.feature_mining.edits.tiny import LAYER, UNIT, autoencoder, tiny_model

SEQUENCE = "ACGTTGCAAGCTTACGGATCGGCTATAATGCACCTTGGACATAGCTTA"


@pytest.fixture(scope="module")
def model() -> StripedHyenaModel:
    return tiny_model()


def targets() -> list:
    at = Dictionary(autoencoder(), ("blocks.3",), ("blocks.3",), UNIT, UNIT)
    return [
        Likelihood(1, len(SEQUENCE)),
        Likelihood(35, 40),
        BaseProbability(45, "G"),
        Activation(at, 3, 30, 48),
    ]


@pytest.mark.parametrize("target", targets(), ids=["all", "some", "base", "feature"])
@pytest.mark.parametrize("stretch", [(0, 5), (1, 2), (20, 20 + BLOCK + 3)])
def test_it_is_what_whole_mutants_give(model: StripedHyenaModel, target, stretch) -> None:
    start, end = stretch
    found = saturate(model, SEQUENCE, start, end, target, together=7)
    untouched = target.value(model, model.forward([SEQUENCE], taps=target.taps))
    for at in range(start, end):
        for i, base in enumerate("ACGT"):
            mutant = SEQUENCE[:at] + base + SEQUENCE[at + 1 :]
            own = target.value(model, model.forward([mutant], taps=target.taps)) - untouched
            assert found[at - start, i] == pytest.approx(float(own[0]), rel=1e-3, abs=1e-4)
    assert np.abs(found).max() > 1e-4 or start > 40


def test_the_gradient_by_letters_is_the_slope(model: StripedHyenaModel) -> None:
    target = BaseProbability(40, "T")
    found = attribute_bases(model, SEQUENCE, target)
    assert np.abs(found[40:]).max() < 1e-5 * np.abs(found).max()
    weight = model.network.embedding_layer.weight
    four = torch.stack([weight[ord(b)] for b in "ACGT"])
    for at in (39, 38, int(np.abs(found).argmax())):
        away = weight[ord(SEQUENCE[at])] - four.mean(0)

        def value(share: float, at: int = at, away: torch.Tensor = away) -> float:
            def edit(x, context):
                out = x.clone()
                out[:, at] += share * away
                return out

            forward = model.forward([SEQUENCE], edits={"embedding_layer": edit})
            return float(target.value(model, forward)[0])

        slope = (value(0.02) - value(-0.02)) / 0.04
        assert found[at] == pytest.approx(slope, rel=0.1, abs=2e-5)


def test_a_state_can_be_had_several_times(model: StripedHyenaModel) -> None:
    ids = model.tokenize([SEQUENCE, SEQUENCE[::-1]]).ids
    _, state = model.read(ids[:, :20])
    whole = model.read(ids.repeat_interleave(3, 0))[0].logits
    rest, _ = model.read(ids[:, 20:].repeat_interleave(3, 0), model.repeat(state, 3))
    torch.testing.assert_close(rest.logits, whole[:, 20:], rtol=1e-4, atol=1e-4)
    assert LAYER in model.layers


def test_mistakes_are_a_sentence(model: StripedHyenaModel) -> None:
    with pytest.raises(ValueError, match="stretch 5-99: expected 0 <= start < end <= 48"):
        saturate(model, SEQUENCE, 5, 99, Likelihood(1, 48))
    with pytest.raises(ValueError, match="the stretch holds N"):
        saturate(model, "ACGNACGT", 2, 6, Likelihood(1, 8))


def test_a_shuffled_stretch_and_shuffled_surroundings(model: StripedHyenaModel) -> None:
    """One stretch or all but it is shuffled with its pairs of letters; values are those of whole passes."""
    read: list[str] = []

    class Watched:
        taps = ()

        def value(self, model, forward):
            read.extend(bytes(row.tolist()).decode() for row in forward.tokens.ids)
            return Likelihood(40, 45).value(model, forward)

    def pairs(text: str) -> list[str]:
        return sorted(text[i : i + 2] for i in range(len(text) - 1))

    start, end = 10, 30
    lost = ablate(model, SEQUENCE, start, end, Watched(), shuffles=5, together=4)
    assert read[0] == SEQUENCE and len(set(read)) > 2
    for text, value in zip(read[1:], lost, strict=True):
        assert text[:start] == SEQUENCE[:start] and text[end:] == SEQUENCE[end:]
        assert pairs(text[start:end]) == pairs(SEQUENCE[start:end])
        both = [Likelihood(40, 45).value(model, model.forward([each])) for each in (SEQUENCE, text)]
        assert value == pytest.approx(float(both[0] - both[1]), abs=1e-4)
    read.clear()
    gained = marginalize(model, SEQUENCE, start, end, Watched(), until=40, shuffles=3)
    for placed, without, value in zip(read[:3], read[3:], gained, strict=True):
        assert placed[start:end] == SEQUENCE[start:end] and without[40:] == placed[40:] == SEQUENCE[40:]
        assert pairs(without[:40]) == pairs(SEQUENCE[:40])
        assert placed[:start] + without[start:end] + placed[end:] == without
        both = [Likelihood(40, 45).value(model, model.forward([each])) for each in (placed, without)]
        assert value == pytest.approx(float(both[0] - both[1]), abs=1e-4)
    with pytest.raises(ValueError, match="expected 0 <= start < end"):
        ablate(model, SEQUENCE, 5, 5, Watched())
    with pytest.raises(ValueError, match="until 20: expected 30"):
        marginalize(model, SEQUENCE, start, end, Watched(), until=20)
