"""Writing sequence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genomic_models.contract import ModelError
from genomic_models.generation import Sampling, check_writer, extend, generate
from tests.genomic_models.tiny import random_model

BEST = Sampling(top_k=1)


@pytest.mark.parametrize("prompt", ["A", "AC", "ACGTA", "ACGTACGTAC"])
def test_greedy_generation_equals_repeated_full_passes(prompt):
    model = random_model()
    written = generate(model, [prompt], 12, BEST)[0]
    sequence = prompt
    for at in range(12):
        last = model.forward([sequence]).logits[0, -1]
        sequence += "ACGT"[int(last[[65, 67, 71, 84]].argmax())]
        assert written.nats[at] == pytest.approx(float(last.log_softmax(-1)[ord(sequence[-1])]), abs=1e-4)
    assert written.sequence == sequence[len(prompt) :]
    assert written.nats.shape == (12,)


def test_prompts_of_any_lengths_keep_their_order():
    model = random_model()
    prompts = ["ACGT", "A", "TTTT"]
    together = generate(model, prompts, 5, BEST)
    assert [g.prompt for g in together] == prompts
    for one in together:
        assert one.sequence == generate(model, [one.prompt], 5, BEST)[0].sequence


def test_the_seed_decides():
    model = random_model()
    a, b, c = (generate(model, ["ACGT"], 60, Sampling(seed=s))[0].sequence for s in (1, 1, 2))
    assert a == b != c
    assert set(a) <= set("ACGT")


def test_draws_respect_top_k_nucleus_temperature_and_what_may_come():
    logits = torch.tensor([[1.0, 3.0, -9.0, 2.0]]).repeat(4000, 1)
    chance = Sampling().chances([(0,)], 4000)[0]

    def shares(given: torch.Tensor = logits, **settings) -> np.ndarray:
        drawn = Sampling(**settings).draw(given, chance)
        return np.bincount(drawn, minlength=4) / len(drawn)

    np.testing.assert_allclose(shares(), logits[0].softmax(0), atol=0.03)
    np.testing.assert_allclose(shares(temperature=2), (logits[0] / 2).softmax(0), atol=0.03)
    two = torch.tensor([3.0, 2.0]).softmax(0)
    np.testing.assert_allclose(shares(top_k=2), [0, two[0], 0, two[1]], atol=0.03)
    assert shares(top_p=0.6).tolist() == [0, 1, 0, 0] == shares(top_k=1).tolist()
    left = logits.clone()
    left[:, 1] = -torch.inf
    np.testing.assert_allclose(shares(left, top_k=3), torch.tensor([1, -9, 2.0]).softmax(0)[[0, 0, 1, 2]]
        * torch.tensor([1, 0, 1, 1]), atol=0.03)  # fmt: skip
    last = torch.tensor([1 - 2**-53], dtype=torch.float64)
    assert Sampling().draw(torch.tensor([[0.0, -torch.inf, -torch.inf, -torch.inf]]), last).tolist() == [0]


def test_rows_have_streams_of_their_own():
    a = Sampling(seed=3).chances([(0, 0), (0, 1), (5, 1)], 8)
    assert torch.equal(a[1:], Sampling(seed=3).chances([(0, 1), (5, 1)], 8))
    assert len(set(a.flatten().tolist())) == 24 and not torch.equal(a, Sampling(seed=4).chances([(0, 0)], 8))


def test_an_edit_acts_on_every_base_written():
    model = random_model()
    offsets = []

    def watch(x, context):
        offsets.append((context.offset, x.shape[1]))
        return x

    generate(model, ["ACGT"], 3, BEST, edits={"blocks.1": watch})
    assert offsets == [(0, 4), (4, 1), (5, 1)]


def test_a_guide_decides_what_may_come_and_hears_what_came():
    class Alternating:
        def __init__(self) -> None:
            self.step, self.heard = 0, []

        def allowed(self) -> torch.Tensor:
            rows = torch.zeros(2, 4, dtype=torch.bool)
            rows[0, self.step % 2], rows[1, 2:] = True, True
            return rows

        def take(self, choice: torch.Tensor) -> None:
            self.step += 1
            self.heard.append(choice.tolist())

    model, guide, told = random_model(), Alternating(), []
    chances = Sampling().chances([(0,), (1,)], 6)
    texts, nats = extend(model.read, None, None, check_writer(model), chances, Sampling(), guide, told.append)
    assert texts[0] == "ACACAC" and set(texts[1]) == {"G", "T"}
    assert ["".join("ACGT"[row[i]] for row in guide.heard) for i in (0, 1)] == texts and told == [2] * 6
    assert np.isnan(nats[:, 0]).all() and np.isfinite(nats[:, 1:]).all()


@pytest.mark.parametrize(
    "bad", [{"temperature": 0.0}, {"temperature": float("nan")}, {"top_p": 0.0}, {"top_k": -1}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ModelError, match="expected temperature > 0"):
        Sampling(**bad)


def test_nothing_to_write_is_refused():
    with pytest.raises(ModelError, match="length 0: expected length >= 1"):
        generate(random_model(), ["ACGT"], 0)
