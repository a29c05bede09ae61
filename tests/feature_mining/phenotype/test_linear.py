"""Least squares, tails and the feature pass against statsmodels, scipy and plain numpy."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm

from feature_mining.phenotype.linear import ols, robust
from feature_mining.phenotype.moments import moments
from feature_mining.phenotype.tails import chi2_tail, t_tail


@pytest.mark.parametrize("features", [1, 3, 4, 37])
@pytest.mark.parametrize("columns", [1, 2, 3, 7])
def test_moments_are_the_matrix_product(features, columns):
    random = np.random.default_rng(0)
    values = random.random((features, 211)).astype(np.float32)
    basis, weights = random.normal(size=(211, columns)), random.random(211)
    products, squares = moments(values, basis, weights)
    assert np.allclose(products, values.astype(float) @ basis, rtol=1e-12)
    assert np.allclose(squares, values.astype(float) ** 2 @ weights, rtol=1e-12)


def test_ols_equals_statsmodels():
    random = np.random.default_rng(1)
    n = 300
    covariates = np.column_stack([np.ones(n), random.normal(size=(n, 10))])
    values = np.vstack(
        [random.random((15, n)) < 0.2, 1000 + random.normal(size=(15, n)), covariates[:, 3] * 2]
    )
    y = covariates @ random.normal(size=11) + 0.4 * values[2] + random.normal(size=n)
    table = ols(values, y, covariates)
    for i in range(30):
        fit = sm.OLS(y, np.column_stack([covariates, values[i]])).fit()
        assert table["beta"][i] == pytest.approx(fit.params[-1], rel=1e-7)
        assert table["statistic"][i] == pytest.approx(fit.tvalues[-1], rel=1e-7)
        assert table["p"][i] == pytest.approx(fit.pvalues[-1], rel=1e-6)
    assert np.isnan(table["p"][30]) and not table["converged"][30]


def test_tails_keep_their_rank_where_floats_run_out():
    tail = t_tail(np.array([2.0, 40.0, 120.0]), 1000.0)
    for t, found in zip([2.0, 40.0, 120.0], tail.minus_log10, strict=True):
        with mpmath.workdps(60):
            p = mpmath.betainc(500, 0.5, 0, mpmath.mpf(1000) / (1000 + t**2), regularized=True)
            assert found == pytest.approx(float(-mpmath.log10(p)), rel=1e-9)
    far = chi2_tail(np.array([3.841458820694124, 2000.0, 3000.0]))
    assert far.p[0] == pytest.approx(0.05) and far.p[2] == far.p[1] == np.finfo(float).tiny
    with mpmath.workdps(60):
        p = mpmath.erfc(mpmath.sqrt(mpmath.mpf(3000) / 2))
        assert far.minus_log10[2] == pytest.approx(float(-mpmath.log10(p)), rel=1e-9)


def test_robust_errors_equal_statsmodels_hc3():
    random = np.random.default_rng(6)
    n = 250
    covariates = np.column_stack([np.ones(n), random.normal(size=(n, 3))])
    values = np.vstack([random.random((4, n)) < 0.3, random.normal(size=(4, n)), covariates[:, 1]])
    y = covariates[:, 2] + 0.3 * values[1] + random.normal(size=n) * (1 + 2 * values[1])
    table = robust(values, y, covariates)
    for i in range(8):
        design = np.column_stack([covariates, values[i]])
        fit = sm.OLS(y, design).fit(cov_type="HC3", use_t=True)
        assert table["se_hc3"][i] == pytest.approx(fit.bse[-1], rel=1e-9)
        assert table["p_hc3"][i] == pytest.approx(fit.pvalues[-1], rel=1e-7)
    assert table.loc[8].isna().all()
    plain = ols(values, y, covariates)
    assert table["se_hc3"][1] > 1.2 * plain["se"][1]  # twice the noise among carriers
