"""The composition control against direct counts and scikit-learn."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from feature_mining.association import composition
from feature_mining.association.composition import CompositionModel, Reading, covariates


def reading(codes, label):
    label = np.atleast_2d(label.T).T
    bits = label @ (1 << np.arange(label.shape[1]))
    states = np.arange(1 << label.shape[1])
    table = ((states[:, None] >> np.arange(label.shape[1])) & 1).astype(bool)
    return Reading(codes, bits.astype(np.int32), table, np.ones(codes.size, bool))


def test_covariates_equal_a_direct_count():
    random = np.random.default_rng(0)
    codes = random.choice(5, 400, p=[0.3, 0.2, 0.2, 0.25, 0.05]).astype(np.uint8)
    hot, dense = covariates(codes, 100, 300)
    for p in (100, 177, 299):
        row = p - 100
        for group, (k, offset) in enumerate(composition.GROUPS):
            word = codes[p + offset : p + offset + k]
            expected = -1
            if (word < 4).all():
                number = int("".join(map(str, word)), 4)
                expected = number + composition.GROUP_START[group]
            assert hot[row, group] == expected
        window = codes[p - 50 : p + 51]
        known = window[window < 4]
        assert dense[row, 0] == pytest.approx(np.isin(known, (1, 2)).mean())
        assert dense[row, 1:5].tolist() == np.bincount(known, minlength=4).tolist()
        pairs = [a * 4 + b for a, b in pairwise(window) if a < 4 and b < 4]
        assert dense[row, 5:21].tolist() == np.bincount(pairs, minlength=16).tolist()
        for phase in range(3):
            places = range(p + phase - 60, p + phase + 60, 3)
            letters = codes[list(places)]
            share = np.bincount(letters[letters < 4], minlength=4) / (letters < 4).sum()
            at = 85 + 4 * phase
            assert dense[row, at : at + 4] == pytest.approx(share, abs=1e-6)


def test_ends_and_chunks_do_not_matter():
    codes = np.random.default_rng(1).integers(0, 4, 500).astype(np.uint8)
    hot, dense = covariates(codes, 0, 500)
    some_hot, some_dense = covariates(codes, 210, 260)
    assert np.array_equal(hot[210:260], some_hot)
    assert dense[210:260] == pytest.approx(some_dense)
    assert hot[0, 5] == -1 and hot[5, 5] >= 0


def test_a_motif_and_a_composition_are_found_and_noise_is_not():
    random = np.random.default_rng(2)
    n = 60_000
    rich = np.repeat(random.random(n // 300) < 0.5, 300)
    codes = np.where(rich, random.choice(4, n, p=[0.15, 0.35, 0.35, 0.15]), random.integers(0, 4, n)).astype(
        np.uint8
    )
    word = np.convolve((codes == 3).astype(int), np.ones(4), "full")[:n] == 4
    noise = random.random(n) < 0.1
    label = np.stack([rich, word, noise], axis=1)
    half = n // 2
    model = CompositionModel.fit([reading(codes[:half], label[:half])], max_bases=20_000)
    score = model.score(codes[half:])
    assert score.shape == (half, 3) and score.dtype == np.float32
    aurocs = [roc_auc_score(label[half:, c], score[:, c]) for c in range(3)]
    assert aurocs[0] > 0.95 and aurocs[1] > 0.999
    assert abs(aurocs[2] - 0.5) < 0.03
    again = CompositionModel.fit([reading(codes[:half], label[:half])], max_bases=20_000)
    assert np.array_equal(again.weights, model.weights)
    assert (model.weights == 0).mean() > 0.2, "the penalty sets weights to exactly zero"


def test_as_good_as_scikit_learns_l1_logistic():
    random = np.random.default_rng(3)
    n = 6000
    codes = random.integers(0, 4, n).astype(np.uint8)
    _, dense = covariates(codes, 0, n)
    logit = 0.4 * (dense[:, 1] - 25) + 2.0 * (codes == 2) - 1.0
    label = random.random(n) < 1 / (1 + np.exp(-logit))
    model = CompositionModel.fit([reading(codes[:4000], label[:4000])], max_bases=10**7, epochs=8)
    ours = model.score(codes)[4000:, 0]
    hot, _ = covariates(codes, 0, n)
    one_hot = np.zeros((n, composition.N_ONE_HOT), np.float32)
    for group in range(hot.shape[1]):
        known = hot[:, group] >= 0
        one_hot[known, hot[known, group]] = 1
    x = np.concatenate([one_hot, (dense - model.centre) / model.scale], axis=1)
    oracle = LogisticRegression(l1_ratio=1, C=0.5, solver="liblinear").fit(x[:4000], label[:4000])
    theirs = oracle.decision_function(x[4000:])
    y = label[4000:]
    gap = average_precision_score(y, theirs) - average_precision_score(y, ours)
    assert abs(gap) < 0.02
    losses = [log_loss(y, 1 / (1 + np.exp(-s.astype(float)))) for s in (ours, theirs)]
    assert losses[0] < losses[1] + 0.02


def test_the_model_holds_the_words_that_it_has_as_covariates():
    """As good as the indicator of what labels the bases, of bases that it was not fitted on."""
    random = np.random.default_rng(4)
    n = 120_000
    codes = random.choice(4, n, p=[0.3, 0.2, 0.2, 0.3]).astype(np.uint8)
    sixth = np.convolve(codes, 4 ** np.arange(6))[:n]
    gc, word = np.isin(codes, (1, 2)), sixth == 0b000110110011
    many = np.isin(sixth, random.choice(4096, 40, replace=False))
    coin = random.random(n)
    indicators = [gc, gc, gc, word, many, many]
    labels = [gc, gc & (coin < 0.7), gc & (coin < 0.3), word, many, many & (coin < 0.5)]
    label = np.stack(labels, axis=1)
    half = n // 2
    assert 5 < word[:half].sum() < 40 and word[half:].any()
    model = CompositionModel.fit([reading(codes[:half], label[:half])])
    score = model.score(codes[half:])
    for c, (own, indicator) in enumerate(zip(label.T, indicators, strict=True)):
        y = own[half:]
        bound = average_precision_score(y, indicator[half:])
        short = bound - average_precision_score(y, score[:, c])
        # Words of which half are labelled at random are learnt from a dozen labels each.
        assert short < (0.06 if c == 5 else 0.02), (c, short)
