"""Contrasts: what is active in some bases and not in others, and how much of that goes with composition.

Composition comes in as one number a base, the log-odds of a model of the sequence alone for the first kind of
bases. It can be matched (both kinds weighted to what they share of its distribution) or regressed out.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

ADJUSTMENTS = ("none", "match", "regress")
# Classes of composition, of equal weight, in which bases are matched.
CLASSES = 20
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

    ``none``: mean here less mean there. ``match``: the same within `CLASSES` of composition, each as large as
    the smaller kind's share of it. ``regress``: the coefficient of being here beside that of composition.
    Raises ``ValueError`` where a kind is empty, or nothing is left to compare.
    """
    here, weight = bases.here, bases.weight
    sizes = np.array([weight[~here].sum(), weight[here].sum()])
    if not (sizes > 0).all():
        raise ValueError("a contrast takes bases of both kinds")
    shares = weight / sizes[here.astype(int)]
    sign = np.where(here, 1.0, -1.0)
    if adjust == "none":
        return sign * shares
    if adjust == "match":
        kind = _classes(bases)
        held = np.stack([np.bincount(kind[side], shares[side], CLASSES) for side in (~here, here)])
        common = held.min(axis=0)
        if not common.any():
            raise ValueError("no base here has the composition of one there; nothing can be matched")
        own = held[here.astype(int), kind]
        return sign * shares * common[kind] / own / common.sum()
    design = np.stack([np.ones(len(here)), bases.composition], axis=1)
    moments = (design * weight[:, None]).T @ design
    fitted = design @ np.linalg.lstsq(moments, design.T @ (weight * here), rcond=None)[0]
    left = weight * (here - fitted)
    size = float(left @ here)
    if size <= 1e-9 * sizes.sum():
        raise ValueError("composition tells both kinds apart wholly; nothing is left to compare")
    return left / size


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
    """How much of the plain difference goes with composition: 1 less the share that regression leaves."""
    drawn = np.vstack([np.ones(times.shape[1]), times])
    plain, left = (_differences(values, bases, adjust, drawn) for adjust in ("none", "regress"))
    with np.errstate(invalid="ignore", divide="ignore"):
        return _interval(1 - left / plain)


def _interval(found: np.ndarray) -> Difference:
    """Of a statistic on all bases (first) and on draws."""
    known = found[1:][np.isfinite(found[1:])]
    low, high = np.quantile(known, [0.025, 0.975]) if known.size else (np.nan, np.nan)
    return Difference(float(found[0]), float(low), float(high))


def _classes(bases: Compared) -> np.ndarray:
    """Class of composition of every base, int64 ``(n,)``."""
    order = np.argsort(bases.composition, kind="stable")
    passed = np.cumsum(bases.weight[order])
    edges = bases.composition[order][np.searchsorted(passed, passed[-1] * np.arange(1, CLASSES) / CLASSES)]
    return np.searchsorted(edges, bases.composition, side="right")


def _differences(values: np.ndarray, bases: Compared, adjust: str, times: np.ndarray) -> np.ndarray:
    """The difference on every draw, float64 ``(draws,)``, from sums over blocks; NaN without a kind."""
    blocks, here = times.shape[1], bases.here
    with np.errstate(invalid="ignore", divide="ignore"):
        if adjust == "regress":
            parts = np.stack([np.ones(len(here)), here, bases.composition, values], axis=1)
            order = np.argsort(bases.block, kind="stable")
            starts = np.searchsorted(bases.block[order], np.arange(blocks + 1))
            moments = np.zeros((blocks, 4, 4))
            for block, (first, last) in enumerate(pairwise(starts)):
                own = parts[order[first:last]]
                moments[block] = (own * bases.weight[order[first:last], None]).T @ own
            drawn = np.tensordot(times, moments, axes=1)
            return np.array([_slope(each) for each in drawn])
        kind = _classes(bases) if adjust == "match" else np.zeros(len(here), np.int64)
        cell = (bases.block * 2 + here) * CLASSES + kind
        shape = (blocks, 2, CLASSES)
        held = np.bincount(cell, bases.weight, np.prod(shape)).reshape(shape)
        sums = np.bincount(cell, bases.weight * values, np.prod(shape)).reshape(shape)
        held, sums = (np.tensordot(times, array, axes=1) for array in (held, sums))
        shares = held / held.sum(axis=2, keepdims=True)
        common = shares.min(axis=1) if adjust == "match" else shares[:, 1]
        means = np.divide(sums, held, out=np.zeros_like(sums), where=held > 0)
        if adjust == "none":
            total = sums.sum(axis=2) / held.sum(axis=2)
            return np.asarray(total[:, 1] - total[:, 0])
        return np.asarray((common * (means[:, 1] - means[:, 0])).sum(axis=1) / common.sum(axis=1))


def _slope(moments: np.ndarray) -> float:
    """Coefficient of the second of four variables in a regression of the last on the others."""
    try:
        return float(np.linalg.solve(moments[:3, :3], moments[:3, 3])[1])
    except np.linalg.LinAlgError:
        return float("nan")
