"""What a model answers in one line, against the functions and the contract behind it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genomic_models import ModelError, load
from genomic_models.activations import embed
from genomic_models.dna import reverse_complement
from genomic_models.generation import Sampling, generate
from genomic_models.scoring import windows
from tests.genomic_models.tiny import random_model

MODEL = random_model()
RNG = np.random.default_rng(5)
SHORT, OTHER = ("".join(RNG.choice(list("ACGT"), n)) for n in (90, 61))
LAYER = "blocks.1"


def taps(sequence: str) -> np.ndarray:
    """Activations of a whole sequence in one pass, ``(bases, d)``."""
    return MODEL.forward([sequence], taps=[LAYER], until=LAYER).taps[LAYER][0].numpy()


def test_one_sequence_or_a_list() -> None:
    one, several = MODEL.score(SHORT), MODEL.score([SHORT, OTHER])
    logp = MODEL.forward([SHORT]).logits.float().log_softmax(-1)[0]
    expected = [float(logp[i, ord(base)]) for i, base in enumerate(SHORT[1:])]
    assert np.isnan(one.nats[0]) and np.allclose(one.nats[1:], expected, atol=1e-4)
    assert np.allclose(several[0].nats, one.nats, atol=1e-5, equal_nan=True)
    assert several[1].nats.shape == (61,)
    turned = MODEL.score(reverse_complement(SHORT)).nats[::-1]
    both = MODEL.score(SHORT, both_strands=True)
    assert np.allclose(both.nats, (one.nats + turned) / 2, atol=1e-5, equal_nan=True)


def test_embeddings_are_pools_of_the_tap() -> None:
    rows = taps(SHORT)
    assert np.allclose(MODEL.embed(SHORT, LAYER), rows.mean(axis=0), atol=1e-5)
    assert np.allclose(MODEL.embed(SHORT, LAYER, "max"), rows.max(axis=0), atol=1e-5)
    assert np.allclose(MODEL.embed(SHORT, LAYER, "last"), rows[-1], atol=1e-5)
    assert np.allclose(MODEL.embed(SHORT, LAYER, "none"), rows, atol=1e-5)
    several = MODEL.embed([SHORT, OTHER], LAYER)
    assert several.shape == (2, rows.shape[1]) and several.dtype == np.float32
    assert np.allclose(several[1], taps(OTHER).mean(axis=0), atol=1e-5)
    assert [len(x) for x in MODEL.embed([SHORT, OTHER], LAYER, "none")] == [90, 61]
    assert np.array_equal(MODEL.embed(SHORT), MODEL.embed(SHORT, MODEL.default_layer))


def test_letters_that_are_no_bases_are_left_out_of_pools() -> None:
    text = SHORT[:40] + "NNN" + SHORT[40:] + "N"
    rows, known = taps(text), np.array([c != "N" for c in text])
    assert np.allclose(MODEL.embed(text.lower(), LAYER), rows[known].mean(axis=0), atol=1e-5)
    assert np.allclose(MODEL.embed(text, LAYER, "last"), rows[-2], atol=1e-5)
    assert MODEL.embed(text, LAYER, "none").shape == (94, rows.shape[1])
    assert np.isnan(MODEL.embed("NN", LAYER)).all() and np.isnan(MODEL.embed("NN", LAYER, "last")).all()


def test_what_is_longer_than_the_context_is_read_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODEL, "context", 40)
    expected = np.concatenate([taps(SHORT[w.start : w.end])[w.first - w.start :] for w in windows(90, 40)])
    assert len(expected) == 90
    assert np.allclose(MODEL.embed(SHORT, LAYER, "none"), expected, atol=1e-5)
    assert np.allclose(MODEL.embed(SHORT, LAYER), expected.mean(axis=0), atol=1e-5)
    assert np.allclose(MODEL.embed(SHORT, LAYER, "last"), expected[-1], atol=1e-5)
    assert np.allclose(MODEL.embed(SHORT, LAYER, "max"), expected.max(axis=0), atol=1e-5)


def test_writing_in_one_line() -> None:
    one = MODEL.generate(SHORT, 12, temperature=0.7, seed=4)
    again = generate(MODEL, [SHORT], 12, Sampling(0.7, seed=4))[0]
    assert one.sequence == again.sequence and len(one.sequence) == 12
    assert [g.prompt for g in MODEL.generate([SHORT, OTHER], 3)] == [SHORT, OTHER]


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(ModelError, match="pool 'median': expected mean, max, last, none"):
        MODEL.embed(SHORT, LAYER, "median")
    with pytest.raises(ModelError, match=r"no layer 'blocks\.99'; it has"):
        MODEL.embed(SHORT, "blocks.99")
    with pytest.raises(ModelError, match="sequence 0 is empty"):
        MODEL.embed("")
    with pytest.raises(ModelError, match="this looks like protein"):
        MODEL.score(["MKVLE"])
    with pytest.raises(TypeError, match="one string of 4 letters"):
        embed(MODEL, "ACGT", LAYER)


def test_the_model_that_ships_says_what_it_is_and_what_it_finds() -> None:
    model = load("mini")
    assert repr(model) == "StripedHyenaModel(mini, 73 taps, context 2,048, cpu, float32)"
    assert model.default_layer == "blocks.4" and model.embed(["ACGT" * 5, "GATTACA"]).shape == (2, 192)
    score = model.score(SHORT)
    assert repr(score) == f"Score(90 bases, {score.total:,.1f} nats, {score.bits_per_base:.4f} bits a base)"
    written = model.generate(SHORT, 50)
    assert repr(written) == f"Generated('{written.sequence[:37]}...', 50 bases after 90)"
    assert torch.is_inference_mode_enabled() is False
