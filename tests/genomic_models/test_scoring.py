"""Likelihoods, entropies and strand averages."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from genomic_models.contract import ModelError
from genomic_models.scoring import batches, score, score_both_strands
from genomic_models.striped_hyena.config import StripedHyenaConfig
from genomic_models.striped_hyena.model import StripedHyenaModel
from genomic_models.striped_hyena.network import StripedHyena, initialise
from tests.genomic_models.tiny import random_model


def test_nats_are_the_log_softmax_of_the_logits():
    model = random_model()
    sequence = "ACGTTGCAAC"
    logp = model.forward([sequence]).logits.log_softmax(-1)[0]
    expected = [logp[i, ord(sequence[i + 1])].item() for i in range(9)]
    result = score(model, [sequence])[0]
    assert math.isnan(result.nats[0])
    np.testing.assert_allclose(result.nats[1:], expected, atol=1e-6)
    assert result.total == pytest.approx(sum(expected), abs=1e-4)
    assert result.mean == pytest.approx(sum(expected) / 9, abs=1e-5)
    assert result.bits_per_base == pytest.approx(-sum(expected) / 9 / math.log(2), abs=1e-5)
    p = logp.exp()
    entropy = -(p * logp).sum(-1)[:9].detach()
    np.testing.assert_allclose(result.entropy[1:], entropy, atol=1e-5)


def test_padding_does_not_change_a_score():
    model = random_model()
    long, short = "ACGTTGCA" * 8, "GATTACAGG"
    together, alone = score(model, [long, short])[1], score(model, [short])[0]
    assert together.nats.shape == (9,)
    np.testing.assert_allclose(together.nats, alone.nats, atol=1e-5)
    assert np.isfinite(together.nats[1:]).all()


def test_start_token_scores_the_first_base():
    model = random_model()
    ids = torch.tensor([[0, *map(ord, "ACG")]])
    logp = model.read(ids)[0].logits.log_softmax(-1)[0]
    expected = [logp[i, ids[0, i + 1]].item() for i in range(3)]
    np.testing.assert_allclose(score(model, ["ACG"], bos=True)[0].nats, expected, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 7, 30, 1000])
def test_chunks_give_the_same_scores(chunk):
    model = random_model()
    sequences = ["ACGTTGCA" * 8, "GATTACAGG"]
    for a, b in zip(score(model, sequences, chunk=chunk), score(model, sequences), strict=True):
        np.testing.assert_allclose(a.nats, b.nats, atol=1e-5)


def test_both_strands_is_the_mean_with_the_turned_reading():
    model = random_model()
    sequence = "ACCGTTGANC"
    forward = score(model, [sequence])[0].nats
    backward = score(model, ["GNTCAACGGT"])[0].nats[::-1]
    got = score_both_strands(model, [sequence])[0].nats
    np.testing.assert_allclose(got, (forward + backward) / 2, atol=1e-6)


def test_batches_hold_like_lengths_and_stay_small():
    groups = batches([10, 100, 12, 90, 11], bases=200)
    assert groups == [[0, 4, 2], [3, 1]]


def random_dna(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def one_pass(model, text: str) -> np.ndarray:
    """Log-likelihood of each letter after the first, from the logits of one pass over ``text``."""
    logp = model.forward([text]).logits.log_softmax(-1)[0]
    return np.array([logp[i, ord(text[i + 1])].item() for i in range(len(text) - 1)])


@pytest.mark.parametrize("length", [64, 65, 112, 113, 500])
def test_long_sequences_are_scored_in_windows_with_warm_up(length):
    """Windows of 64 begin at 0, 48, 96 ...: a base counts where it has 16 to 63 bases before it."""
    model, sequence = random_model(), random_dna(length)
    expected = np.full(length, np.nan)
    for start in range(0, length, 48):
        values = one_pass(model, sequence[start : start + 64]) if length > start + 1 else []
        for offset, value in enumerate(values, 1):
            if start == 0 or offset >= 16:
                expected[start + offset] = value
    for bases in (10, 40_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batches, "__defaults__", (bases,))
            found = score(model, [sequence, sequence[:50]], context=64)
        np.testing.assert_allclose(found[0].nats, expected, atol=2e-5)
        np.testing.assert_allclose(found[1].nats[1:], one_pass(model, sequence[:50]), atol=2e-5)
        assert np.isfinite(found[0].entropy[1:]).all()


def test_the_default_context_is_the_models():
    model, sequence = random_model(), random_dna(257)
    whole = one_pass(model, sequence[:256])
    np.testing.assert_allclose(score(model, [sequence[:256]])[0].nats[1:], whole, atol=1e-5)
    over = score(model, [sequence])[0].nats
    np.testing.assert_allclose(over[1:256], whole, atol=1e-5)
    assert over[256] == pytest.approx(one_pass(model, sequence[192:])[-1], abs=1e-5)
    for context in (1, 257):
        with pytest.raises(ModelError, match=rf"context {context}: expected 2 to 256 bases"):
            score(model, [sequence], context=context)


def test_both_strands_of_a_long_sequence_and_what_is_told():
    model, sequence, heard = random_model(), random_dna(300), []
    turned = sequence[::-1].translate(str.maketrans("ACGT", "TGCA"))
    forward, backward = (score(model, [s], context=64)[0].nats for s in (sequence, turned))
    found = score_both_strands(model, [sequence], context=64, told=heard.append)[0]
    np.testing.assert_allclose(found.nats, (forward + backward[::-1]) / 2, atol=1e-6)
    assert sum(heard) == 600 and len(heard) == 2 * 6


def test_letters_that_are_no_base_are_read_and_not_scored():
    model = random_model()
    found = score(model, ["ACGNTRA"])[0]
    expected = one_pass(model, "ACGNTRA")
    assert np.isnan(found.nats[[0, 3, 5]]).all() and np.isnan(found.entropy[[0, 3, 5]]).all()
    np.testing.assert_allclose(found.nats[[1, 2, 4, 6]], expected[[0, 1, 3, 5]], atol=1e-6)
    assert found.total == pytest.approx(expected[[0, 1, 3, 5]].sum(), abs=1e-4)
    assert found.mean == pytest.approx(expected[[0, 1, 3, 5]].mean(), abs=1e-5)


def test_rna_is_read_as_dna_and_proteins_are_refused():
    model = random_model()
    rna, dna = score(model, ["acguu", "ACGTT"])
    np.testing.assert_allclose(rna.nats, dna.nats, atol=1e-5)
    for both in (score, score_both_strands):
        with pytest.raises(ModelError, match=r"sequence 1: 4 of 7 letters .* looks like protein"):
            both(model, ["ACGT", "MKVLEIF"])
        with pytest.raises(ModelError, match="sequence 1 is empty"):
            both(model, ["ACGT", ""])


def small(pattern: str, context: int) -> StripedHyenaModel:
    config = StripedHyenaConfig("evo2", pattern, 16, 2, 32, groups=4, context=context)
    return StripedHyenaModel(initialise(StripedHyena(config), 0), "small")


class Widest(TorchDispatchMode):
    """Bytes of the largest tensor that is made."""

    most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for part in made if isinstance(made, tuple | list) else [made]:
            if isinstance(part, torch.Tensor):
                self.most = max(self.most, part.numel() * part.element_size())
        return made


def test_no_tensor_grows_with_the_sequence():
    """100 kb in windows: what the largest holds is a batch's logits, 16,384 columns of 512."""
    with Widest() as widest:
        score(small("SDH*", 256), [random_dna(100_000)])
    assert widest.most == 16_384 * 512 * 4


def test_attention_over_a_long_cache_makes_no_dense_mask():
    """A chunk of 4,096 against 16,384 keys: a dense mask would be of 67 MB as bytes, 268 MB as floats."""
    model, sequence = small("*S", 1 << 14), random_dna(1 << 14)
    with Widest() as widest:
        found = score(model, [sequence], chunk=4096)[0]
    assert widest.most < 20e6
    np.testing.assert_allclose(found.nats[1:], one_pass(model, sequence), atol=2e-4)
