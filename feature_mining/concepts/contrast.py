"""Contrasts: what is active in some bases and not in others, and how much of that goes with composition.

Composition comes in as one number a base, the log-odds of a model of the sequence alone for the first kind of
bases, and bases are compared within classes of it: matched (each class as large as the smaller kind's share
of it), or by regression on the classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

ADJUSTMENTS = ("none", "match", "regress")
# Classes of composition; each has a twentieth of both kinds' bases, counted alike.
CLASSES = 20
# Share of either kind, or of the variance of being here, that must be left once composition is held fixed.
LEAST = 0.01
# Standard errors that a feature's difference has to be above 0.
CLEAR = 3.0


class Compared(NamedTuple):
    """Bases of two kinds.

    here : bool (n), of the first kind; composition : float64 (n), log-odds of it by the sequence alone
    weight : float64 (n), > 0; block : int64 (n), block of the genome
    """

    here: np.ndarray
    composition: np.ndarray
    weight: np.ndarray
    block: np.ndarray


class Difference(NamedTuple):
    """Mean here less mean there, with the ends of its 95 % interval over blocks; NaN where there is none."""

    value: float
    low: float
    high: float


def row_weights(bases: Compared, adjust: str) -> np.ndarray:
    """What every base counts in a contrast, float64 ``(n,)``: a difference is their product with values.

    ``none``: mean here less mean there. ``match``: the same within classes of composition, each as large as
    the smaller kind's share of it. ``regress``: the coefficient of being here, beside one of each class.
    Raises ``ValueError`` where a kind is empty, or nothing is left to compare.
    """
    here, weight, kind = bases.here, bases.weight, _classes(bases)
    shares = _shares(bases)
    sign = np.where(here, 1.0, -1.0)
    if adjust == "none":
        return sign * shares
    if adjust == "match":
        held = np.stack([np.bincount(kind[side], shares[side], CLASSES) for side in (~here, here)])
        common = held.min(axis=0)
        if common.sum() < LEAST:
            raise ValueError("composition tells both kinds apart; nearly nothing can be matched")
        return sign * shares * common[kind] / held[here.astype(int), kind] / common.sum()
    every = np.bincount(kind, weight, CLASSES)
    chance = np.bincount(kind, weight * here, CLASSES) / np.where(every > 0, every, 1)
    left = weight * (here - chance[kind])
    size = float(left @ here)
    rate = np.average(here, weights=weight)
    if size < LEAST * weight.sum() * rate * (1 - rate):
        raise ValueError("composition tells both kinds apart; nearly nothing is left to compare")
    return left / size


def _shares(bases: Compared) -> np.ndarray:
    """Weight of every base as a share of its kind's, float64 ``(n,)``."""
    sizes = np.array([bases.weight[~bases.here].sum(), bases.weight[bases.here].sum()])
    if not (sizes > 0).all():
        raise ValueError("a contrast takes bases of both kinds")
    return bases.weight / sizes[bases.here.astype(int)]


def contrast(codes: csr_array, bases: Compared, adjust: str, most: int) -> dict[int, float]:
    """Features that are active here and not there, with their differences.

    Parameters
    ----------
    codes : csr_array
        ``(n, d_sae)``, in units of features.
    bases : Compared
    adjust : str
        One of `ADJUSTMENTS`.
    most : int
        Features, at most.

    Returns
    -------
    dict of int to float
        Of those whose difference is `CLEAR` standard errors above 0 (over blocks, about the mean of either
        kind) the largest. Raises ``ValueError`` where there is none, and as `row_weights`.
    """
    rows = row_weights(bases, adjust)
    difference = rows @ codes
    blocks = int(bases.block.max()) + 1
    moved = np.zeros((blocks, codes.shape[1]))
    for side in (bases.here, ~bases.here):
        own = np.where(side, rows, 0.0)
        mean = (own @ codes) / own.sum()
        by_block = csr_array((own, (bases.block, np.arange(len(own)))), shape=(blocks, len(own)))
        moved += np.asarray((by_block @ codes).todense()) - np.outer(np.bincount(bases.block, own), mean)
    error = np.sqrt((moved**2).sum(axis=0))
    clear = np.flatnonzero((difference > CLEAR * error) & (error > 0))
    if not clear.size:
        raise ValueError("no feature is clearly more active here than there")
    chosen = clear[np.argsort(-difference[clear], kind="stable")[:most]]
    return {int(feature): float(difference[feature]) for feature in chosen}


def difference(values: np.ndarray, bases: Compared, adjust: str, times: np.ndarray) -> Difference:
    """A difference of values float ``(n,)``, with its interval over draws of blocks ``(draws, blocks)``."""
    return _interval(_differences(values, bases, adjust, np.vstack([np.ones(times.shape[1]), times])))


def composition_share(values: np.ndarray, bases: Compared, times: np.ndarray) -> Difference:
    """How much of the plain difference composition alone would show.

    Each base's value is replaced by the mean over its class of composition, whichever kind the bases of the
    class are of. What both composition and the kind explain counts as composition: an upper bound.
    """
    held, sums = _sums(values, bases, np.vstack([np.ones(times.shape[1]), times]))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.nan_to_num(sums.sum(axis=1) / held.sum(axis=1))
        shares = held / held.sum(axis=2, keepdims=True)
        shown = ((shares[:, 1] - shares[:, 0]) * means).sum(axis=1)
        return _interval(shown / _plain(held, sums))


def _interval(found: np.ndarray) -> Difference:
    """Of a statistic on all bases (first) and on draws."""
    known = found[1:][np.isfinite(found[1:])]
    low, high = np.quantile(known, [0.025, 0.975]) if known.size else (np.nan, np.nan)
    return Difference(float(found[0]), float(low), float(high))


def _classes(bases: Compared) -> np.ndarray:
    """Class of composition of every base, int64 ``(n,)``."""
    order = np.argsort(bases.composition, kind="stable")
    passed = np.cumsum(_shares(bases)[order])
    edges = bases.composition[order][np.searchsorted(passed, 2 * np.arange(1, CLASSES) / CLASSES)]
    return np.searchsorted(edges, bases.composition, side="right")


def _sums(values: np.ndarray, bases: Compared, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and weighted sums of values, by draw, kind and class: float64 ``(draws, 2, CLASSES)``."""
    shape = (times.shape[1], 2, CLASSES)
    cell = (bases.block * 2 + bases.here) * CLASSES + _classes(bases)
    held, sums = (
        np.bincount(cell, each, int(np.prod(shape))).reshape(shape)
        for each in (bases.weight, bases.weight * values)
    )
    return np.tensordot(times, held, axes=1), np.tensordot(times, sums, axes=1)


def _plain(held: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Means here less means there, float64 ``(draws,)``."""
    means = sums.sum(axis=2) / held.sum(axis=2)
    return np.asarray(means[:, 1] - means[:, 0])


def _differences(values: np.ndarray, bases: Compared, adjust: str, times: np.ndarray) -> np.ndarray:
    """The difference on every draw, float64 ``(draws,)``; NaN where there is nothing to compare."""
    held, sums = _sums(values, bases, times)
    with np.errstate(invalid="ignore", divide="ignore"):
        if adjust == "none":
            return _plain(held, sums)
        within = np.nan_to_num(sums[:, 1] / held[:, 1] - sums[:, 0] / held[:, 0])
        if adjust == "match":
            size = (held / held.sum(axis=2, keepdims=True)).min(axis=1)
        else:
            size = np.nan_to_num(held[:, 0] * held[:, 1] / held.sum(axis=1))
        return np.asarray((size * within).sum(axis=1) / size.sum(axis=1))
