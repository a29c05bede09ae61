"""One test over all features of a cohort: missing samples, rare and equal features, and multiplicity."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from feature_mining.phenotype.binary import logistic_ladder
from feature_mining.phenotype.design import Phenotype, independent
from feature_mining.phenotype.effective_tests import Effective, EffectiveTests, adjust
from feature_mining.phenotype.linear import ols
from feature_mining.phenotype.mixed import Spectrum, decompose, fit_mixed, mixed_tests
from feature_mining.phenotype.patterns import by_missing, collapse, rarity

# ``tester(values (k, n), y (n,), covariates (n, c), samples (n,))``: a table, one row a feature.
#
# `samples` are their places in the cohort.
Tester = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], pd.DataFrame]

# Numbers (features x samples) that are held at a time.
CELLS = 32_000_000

# Minor count below which a feature is not tested.
FEWEST = 10

Z95 = 1.959963984540054


class Scan(NamedTuple):
    """Result of a scan.

    Attributes
    ----------
    table : DataFrame
        One row a feature, see `scan`.
    patterns : int
        Distinct sample vectors tested.
    effective : Effective
        Effective numbers of tests.
    """

    table: pd.DataFrame
    patterns: int
    effective: Effective


def least_squares(
    values: np.ndarray, y: np.ndarray, covariates: np.ndarray, samples: np.ndarray
) -> pd.DataFrame:
    """The `Tester` of quantitative traits without kinship."""
    return ols(values, y, covariates)


def logistic(values: np.ndarray, y: np.ndarray, covariates: np.ndarray, samples: np.ndarray) -> pd.DataFrame:
    """The `Tester` of binary traits without kinship."""
    return logistic_ladder(values, y, covariates)


def mixed(relatedness: np.ndarray, exact: bool = True) -> Tester:
    """A `Tester` with the kinship of all samples; each set of samples is decomposed once."""
    spectra: dict[bytes, Spectrum] = {}

    def test(values: np.ndarray, y: np.ndarray, covariates: np.ndarray, samples: np.ndarray) -> pd.DataFrame:
        key = samples.tobytes()
        if key not in spectra:
            spectra.clear()  # an eigenbasis is n x n: one is enough to hold
            spectra[key] = decompose(relatedness[np.ix_(samples, samples)])
        return mixed_tests(values, fit_mixed(spectra[key], y, covariates), exact)

    return test


def scan(
    blocks: Iterable[tuple[np.ndarray, Tester]],
    phenotype: Phenotype,
    covariates: np.ndarray,
    fewest: int = FEWEST,
) -> Scan:
    """Test every feature against a trait.

    Parameters
    ----------
    blocks : iterable of (float (k, n_samples), NaN where missing; Tester)
        Consecutive features, and the test for them; only one block is held at a time.
    phenotype : Phenotype of the same samples
    covariates : float64 (n_samples, c), intercept included
    fewest : int
        Minor count (`patterns.rarity`) below which a feature is not tested.

    Returns
    -------
    Scan
        Its table has, one row a feature: test ("too rare" where not tested), statistic, p (of that test),
        minus_log10_p, beta, se, ci_low, ci_high (95 %, beta ± 1.96 se), odds_ratio (exp beta, binary
        traits under a logistic or Firth test; NaN else), odds_ratio_sd (of one standard deviation of the
        feature), n, n_case (-1 for quantitative traits), mac, sd, converged, pattern (hash of the sample
        vector), q, bonferroni, meff_p.

    Notes
    -----
    A feature is tested in the samples in which it and the trait are known: nothing is filled in.
    Features that are equal in all samples are tested once a block and counted once in all.
    """
    known = np.flatnonzero(phenotype.known)
    counter = EffectiveTests(len(known))
    seen: set[str] = set()
    parts = []
    for block, tester in blocks:
        part, fresh = _test_block(block, phenotype, covariates, known, tester, fewest, seen)
        counter.add(fresh)
        parts.append(part)
    return conclude(pd.concat(parts, ignore_index=True), counter.counts())


def conclude(table: pd.DataFrame, effective: Effective) -> Scan:
    """Add intervals, odds ratios and adjusted p to tested blocks that belong together."""
    logistic_scale = table["test"].str.contains("logistic|firth").to_numpy()
    more = pd.DataFrame(
        {
            "ci_low": table["beta"] - Z95 * table["se"],
            "ci_high": table["beta"] + Z95 * table["se"],
            "odds_ratio": _odds(table["beta"], logistic_scale),
            "odds_ratio_sd": _odds(table["beta"] * table["sd"], logistic_scale),
        }
    )
    adjusted = adjust(table["p"].to_numpy(), table["pattern"].to_numpy(str), effective.li_ji)
    patterns = table.loc[table["p"].notna(), "pattern"].nunique()
    return Scan(pd.concat([table, more, adjusted], axis=1), int(patterns), effective)


def _odds(log_odds: pd.Series, binary: np.ndarray) -> np.ndarray:
    return np.where(binary, np.exp(log_odds.clip(-700, 700)), np.nan)


def _spread(chunk: np.ndarray) -> np.ndarray:
    """Standard deviation of each feature over the samples in which it is known."""
    missing = np.isnan(chunk)
    known = np.maximum((~missing).sum(axis=1), 1)
    x = np.where(missing, 0.0, chunk)
    mean = x.sum(axis=1, dtype=np.float64) / known
    deviation = np.where(missing, 0.0, x - mean[:, None])
    spread: np.ndarray = np.sqrt((deviation**2).sum(axis=1) / known)
    return spread


def _test_block(
    block: np.ndarray,
    phenotype: Phenotype,
    covariates: np.ndarray,
    known: np.ndarray,
    tester: Tester,
    fewest: int,
    seen: set[str],
) -> tuple[pd.DataFrame, np.ndarray]:
    """Table of a block, and those of its tested patterns that no block had before; adds them to `seen`."""
    patterns = collapse(block, known)
    y, design = phenotype.values[known], covariates[known]
    parts, fresh = [], []
    size = max(1, CELLS // max(len(known), 1))
    for start in range(0, len(patterns.first), size):
        here = slice(start, start + size)
        chunk = np.ascontiguousarray(block[patterns.first[here]][:, known])
        part = _test_chunk(chunk, y, design, known, tester, fewest)
        new = ~np.isin(patterns.key[here], list(seen)) & part["p"].notna().to_numpy()
        fresh.append(chunk[new])
        parts.append(part)
    once = pd.concat(parts, ignore_index=True)
    seen.update(patterns.key[once["p"].notna().to_numpy()])
    if not phenotype.binary:
        once["n_case"] = -1
    table = once.iloc[patterns.of].reset_index(drop=True)
    table["pattern"] = patterns.key[patterns.of]
    return table, np.concatenate(fresh)


def _test_chunk(
    chunk: np.ndarray, y: np.ndarray, design: np.ndarray, known: np.ndarray, tester: Tester, fewest: int
) -> pd.DataFrame:
    found = rarity(chunk, y == 1)
    table = pd.DataFrame(
        {
            "test": "too rare",
            **{
                name: np.full(len(chunk), np.nan)
                for name in ("statistic", "p", "minus_log10_p", "beta", "se")
            },
            "n": (~np.isnan(chunk)).sum(axis=1),
            "n_case": (~np.isnan(chunk) & (y == 1)).sum(axis=1),
            "mac": found.carriers,
            "sd": _spread(chunk),
            "converged": False,
        }
    )
    common = np.flatnonzero(found.carriers >= fewest)
    for features, samples in by_missing(chunk[common]):
        here, target = common[features], y[samples]
        matrix = design[samples]
        # With samples gone a covariate may have become constant: it then says nothing any more.
        matrix = matrix[:, independent(matrix)]
        if np.ptp(target) == 0 or len(target) < matrix.shape[1] + 2:
            continue
        values = chunk[here] if samples.all() else np.ascontiguousarray(chunk[here][:, samples])
        part = tester(values, target, matrix, known[samples])
        for name in ("test", "statistic", "p", "minus_log10_p", "beta", "se", "converged"):
            table.loc[here, name] = part[name].to_numpy()
    return table
