"""Lifts and block-bootstrap intervals against scikit-learn, a bootstrap without bins, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from feature_mining.association.margin import Bases, draw_blocks, interval, lift, resample
from feature_mining.association.verdict import FEWEST


def exact_lift(label, score, weight):
    rate = np.average(label, weights=weight)
    return (average_precision_score(label, score, sample_weight=weight) - rate) / (1 - rate)


@pytest.fixture
def bases() -> Bases:
    random = np.random.default_rng(0)
    n = 6_000
    return Bases(random.random(n) < 0.1, random.choice([1.0, 3.5], n), np.arange(n) // 300)


def detectors(bases: Bases) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    n = bases.inside.size
    noisy = random.normal(size=n) + bases.inside
    return {
        "continuous": noisy,
        "mostly silent": np.where(noisy > 1.5, noisy, 0.0),
        "two values": (noisy > 1.5).astype(np.float32),
        "exact": bases.inside.astype(np.float32),
        "constant": np.zeros(n),
        "reversed": -noisy,
    }


def test_lifts_are_those_of_scikit_learn(bases):
    for name, score in detectors(bases).items():
        expected = exact_lift(bases.inside, score, bases.weight)
        assert lift(score, bases) == pytest.approx(expected, abs=1e-12), name
    assert lift(bases.inside.astype(float), bases) == 1
    nothing = bases._replace(inside=np.zeros(bases.inside.size, bool))
    assert np.isnan(lift(np.ones(6_000), nothing))
    assert np.isnan(lift(np.ones(6_000), nothing._replace(inside=~nothing.inside)))


def test_draws_are_those_of_a_bootstrap_without_bins(bases):
    times = draw_blocks(20, draws=40, seed=3)
    assert (times.sum(axis=1) == 20).all()
    for name, score in detectors(bases).items():
        found = resample(score, bases, times)
        assert found.lift == pytest.approx(lift(score, bases), abs=1e-12)
        expected = []
        for often in times:
            rows = np.repeat(np.arange(6_000), often[bases.block].astype(int))
            expected.append(exact_lift(bases.inside[rows], score[rows], bases.weight[rows]))
        # Bases that a draw takes twice are ties there, and neighbours in a bin here.
        np.testing.assert_allclose(found.draws, expected, atol=6e-3, err_msg=name)
        assert found.draws.std() == pytest.approx(np.std(expected), abs=1e-3), name


def test_a_detector_against_itself_has_no_margin(bases):
    times = draw_blocks(20)
    for score in detectors(bases).values():
        one, other = (resample(s, bases, times) for s in (score, 2 * score + 1))
        assert interval(one, other, bases.held) == pytest.approx((0, 0), abs=1e-12)


def test_no_interval_from_few_blocks(bases):
    times = draw_blocks(20)
    good, poor = (resample(detectors(bases)[name], bases, times) for name in ("exact", "constant"))
    assert np.isnan(interval(good, poor, FEWEST - 1)).all()
    assert interval(good, poor, FEWEST).low > 0.9
    few = bases._replace(inside=bases.inside & (bases.block < 3))
    assert bases.held == 20 and few.held == 3


# -- coverage: genes of unequal quality along a genome, two detectors that see them -----------------


def genes(random: np.random.Generator, n_blocks: int, block: int, size: int) -> tuple[Bases, list]:
    """A tenth of the scale of a bacterium: genes of mean ``size`` on 0.8 of the bases, runs of noise."""
    n = n_blocks * block
    inside, gene, at = np.zeros(n, bool), np.zeros(n, np.int64), 0
    while at < n:
        at += int(random.exponential(size / 4)) + 1
        end = at + int(random.exponential(size)) + 1
        inside[at:end], gene[at:end] = True, gene.max() + 1
        at = end
    scores = []
    for mean in (1.5, 1.0):
        quality = np.append(0.0, random.normal(mean, 1.0, gene.max()))
        noise = np.repeat(random.normal(size=n // 10 + 1), 10)[:n]
        scores.append(quality[gene] + noise)
    return Bases(inside, np.ones(n), np.arange(n) // block), scores


def covered(n_blocks: int, block: int, repeats: int, truth: float) -> float:
    """Share of simulated genomes whose interval holds the true margin."""
    random = np.random.default_rng(n_blocks)
    times = draw_blocks(n_blocks, 300)
    hits = 0
    for _ in range(repeats):
        bases, scores = genes(random, n_blocks, block, 100)
        one, other = (resample(score, bases, times) for score in scores)
        low, high = interval(one, other, FEWEST)
        hits += low <= truth <= high
    return hits / repeats


def test_intervals_hold_the_truth_as_often_as_they_say():
    bases, scores = genes(np.random.default_rng(99), 1_000, 800, 100)
    truth = lift(scores[0], bases) - lift(scores[1], bases)
    # Of 95 % asked for; the standard error of these shares is 0.025. Blocks of 8 genes, then of 4.
    assert covered(FEWEST, 800, 100, truth) > 0.86
    assert covered(2 * FEWEST, 400, 100, truth) > 0.86
