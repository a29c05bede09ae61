"""Features switched off, against activations edited by hand and PyTorch's own losses."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div, mse_loss

from feature_mining.sae.measures.ablation import ablate, written_alone
from genomic_models import ModelError, Outputs
from tests.feature_mining.sae.conftest import FakeModel
from tests.feature_mining.sae.measures.test_quality import perfect

SEQUENCE = "GATTACAGATTTCCGGAACGTTAGC"
WITHIN = np.zeros(len(SEQUENCE), bool)
WITHIN[8:20] = True


@pytest.mark.parametrize("together", [1, 5])
def test_by_hand(model: FakeModel, together: int) -> None:
    # Feature j of the first six is the positive part of neuron j: off means that part is 0.
    found = ablate(model, "blocks.0", perfect(6), SEQUENCE, WITHIN, list(range(6)), together)
    hidden = model.forward([SEQUENCE], until="blocks.0").taps["blocks.0"][0]
    ids = torch.tensor(list(SEQUENCE.encode()))
    clean = (hidden @ model.head)[7:19].log_softmax(-1)
    assert found.letters == 12
    for j in range(6):
        changed = hidden.clone()
        changed[8:20, j] = hidden[8:20, j].clamp(max=0)
        off = (changed @ model.head)[7:19].log_softmax(-1)
        assert found.on[j] == (hidden[8:20, j] > 0).sum()
        lost = cross_entropy(off, ids[8:20], reduction="sum") - cross_entropy(
            clean, ids[8:20], reduction="sum"
        )
        assert found.bits[j] == pytest.approx(float(lost) / math.log(2), rel=1e-4, abs=1e-4)
        apart = kl_div(off, clean, reduction="sum", log_target=True)
        assert found.kl[j] == pytest.approx(float(apart) / math.log(2), rel=1e-4, abs=1e-4)


def test_a_feature_that_is_not_on_changes_nothing(model: FakeModel) -> None:
    never = perfect(6)
    never = replace(never, threshold=torch.full_like(never.threshold, 1e9))
    found = ablate(model, "blocks.0", never, SEQUENCE, WITHIN, [0, 3])
    assert found.on.tolist() == [0, 0]
    assert found.bits.tolist() == [0.0, 0.0] and found.kl.tolist() == [0.0, 0.0]


def test_what_is_not_reconstructed_stays() -> None:
    # One feature along the first axis: taking it off leaves the other axes, biases and all, as they are.
    sae = replace(perfect(3), b_dec=torch.tensor([5.0, 6.0, 7.0]))
    x = torch.tensor([[7.0, 5.0, 10.0], [3.0, 7.0, 11.0]])
    alone = written_alone(sae, sae.encode_sparse(x), 0, x)
    torch.testing.assert_close(alone, torch.tensor([[2.0, 0, 0], [0, 0, 0]]))


def test_parts_add(model: FakeModel) -> None:
    first, second = WITHIN.copy(), WITHIN.copy()
    first[14:], second[:14] = False, False
    parts = [ablate(model, "blocks.0", perfect(6), SEQUENCE, w, [1, 2]) for w in (first, second)]
    whole = parts[0] + parts[1]
    assert whole.letters == 12
    assert (whole.on == ablate(model, "blocks.0", perfect(6), SEQUENCE, WITHIN, [1, 2]).on).all()


@pytest.mark.parametrize(
    "outputs", [None, Outputs("classes", tuple("ab")), Outputs("tracks", tuple("ab"), 2, 1)]
)
def test_a_model_that_does_not_predict_the_next_base(model: FakeModel, outputs: Outputs | None) -> None:
    """No bits; the divergence of what is said of each base, which its own column says."""
    model.causal, model.outputs = False, outputs
    if outputs is not None:
        model.head = torch.randn(model.d, 2, generator=torch.Generator().manual_seed(1))
    found = ablate(model, "blocks.0", perfect(6), SEQUENCE, WITHIN, [2])
    hidden = model.forward([SEQUENCE], until="blocks.0").taps["blocks.0"][0]
    changed = hidden.clone()
    changed[8:20, 2] = hidden[8:20, 2].clamp(max=0)
    # Column j is of base j + offset.
    columns = slice(6, 18) if outputs and outputs.offset else slice(8, 20)
    clean, off = ((x @ model.head)[columns] for x in (hidden, changed))
    if outputs is None:
        apart = kl_div(off.log_softmax(-1), clean.log_softmax(-1), reduction="sum", log_target=True)
    elif outputs.kind == "tracks":
        apart = mse_loss(off, clean, reduction="sum") / 2
    else:  # what a model of classes says is taken for log-probabilities
        apart = kl_div(off, clean, reduction="sum", log_target=True)
    assert found.letters == 12 and np.isnan(found.bits).all()
    assert found.kl[0] == pytest.approx(float(apart) / math.log(2), rel=1e-4)


def test_a_model_that_says_nothing(model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda *a, **k: replace(forward(*a, **k), logits=None))
    with pytest.raises(ModelError, match="says nothing of a place"):
        ablate(model, "blocks.0", perfect(6), SEQUENCE, WITHIN, [0])
