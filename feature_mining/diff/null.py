"""Whether a model differs from a null of other models by more than these do from each other.

The null are models that were trained on in the same way with nothing to find, from other seeds. How far they
scatter is told item by item (a word, a stretch, a feature), as a power of what predicts it, from all items
together: two of them would not tell it of one. The median is added, so that a tiny change of what hardly
scatters does not come first (as in Tusher et al. 2001). The tail of the scatter is that of an excess over a
high quantile: a generalised Pareto distribution by the method of moments (Hosking and Wallis 1987), never
shorter than the exponential one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Share of the null's scatter that is its tail, and fewest items in it.
TAIL, FEWEST = 0.05, 20
# Longest tail; at 0.5 the variance of an excess ends.
LONGEST_TAIL = 0.45
# Mean of the logarithm of a chi-square variable of one degree of freedom.
_LOG_CHI = -1.2703628454614782


class Compared(NamedTuple):
    """One model against the null, each float64 (n).

    change : its value less the mean of the null
    z : in units of what the null scatters
    p : two-sided, of z among those of the null
    """

    change: np.ndarray
    z: np.ndarray
    p: np.ndarray


def against_null(values: np.ndarray, null: np.ndarray, predictors: np.ndarray) -> Compared:
    """Compare a model with a null.

    Parameters
    ----------
    values : ndarray
        float64 ``(n,)``, of the model.
    null : ndarray
        float64 ``(models, n)``, of two models or more.
    predictors : ndarray
        float64 ``(n, q)``; the logarithm of the scatter is linear in them.

    Raises
    ------
    ValueError
        Fewer than two null models, or too few items for a tail.
    """
    if len(null) < 2:
        raise ValueError(f"a null of {len(null)} model: expected two or more")
    if len(values) < FEWEST:
        raise ValueError(f"{len(values)} items: expected {FEWEST} or more to tell the null's scatter by")
    models = len(null)
    centre = null.mean(axis=0)
    rest = (null - centre) * np.sqrt(models / (models - 1))
    scale = _scatter(rest, predictors)
    change = values - centre
    z = change / (scale * np.sqrt(1 + 1 / models))
    return Compared(change, z, tail_p(np.abs(z), np.abs(rest / scale).ravel()))


def _scatter(rest: np.ndarray, predictors: np.ndarray) -> np.ndarray:
    """Standard deviation of each item, float64 (n)."""
    square = np.maximum((rest**2).mean(axis=0), np.finfo(float).tiny)
    floor = max(float(np.median(square)) * 1e-6, np.finfo(float).tiny)
    x = np.column_stack([np.ones(len(square)), predictors])
    fit = np.linalg.lstsq(x, np.log(np.maximum(square, floor)), rcond=None)[0]
    scale = np.sqrt(np.exp(x @ fit - _LOG_CHI))
    scale = scale + np.median(scale)
    return scale * np.sqrt(np.mean((rest / scale) ** 2))


def tail_p(z: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Chance of as much as ``z`` or more among ``null``, all of them at least 0; float64 of ``z``'s shape."""
    ordered = np.sort(null)
    n = len(ordered)
    above = min(n - 1, max(FEWEST, round(TAIL * n)))
    start = ordered[n - above - 1]
    excess = ordered[n - above :] - start
    mean, variance = float(excess.mean()), float(excess.var())
    shape = 0.0 if variance == 0 else min(max(0.0, (1 - mean**2 / variance) / 2), LONGEST_TAIL)
    width = max(mean * (1 - shape), np.finfo(float).tiny)
    far = np.maximum(z - start, 0) / width
    tail = np.exp(-far) if shape == 0 else (1 + shape * far) ** (-1 / shape)
    rank = n - np.searchsorted(ordered, z, "left")
    return np.where(z > start, tail * above / n, (1 + rank) / (1 + n))
