"""Writing sequence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genomic_models.contract import ModelError
from genomic_models.generation import generate, sample
from tests.genomic_models.tiny import random_model


@pytest.mark.parametrize("prompt", ["A", "AC", "ACGTA", "ACGTACGTAC"])
def test_greedy_generation_equals_repeated_full_passes(prompt):
    model = random_model()
    written = generate(model, [prompt], 12, top_k=1)[0]
    sequence = prompt
    for _ in range(12):
        last = model.forward([sequence]).logits[0, -1]
        sequence += "ACGT"[int(last[[65, 67, 71, 84]].argmax())]
    assert written.sequence == sequence[len(prompt) :]
    assert written.nats.shape == (12,)


def test_prompts_of_any_lengths_keep_their_order():
    model = random_model()
    prompts = ["ACGT", "A", "TTTT"]
    together = generate(model, prompts, 5, top_k=1)
    assert [g.prompt for g in together] == prompts
    for one in together:
        assert one.sequence == generate(model, [one.prompt], 5, top_k=1)[0].sequence


def test_the_seed_decides():
    model = random_model()
    a, b, c = (generate(model, ["ACGT"], 60, top_k=4, seed=s)[0].sequence for s in (1, 1, 2))
    assert a == b != c
    assert set(a) <= set("ACGT")


def test_sample_respects_top_k_and_nucleus():
    logits = torch.tensor([[3.0, 2.0, 1.0, -9.0]]).repeat(2000, 1)
    g = torch.Generator().manual_seed(0)
    assert set(sample(logits, 2, 1.0, 1.0, g).tolist()) == {0, 1}
    assert set(sample(logits, 0, 0.6, 1.0, g).tolist()) == {0}
    drawn = sample(logits, 3, 1.0, 1.0, g)
    p = torch.tensor([3.0, 2.0, 1.0]).softmax(0).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 2000, p, atol=0.04)


def test_an_edit_acts_on_every_base_written():
    model = random_model()
    offsets = []

    def watch(x, context):
        offsets.append((context.offset, x.shape[1]))
        return x

    generate(model, ["ACGT"], 3, top_k=1, edits={"blocks.1": watch})
    assert offsets == [(0, 4), (4, 1), (5, 1)]


@pytest.mark.parametrize("bad", [{"length": 0}, {"temperature": 0.0}, {"top_p": 0.0}])
def test_settings_out_of_range_are_refused(bad):
    settings = {"length": 3} | bad
    with pytest.raises(ModelError, match="expected length >= 1"):
        generate(random_model(), ["ACGT"], **settings)
