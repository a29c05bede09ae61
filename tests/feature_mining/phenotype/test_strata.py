"""Effects lineage by lineage against statsmodels, and Cochran's Q against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.meta_analysis import combine_effects

from feature_mining.phenotype.design import Phenotype
from feature_mining.phenotype.strata import effects_by_group, heterogeneity, large_enough


def cohort(binary: bool):
    """A feature whose effect is 2 in A, 0 in B; C is too small, D has cases only (or one value)."""
    random = np.random.default_rng(3)
    groups = np.repeat(["A", "B", "C", "D"], [400, 400, 30, 60])
    x = (random.random(groups.size) < 0.4).astype(np.float32)
    eta = 2.0 * x * (groups == "A") - 0.5
    if binary:
        y = (random.random(groups.size) < 1 / (1 + np.exp(-eta))).astype(float)
    else:
        y = eta + random.normal(size=groups.size)
    y[groups == "D"] = 1.0
    covariates = np.column_stack([np.ones(groups.size), random.normal(size=groups.size)])
    return x, Phenotype("t", y, binary), covariates, groups


def test_least_squares_of_each_group_is_that_of_statsmodels():
    x, trait, covariates, groups = cohort(binary=False)
    table = effects_by_group(x[None], trait, covariates, groups)
    assert table["group"].tolist() == ["A", "B"] and (table["n_case"] == -1).all()
    for row in table.to_dict("records"):
        here = groups == row["group"]
        design = np.column_stack([covariates[here], x[here]])
        fit = sm.OLS(trait.values[here], design).fit()
        assert row["beta"] == pytest.approx(fit.params[-1], rel=1e-6)
        assert row["se"] == pytest.approx(fit.bse[-1], rel=1e-6)
        assert row["carriers"] == min(x[here].sum(), (1 - x[here]).sum())


def test_binary_effects_come_near_the_ordinary_fit_and_stay_finite_when_separated():
    x, trait, covariates, groups = cohort(binary=True)
    assert large_enough(trait, groups) == ["A", "B"]
    table = effects_by_group(x[None], trait, covariates, groups).set_index("group")
    for name in ("A", "B"):
        here = groups == name
        design = np.column_stack([covariates[here], x[here]])
        fit = sm.Logit(trait.values[here], design).fit(disp=0)
        assert table.loc[name, "beta"] == pytest.approx(fit.params[-1], abs=0.05)
        assert table.loc[name, "se"] == pytest.approx(fit.bse[-1], abs=0.02)
    assert table.loc["A", "ci_low"] > 1 and table.loc["B", "p"] > 0.01
    only_cases = np.where(groups == "A", trait.values, x).astype(np.float32)
    separated = effects_by_group(only_cases[None], trait, covariates, groups).set_index("group")
    assert 4 < separated.loc["A", "beta"] < 20 and np.isfinite(separated.loc["A", "se"])


def test_missing_and_constant_values():
    x, trait, covariates, groups = cohort(binary=False)
    x = np.where(groups == "A", 1.0, x)
    x[groups == "B"] = np.where(np.arange(400) < 100, np.nan, x[groups == "B"])
    table = effects_by_group(x[None], trait, covariates, groups)
    assert table["group"].tolist() == ["B"] and table["n"].tolist() == [300]
    assert effects_by_group(x[None] * 0, trait, covariates, groups).empty


def test_heterogeneity_equals_statsmodels():
    beta, se = np.array([2.0, 0.1, 1.0, np.nan]), np.array([0.3, 0.4, 0.2, 0.1])
    found = heterogeneity(beta, se)
    theirs = combine_effects(beta[:3], se[:3] ** 2)
    assert found.q == pytest.approx(theirs.q)
    assert found.p == pytest.approx(theirs.test_homogeneity().pvalue)
    assert found.beta == pytest.approx(theirs.mean_effect_fe)
    assert found.i2 == pytest.approx(theirs.i2)
    assert np.isnan(heterogeneity(beta[:1], se[:1]).p)
