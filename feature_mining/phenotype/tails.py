"""Tail probabilities that keep their rank where float64 has run out: p and its negative log10."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special, stats

TINY = float(np.finfo(np.float64).tiny)
_LOG10 = np.log(10.0)


class Tail(NamedTuple):
    """p, never below the smallest normal float64, and -log10 p, exact below it too."""

    p: np.ndarray
    minus_log10: np.ndarray


def chi2_tail(statistic: np.ndarray) -> Tail:
    """Upper tail of chi-square with one degree of freedom; NaN kept."""
    z = np.sqrt(np.maximum(statistic, 0))
    return _tail(np.log(2.0) + special.log_ndtr(-z))


def t_tail(t: np.ndarray, dof: float) -> Tail:
    """Both tails of Student's t; NaN kept.

    Notes
    -----
    p = I_x(dof/2, 1/2) with x = dof/(dof + t²). Where it underflows, its logarithm is taken from
    x^a (1-x)^b F(a+b, 1; a+1; x) / (a B(a, b)) (DLMF 8.17.8).
    """
    t = np.abs(np.asarray(t, np.float64))
    p = 2 * stats.t.sf(t, dof)
    with np.errstate(divide="ignore"):
        log = np.log(p)
    far = p < 1e-280
    if far.any():
        a, b = dof / 2, 0.5
        x = dof / (dof + t[far] ** 2)
        log[far] = a * np.log(x) + b * np.log1p(-x) - np.log(a) - special.betaln(a, b)
        log[far] += np.log(special.hyp2f1(a + b, 1.0, a + 1.0, x))
    return _tail(log)


def _tail(log: np.ndarray) -> Tail:
    log = np.minimum(log, 0.0)
    return Tail(np.maximum(np.exp(log), TINY), -log / _LOG10)
