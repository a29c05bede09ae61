"""Likelihoods, entropies and strand averages."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genomic_models.scoring import batches, score, score_both_strands
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
