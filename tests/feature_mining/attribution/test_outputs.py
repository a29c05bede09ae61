"""Outputs of a model of classes that sees both sides of a base: their value, and what changes them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from feature_mining.attribution.bases import marginalize, saturate
from feature_mining.attribution.target import BaseProbability, Output
from genomic_models import Forward, ModelError, ModuleModel, Outputs

SEQUENCE = "ACGTTGCAAGCTACGTCCGATGCATTGACCAGGT"


def build() -> torch.nn.Module:
    first = torch.nn.Conv1d(4, 6, 7, padding=3)
    return torch.nn.Sequential(first, torch.nn.Tanh(), torch.nn.Conv1d(6, 3, 3, padding=1))


@pytest.fixture(scope="module")
def model() -> ModuleModel:
    torch.manual_seed(4)
    outputs = Outputs("classes", ("neither", "acceptor", "donor"))
    return ModuleModel(build, build().state_dict(), ["0"], outputs)


def said(model: ModuleModel, sequence: str) -> np.ndarray:
    forward = model.forward([sequence])
    assert forward.logits is not None
    return forward.logits[0].numpy()


def test_an_output_is_the_sum_over_its_bases(model: ModuleModel) -> None:
    forward = model.forward([SEQUENCE])
    value = Output("donor", 10, 13).value(model, forward)
    assert float(value) == pytest.approx(said(model, SEQUENCE)[10:13, 2].sum(), abs=1e-6)
    with pytest.raises(
        ModelError, match="no output 'exon': the model's classes are neither, acceptor, donor"
    ):
        Output("exon", 1, 2).value(model, forward)
    with pytest.raises(ValueError, match="says nothing of some of them"):
        Output("donor", 33, 35).value(model, forward)
    with pytest.raises(ModelError, match=r"gives classes .* no such target"):
        BaseProbability(4, "A").value(model, forward)


def test_every_substitution_on_both_sides(model: ModuleModel) -> None:
    found = saturate(model, SEQUENCE, 8, 26, Output("donor", 15, 16), together=7)
    plain = said(model, SEQUENCE)[15, 2]
    for at in range(8, 26):
        for i, base in enumerate("ACGT"):
            changed = SEQUENCE[:at] + base + SEQUENCE[at + 1 :]
            assert found[at - 8, i] == pytest.approx(said(model, changed)[15, 2] - plain, abs=1e-5)
    assert np.abs(found[16 - 8 :]).max() > 0.01  # bases behind the place count
    assert np.abs(found[21 - 8 :]).max() == 0  # but not those out of reach


def test_surroundings_on_both_sides_are_shuffled(model: ModuleModel) -> None:
    read: list[str] = []

    class Watched(Output):
        def value(self, model: ModuleModel, forward: Forward) -> torch.Tensor:
            read.extend("".join("ACGTN"[i] for i in row) for row in forward.tokens.ids.tolist())
            return super().value(model, forward)

    gained = marginalize(model, SEQUENCE, 18, 22, Watched("donor", 15, 16), 15, 16, shuffles=4)
    for placed, without, value in zip(read[:4], read[4:], gained, strict=True):
        assert placed[15] == without[15] == SEQUENCE[15] and placed[18:22] == SEQUENCE[18:22]
        assert Counter(without[:15]) == Counter(SEQUENCE[:15])
        assert Counter(without[16:]) == Counter(SEQUENCE[16:])
        assert placed[:18] + without[18:22] + placed[22:] == without
        assert value == pytest.approx(said(model, placed)[15, 2] - said(model, without)[15, 2], abs=1e-5)
    with pytest.raises(ValueError, match="until 15: expected 16 to 34, or a stretch that begins from 16 on"):
        marginalize(model, SEQUENCE, 14, 16, Output("donor", 15, 16), 15, 16)
