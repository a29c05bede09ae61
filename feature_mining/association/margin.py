"""How far a detector is above another: exact scores on the same bases, and block-bootstrap intervals.

Features and controls go through the same functions: average precision with ties as one step, as
scikit-learn has it. No bin lies between a score and a verdict; bins serve the resampling alone, and
the draws are moved by what the bins cost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import norm, t

from feature_mining.association.curves import average_precision, steps
from feature_mining.association.verdict import FEWEST

LEVEL = 0.95
_PARTS = 128


class Bases(NamedTuple):
    """The bases of one track column on which detectors are compared.

    inside : bool (n), bases of the track; weight : float64 (n), > 0; block : int (n), block of the genome
    """

    inside: np.ndarray
    weight: np.ndarray
    block: np.ndarray

    @property
    def held(self) -> int:
        """Blocks that hold a base of the track."""
        return int(np.count_nonzero(np.bincount(self.block[self.inside])))


class Resampled(NamedTuple):
    """A detector's average precision lift, and what it is on draws of blocks, float64 (draws)."""

    lift: float
    draws: np.ndarray


class Interval(NamedTuple):
    """A 95 % interval; NaN where there is none."""

    low: float
    high: float


def draw_blocks(n_blocks: int, draws: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each block is taken in each draw with replacement, float64 (draws, n_blocks)."""
    random = np.random.default_rng(seed)
    times = random.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=draws)
    return times.astype(np.float64)


def lift(scores: np.ndarray, bases: Bases) -> float:
    """Average precision lift (AP - p) / (1 - p) at base rate p of scores float (n); NaN for one kind."""
    counts = steps(scores, bases.inside, bases.weight)
    return _lift(np.diff(counts.hits, prepend=0.0), np.diff(counts.called, prepend=0.0))


def resample(scores: np.ndarray, bases: Bases, times: np.ndarray) -> Resampled:
    """A detector on all bases, and on every draw of blocks.

    Parameters
    ----------
    scores : float (n); a base is called sooner the higher its score
    times : float64 (draws, n_blocks) of `draw_blocks`, the same for detectors that are compared

    Notes
    -----
    Draws are scored in bins of whole steps, each with at most a 128th of the bases and of the track
    beside its last step, then moved by the bins' error on all bases.
    """
    counts = steps(scores, bases.inside, bases.weight)
    exact = _lift(np.diff(counts.hits, prepend=0.0), np.diff(counts.called, prepend=0.0))
    if np.isnan(exact):
        return Resampled(exact, np.full(len(times), np.nan))
    share = np.floor(_PARTS * counts.called / counts.called[-1])
    share += np.floor(_PARTS * counts.hits / counts.hits[-1])
    # Shares rise from step to step, and curves are read from the highest bin down.
    risen = np.cumsum(np.diff(share, prepend=share[0]) > 0)
    n_bins, n_blocks = int(risen[-1]) + 1, times.shape[1]
    bin_of_step = risen[-1] - risen
    cell = bases.block * n_bins + bin_of_step[counts.of]
    size = n_blocks * n_bins
    positive = np.bincount(cell, bases.weight * bases.inside, size).reshape(n_blocks, n_bins)
    everything = np.bincount(cell, bases.weight, size).reshape(n_blocks, n_bins)
    drawn = _binned_lift(times @ positive, times @ everything)
    binned = _binned_lift(positive.sum(axis=0)[None], everything.sum(axis=0)[None])
    return Resampled(exact, drawn + (exact - binned))


def interval(feature: Resampled, control: Resampled, held: int) -> Interval:
    """95 % interval of the feature's lift less the control's; none below ``FEWEST`` blocks.

    Parameters
    ----------
    held : blocks that hold the track (`Bases.held`)

    Notes
    -----
    Both are scored on the same draws, so that what they share cancels. Percentiles are moved outwards
    as Student's t is from the normal, and for the variance that n blocks drawn from n lose (the expanded
    percentile interval of Hesterberg 2015).
    """
    margin = feature.draws - control.draws
    margin = margin[~np.isnan(margin)]
    if held < FEWEST or margin.size == 0:
        return Interval(float("nan"), float("nan"))
    tail = norm.cdf(np.sqrt(held / (held - 1)) * t.ppf((1 - LEVEL) / 2, held - 1))
    low, high = np.quantile(margin, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _lift(hits: np.ndarray, called: np.ndarray) -> float:
    """From counts of single steps, highest score first."""
    positives, bases = hits.sum(), called.sum()
    if not 0 < positives < bases:
        return float("nan")
    precision = np.cumsum(hits) / np.cumsum(called)
    rate = positives / bases
    return float(((precision @ hits) / positives - rate) / (1 - rate))


def _binned_lift(positive: np.ndarray, all_: np.ndarray) -> np.ndarray:
    """From counts (draws, n_bins), highest bin last, float64 (draws); NaN without both kinds."""
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = positive.sum(axis=1) / all_.sum(axis=1)
        found = average_precision(positive[:, :, None], all_)[:, 0]
        return np.asarray((found - rate) / (1 - rate))
