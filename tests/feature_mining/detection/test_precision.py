"""Promises of precision against planted truth; calls against words; intervals against what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.planted_sites import GAP, planted, true_precision
from feature_mining.detection.calls import Caller, find_calls, meets
from feature_mining.detection.precision import (
    NotReached,
    Reading,
    call_labels,
    choose_threshold,
    fit_curve,
    measure,
    probability,
    reliability,
    tally,
)


def naive(scores: np.ndarray, threshold: float, gap: int) -> list[tuple[int, int, float]]:
    found: list[tuple[int, int, float]] = []
    for at, score in enumerate(scores):
        if not score >= threshold:
            continue
        if found and at - found[-1][1] <= gap:
            start, _, peak = found.pop()
            found.append((start, at + 1, max(peak, score)))
        else:
            found.append((at, at + 1, score))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_calls_are_those_of_words_in_pieces_of_any_size(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(size=200)
    scores[random.random(200) < 0.1] = np.nan
    gap = seed % 4
    expected = naive(scores, 0.5, gap)
    found = find_calls(scores, 0.5, gap)
    assert list(zip(*map(np.ndarray.tolist, found), strict=True)) == expected
    caller = Caller(0.5, gap, start=1000)
    parts = [caller.read(part) for part in np.split(scores, np.sort(random.integers(0, 201, 6)))]
    parts.append(caller.end())
    joined = [row for part in parts for row in zip(*map(np.ndarray.tolist, part), strict=True)]
    assert joined == [(start + 1000, end + 1000, peak) for start, end, peak in expected]
    sites = np.sort(random.integers(0, 190, 12))[:, None] + np.array([0, 7])
    true, hit = meets(found, sites)
    touch = [[s < e2 and s2 < e for s2, e2 in sites] for s, e, _ in expected]
    assert true.tolist() == [any(row) for row in touch]
    assert hit.tolist() == np.array(touch).any(axis=0).tolist()


def test_precision_where_sites_are_rarer_by_hand() -> None:
    """Two strands of 100 bases: 2 sites, one called twice; one false call."""
    scores = np.full(100, -1.0)
    scores[[10, 14, 50]] = 1
    sites = np.array([[10, 16], [80, 83]])
    nothing = np.full(100, -1.0)
    readings = [Reading(scores, sites, np.zeros(100, int)), Reading(nothing, sites[:0], np.zeros(100, int))]
    found = tally(readings, np.array([0.5, 2.0]), 0)
    assert (found.true[0].tolist(), found.false[0].tolist()) == ([2, 0], [1, 0])
    assert found.hit[0].tolist() == [1, 0] and found.sites.tolist() == [2] and found.bases.tolist() == [100]
    assert found.density == 0.02
    assert found.precision(0.02)[0] == pytest.approx(2 / 3) and np.isnan(found.precision(0.02)[1])
    # A tenth of the sites: a tenth of the true calls, as many false ones.
    assert found.precision(0.002)[0] == pytest.approx(0.2 / 1.2)
    # A site without a valued base is none that could be found.
    scores[80:83] = np.nan
    assert tally(readings, np.array([0.5]), 0).sites.tolist() == [1]


@pytest.mark.parametrize("sites_per_base", [0.002, 0.0005])
def test_what_is_promised_is_kept_over_many_draws(sites_per_base: float) -> None:
    """The true precision of chosen thresholds is the promise on the mean, and measured intervals hold it."""
    random = np.random.default_rng(3)
    real, held = [], []
    for _ in range(40):
        threshold = choose_threshold(planted(random), 0.8, sites_per_base, GAP)
        real.append(true_precision(threshold, sites_per_base))
        interval = measure(planted(random), threshold, GAP, sites_per_base).precision
        held.append(interval.low <= real[-1] <= interval.high)
    # Never less than said, and a little more where sites are rarer than where it was calibrated.
    assert 0.79 < np.mean(real) < 0.86
    assert np.std(real) < 0.09
    # 40 draws at 95 %: fewer than 34 have a chance of 1 in 300.
    assert sum(held) >= 34


def test_a_precision_out_of_reach_is_refused_with_the_highest_there_is() -> None:
    readings = planted(np.random.default_rng(0))
    with pytest.raises(NotReached, match=r"reaches a precision of 0\.8 .* the highest is 0\.\d{3}, of \d+"):
        choose_threshold(readings, 0.8, 1e-6, GAP)
    # No false call seen is not none: the interval ends below 1.
    sure = measure(readings, 4.0, GAP, readings[0].sites.size / 96_000)
    assert sure.precision.value == 1 and 0.5 < sure.precision.low < 0.95
    quiet = [reading._replace(scores=np.full(len(reading.scores), -9.0)) for reading in readings]
    with pytest.raises(NotReached):
        choose_threshold(quiet, 0.8, 0.002, GAP)
    unread = [reading._replace(scores=np.full(len(reading.scores), np.nan)) for reading in readings]
    with pytest.raises(NotReached, match="no base has a value"):
        choose_threshold(unread, 0.8, 0.002, GAP)


def test_probabilities_of_calls_are_reliable() -> None:
    """Fitted on one draw, what is said of the calls of others is what becomes of them."""
    random = np.random.default_rng(5)
    peaks, true, _ = call_labels(planted(random), 1.0, GAP)
    curve = fit_curve(peaks, true, np.ones(len(peaks)))
    said, became, stretch = [], [], []
    for draw in range(5):
        peaks, true, where = call_labels(planted(random), 1.0, GAP)
        said.append(probability(peaks, curve)), became.append(true), stretch.append(where + 24 * draw)
    said, became, stretch = map(np.concatenate, (said, became, stretch))
    bins = reliability(said, became, np.ones(len(said)), stretch)
    assert len(bins) == 8 and sum(each.calls for each in bins) == len(said)
    assert bins[0].said < 0.1 and bins[-1].said > 0.95
    for each in bins:
        assert each.true.value == pytest.approx(each.said, abs=0.12)
    # scikit-learn's logistic model without a penalty says the same where there are many calls.
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1e6).fit(said[:, None], became)
    ours = fit_curve(said, became, np.ones(len(said)))
    assert ours[1] == pytest.approx(float(model.coef_[0, 0]), rel=0.05)
    # All calls true: likely, and not certain.
    sure = fit_curve(np.arange(5.0), np.ones(5, bool), np.ones(5))
    assert 0.7 < probability(np.array([2.0]), sure)[0] < 0.99


def test_weights_stand_for_calls() -> None:
    random = np.random.default_rng(6)
    peaks, true, stretch = call_labels(planted(random), 1.0, GAP)
    weight = np.where(true, 1.0, 3.0)
    thrice = np.repeat(np.arange(len(peaks)), np.where(true, 1, 3))
    assert fit_curve(peaks, true, weight) == pytest.approx(
        fit_curve(peaks[thrice], true[thrice], np.ones(len(thrice))), rel=1e-3
    )
    said = np.full(len(peaks), 0.5)
    (one,) = reliability(said, true, weight, stretch, bins=1)
    assert one.true.value == pytest.approx(true[thrice].mean())
