"""What a detector promises: the threshold for a stated precision, and what it is on bases not used for that.

The unit is a call. Of ``d`` sites a base of sequence, a detector with ``h`` true calls a site and ``f`` false
calls a base has the precision ``d h / (d h + f)``: so that what is found where sites are so dense can be said
of sequence where they are rarer. Intervals are over stretches of the genome drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm, t
from sklearn.isotonic import isotonic_regression

from feature_mining.association.margin import draw_blocks
from feature_mining.detection.calls import find_calls, meets

LEVEL = 0.95
# Thresholds that are tried, and calls below which a precision is not taken for one.
TRIED, FEWEST = 256, 20
DRAWS = 1000
# False calls to expect where none was seen.
UNSEEN = 0.5


class Reading(NamedTuple):
    """Bases of one strand of a stretch, in genome order.

    scores : float (n), NaN where a base has no value
    sites : int64 (k, 2), intervals within it, 0-based half-open
    stretch : int64 (n), which stretch of the genome, for intervals of confidence, a base is of
    strands : readings of this sequence; a base counts once, a half on either
    """

    scores: np.ndarray
    sites: np.ndarray
    stretch: np.ndarray
    strands: int = 2

    @property
    def valued(self) -> np.ndarray:
        """Sites with a base that has a value, bool ``(k,)``: others cannot be found, and are not counted."""
        known = np.append(0, np.cumsum(~np.isnan(self.scores)))
        found: np.ndarray = known[self.sites[:, 1]] > known[self.sites[:, 0]]
        return found


class Tally(NamedTuple):
    """Counts by stretch of the genome.

    true, false, hit : float64 (stretches, thresholds), calls that meet a site or none, sites that are called
    sites, bases : float64 (stretches)
    """

    true: np.ndarray
    false: np.ndarray
    hit: np.ndarray
    sites: np.ndarray
    bases: np.ndarray

    @property
    def density(self) -> float:
        """Sites a base of sequence."""
        return float(self.sites.sum() / max(self.bases.sum(), 1.0))

    def precision(
        self, density: float, times: np.ndarray | None = None, unseen: float | np.ndarray = 0.0
    ) -> np.ndarray:
        """Precision where sites are so dense, float64 ``(thresholds,)``; NaN without calls or sites.

        ``times`` ``(draws, stretches)`` gives it ``(draws, thresholds)``, with stretches taken so often.
        ``unseen`` false calls are added to those that were counted.
        """
        weight = np.ones((1, len(self.bases))) if times is None else times
        with np.errstate(invalid="ignore", divide="ignore"):
            per_site = (weight @ self.true) / (weight @ self.sites)[:, None]
            per_base = (weight @ self.false + unseen) / (weight @ self.bases)[:, None]
            found = density * per_site / (density * per_site + per_base)
        return found[0] if times is None else found


def tally(readings: Sequence[Reading], thresholds: np.ndarray, gap: int) -> Tally:
    """Count the calls of readings at every threshold."""
    count = 1 + max(int(reading.stretch.max(initial=-1)) for reading in readings)
    shape = (count, len(thresholds))
    true, false, hit = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    sites, bases = np.zeros(count), np.zeros(count)
    for reading in readings:
        own = reading.sites[reading.valued]
        of_site = reading.stretch[own[:, 0]]
        np.add.at(sites, of_site, 1)
        np.add.at(bases, reading.stretch[~np.isnan(reading.scores)], 1 / reading.strands)
        for column, threshold in enumerate(thresholds):
            calls = find_calls(reading.scores, float(threshold), gap)
            right, found = meets(calls, own)
            np.add.at(true[:, column], reading.stretch[calls.start[right]], 1)
            np.add.at(false[:, column], reading.stretch[calls.start[~right]], 1)
            np.add.at(hit[:, column], of_site[found], 1)
    return Tally(true, false, hit, sites, bases)


class Estimate(NamedTuple):
    """A figure with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


def estimate(value: float, draws: np.ndarray, held: int) -> Estimate:
    """A figure with percentiles of its draws, moved outwards for ``held`` stretches with what is counted.

    The expanded percentile interval of Hesterberg 2015, as of `feature_mining.association.margin.interval`.
    """
    draws = draws[np.isfinite(draws)]
    if held < 2 or not draws.size or not np.isfinite(value):
        return Estimate(value, float("nan"), float("nan"))
    tail = norm.cdf(np.sqrt(held / (held - 1)) * t.ppf((1 - LEVEL) / 2, held - 1))
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


class Measured(NamedTuple):
    """What a detector does at its threshold.

    precision : where sites are as dense as stated; recall : share of sites with a call
    calls, sites : how many there were; bases : of sequence that was judged
    """

    precision: Estimate
    recall: Estimate
    calls: int
    sites: int
    bases: int


def measure(readings: Sequence[Reading], threshold: float, gap: int, density: float) -> Measured:
    """Precision and recall of a frozen detector, with intervals over stretches.

    Each draw has a Gamma(1/2) of further false calls, so that none seen is not none (Jeffreys' prior).
    """
    found = tally(readings, np.array([threshold]), gap)
    calls = found.true[:, 0] + found.false[:, 0]
    times = draw_blocks(len(calls), DRAWS)
    unseen = np.random.default_rng(0).standard_gamma(UNSEEN, (DRAWS, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        recalls = (times @ found.hit[:, 0]) / (times @ found.sites)
        recall = float(found.hit.sum() / found.sites.sum())
    return Measured(
        estimate(
            float(found.precision(density)[0]),
            found.precision(density, times, unseen)[:, 0],
            int((calls > 0).sum()),
        ),
        estimate(recall, recalls, int((found.sites > 0).sum())),
        int(calls.sum()),
        int(found.sites.sum()),
        int(found.bases.sum()),
    )


class NotReached(ValueError):
    """No threshold has the precision that is asked for."""


def choose_threshold(readings: Sequence[Reading], precision: float, density: float, gap: int) -> float:
    """The lowest threshold from which on the precision is as stated.

    Precision at every threshold is first made to rise with it (isotonic regression, weighed by calls): the
    lowest of many that happens to lie high enough would promise too much.

    Raises
    ------
    NotReached
        With the highest precision that at least ``FEWEST`` calls have.
    """
    scores = np.concatenate([reading.scores for reading in readings])
    scores = np.sort(scores[np.isfinite(scores)])
    if not scores.size:
        raise NotReached("no base has a value to choose a threshold by")
    # Even in rank among the highest scores, which hold the sites and as many again ten times over.
    size = np.concatenate([reading.sites[:, 1] - reading.sites[:, 0] for reading in readings]).sum()
    upper = scores[-int(min(len(scores), max(20 * size, 2000))) :]
    upper = upper[upper > upper[0]] if upper[-1] > upper[0] else upper
    thresholds = np.unique(np.quantile(upper, np.linspace(0, 1, TRIED), method="nearest"))
    found = tally(readings, thresholds, gap)
    calls = (found.true + found.false).sum(axis=0)
    exact = found.precision(density, unseen=UNSEEN)
    use = (calls >= FEWEST) & np.isfinite(exact)
    if not use.any():
        raise NotReached(f"no threshold has {FEWEST} calls or more to judge a precision by")
    rising = isotonic_regression(exact[use], sample_weight=calls[use])
    enough = np.flatnonzero(rising >= precision - 1e-9)
    if not enough.size:
        at = int(rising.argmax())
        raise NotReached(
            f"no threshold reaches a precision of {precision:g} where there are {1e6 * density:,.3g} sites a"
            f" megabase: the highest is {rising[at]:.3f}, of {int(calls[use][at])} calls"
        )
    return float(thresholds[use][enough[0]])


def call_labels(
    readings: Sequence[Reading], threshold: float, gap: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Peaks float64, whether each call is true, and the stretch it is in, of all calls."""
    peaks, labels, stretches = [], [], []
    for reading in readings:
        calls = find_calls(reading.scores, threshold, gap)
        peaks.append(calls.peak)
        labels.append(meets(calls, reading.sites[reading.valued])[0])
        stretches.append(reading.stretch[calls.start])
    return np.concatenate(peaks), np.concatenate(labels), np.concatenate(stretches)


def fit_curve(peaks: np.ndarray, true: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Intercept and slope, at least 0, of the log-odds that a call is true by its score (Platt 1999).

    Targets are moved inwards as Platt does, so that few calls, or all true ones, give no certainty.
    """
    up, down = float(weight[true].sum()), float(weight[~true].sum())
    target = np.where(true, (up + 1) / (up + 2), 1 / (down + 2))
    centre, scale = float(peaks.mean()), float(peaks.std()) or 1.0
    x = (peaks - centre) / scale

    def loss(of: np.ndarray) -> tuple[float, np.ndarray]:
        odds = of[0] + of[1] * x
        wrong = weight * (1 / (1 + np.exp(-odds)) - target)
        value = (weight * (np.logaddexp(0, odds) - target * odds)).sum()
        return float(value), np.array([wrong.sum(), (wrong * x).sum()])

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(None, None), (0, None)]).x
    return float(found[0] - found[1] * centre / scale), float(found[1] / scale)


def probability(peaks: np.ndarray, curve: tuple[float, float]) -> np.ndarray:
    """That calls are true, by their scores: float64 ``(n,)``."""
    return np.asarray(1 / (1 + np.exp(-(curve[0] + curve[1] * peaks))))


class Bin(NamedTuple):
    """Calls of like probability: how probable they were said to be, and how many were true."""

    said: float
    true: Estimate
    calls: int


def reliability(
    said: np.ndarray, true: np.ndarray, weight: np.ndarray, stretch: np.ndarray, bins: int = 8
) -> list[Bin]:
    """Calls in bins of equal number by what was said of them, and the share that is true, with intervals.

    ``weight`` makes false calls as rare or as common as they are where sites are as dense as stated.
    """
    found, random = [], np.random.default_rng(0)
    order = np.argsort(said, kind="stable")
    for part in np.array_split(order, min(bins, max(1, len(said) // FEWEST))):
        if not part.size:
            continue
        count = int(stretch.max()) + 1
        right = np.bincount(stretch[part], weight[part] * true[part], count)
        every = np.bincount(stretch[part], weight[part], count)
        times = draw_blocks(count, DRAWS)
        yes, no = random.standard_gamma(UNSEEN, (2, DRAWS)) * weight[part].mean()
        draws = (times @ right + yes) / (times @ every + yes + no)
        share = estimate(float(right.sum() / every.sum()), draws, int((every > 0).sum()))
        mean = float(np.average(said[part], weights=weight[part]))
        found.append(Bin(mean, share, len(part)))
    return found
