"""Tests of a binary trait: score test for all features, likelihood ratio for promising, Firth for rare."""

from __future__ import annotations

import numpy as np
import pandas as pd

from feature_mining.phenotype.firth import fit_firth
from feature_mining.phenotype.logistic import fit_features, fit_null, informative, score_test
from feature_mining.phenotype.patterns import Rarity, rarity
from feature_mining.phenotype.tails import chi2_tail

# Score p at or below which a feature gets a full fit.
PROMISING = 0.05

# Standard error, of a feature scaled to range 1, above which the ordinary fit is not used.
WIDE = 3.0


def few_in_a_cell(found: Rarity, known: int, cases: int) -> np.ndarray:
    """Features whose table of carriers against cases is too thin for the ordinary fit, bool.

    Any of the four cells at most 1, or more than one at most 5 (the rule of pyseer, Lees et al. 2018).
    Features without a majority value have no such table and count as well filled.
    """
    a = found.case_carriers
    b = found.carriers - a
    cells = np.stack([a, b, cases - a, known - cases - b])
    thin = (cells <= 1).any(axis=0) | ((cells <= 5).sum(axis=0) > 1)
    return thin & (a >= 0)


def logistic_ladder(values: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> pd.DataFrame:
    """Test every feature against a binary trait beside covariates.

    Parameters
    ----------
    values : float (n_features, n_samples), no NaN
    y : float64 (n_samples,), 0 or 1, both present
    covariates : float64 (n_samples, c), intercept included, full rank

    Returns
    -------
    DataFrame, one row a feature: test ("logistic score", "logistic lrt" or "firth lrt": what `statistic`
    and `p` are of), statistic (chi-square, 1 degree of freedom), p, minus_log10_p, beta (log odds ratio a
    unit of the feature; a one-step estimate under "logistic score"), se, converged, score_p

    Notes
    -----
    Score p above `PROMISING`: the score test stands. Else the likelihood ratio, unless a cell of the
    table is thin (`few_in_a_cell`), the fit does not converge, or its standard error is above `WIDE`:
    then Firth's penalised likelihood ratio. Where that does not converge either, the score test stands
    with ``converged`` False. Samples of groups that hold one class only carry no weight (`informative`).
    """
    null, kept = informative(fit_null(y, covariates))
    if not kept.all():
        values = np.ascontiguousarray(values[:, kept])
    score = score_test(values, null)
    tail = chi2_tail(score.statistic)
    table = pd.DataFrame(
        {
            "test": "logistic score",
            "statistic": score.statistic,
            "p": tail.p,
            "minus_log10_p": tail.minus_log10,
            "beta": score.beta,
            "se": score.se,
            "converged": ~np.isnan(score.statistic),
            "score_p": tail.p,
        }
    )
    promising = np.flatnonzero(tail.p <= PROMISING)
    if not promising.size:
        return table
    chosen = values[promising]
    thin = few_in_a_cell(rarity(chosen, null.y == 1), len(null.y), int(null.y.sum()))
    ordinary = promising[~thin]
    fits = fit_features(values[ordinary], null)
    span = np.ptp(values[ordinary], axis=1)
    sound = fits.converged & (fits.se * span <= WIDE)
    _fill(table, ordinary[sound], "logistic lrt", *(part[sound] for part in fits[:3]))
    rare = np.sort(np.concatenate([promising[thin], ordinary[~sound]]))
    penalised = fit_firth(values[rare], null)
    good = penalised.converged
    _fill(table, rare[good], "firth lrt", *(part[good] for part in penalised[:3]))
    table.loc[rare[~good], "converged"] = False
    return table


def _fill(
    table: pd.DataFrame, rows: np.ndarray, test: str, beta: np.ndarray, se: np.ndarray, statistic: np.ndarray
) -> None:
    tail = chi2_tail(statistic)
    table.loc[rows, "test"] = test
    for name, column in (
        ("statistic", statistic),
        ("p", tail.p),
        ("minus_log10_p", tail.minus_log10),
        ("beta", beta),
        ("se", se),
    ):
        table.loc[rows, name] = column
