"""Scans: missing samples, equal features, multiplicity, permutation and calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import combine_pvalues

from feature_mining.phenotype.calibration import by_frequency, inflation, quantiles, warning
from feature_mining.phenotype.design import Phenotype
from feature_mining.phenotype.effective_tests import EffectiveTests
from feature_mining.phenotype.kinship import kinship
from feature_mining.phenotype.lineage import indicators, lineage_share, locus_or_lineage
from feature_mining.phenotype.linear import ols
from feature_mining.phenotype.patterns import by_missing, collapse, rarity
from feature_mining.phenotype.permutation import Permutation, shuffle_within
from feature_mining.phenotype.region_tests import acat, region_tests
from feature_mining.phenotype.replication import compare, split_samples
from feature_mining.phenotype.scan import least_squares, logistic, mixed, scan


@pytest.fixture(scope="module")
def cohort():
    """400 samples of 4 lineages; features 0-199 follow the lineage, 200 is causal, 201 is rare."""
    random = np.random.default_rng(11)
    n = 400
    groups = np.repeat(["L1", "L2", "L3", "L4"], [160, 120, 80, 40])
    frequency = random.beta(0.5, 0.5, size=(200, 4))
    by_lineage = random.random((200, n)) < np.repeat(frequency, [160, 120, 80, 40], axis=1)
    causal = random.random(n) < 0.3
    rare = np.arange(n) % 80 == 0
    values = np.vstack([by_lineage, causal, rare]).astype(np.float32)
    liability = 1.6 * causal + 1.5 * (groups == "L2") - 1.0 + random.logistic(size=n)
    return values, Phenotype("drug", (liability > 0).astype(float), True), groups


def test_missing_samples_are_left_out_feature_by_feature(cohort):
    values, _, _ = cohort
    random = np.random.default_rng(2)
    y = random.normal(size=400)
    y[:7] = np.nan
    holed = values[:6].copy()
    holed[1, 20:60] = holed[2, 20:60] = np.nan
    holed[4, 5:30] = np.nan
    covariates = np.column_stack([np.ones(400), random.normal(size=400)])
    table = scan([(holed, least_squares)], Phenotype("y", y, False), covariates).table
    for i in range(6):
        known = ~np.isnan(y) & ~np.isnan(holed[i])
        alone = ols(holed[i : i + 1, known], y[known], covariates[known])
        assert table["p"][i] == pytest.approx(alone["p"][0], rel=1e-9)
        assert table["n"][i] == known.sum()
    assert len(list(by_missing(holed))) == 3


def test_equal_features_are_tested_once_and_reported_each(cohort):
    values, trait, _ = cohort
    doubled = np.vstack([values, values[200:201], values[:3]])
    found = scan([(doubled, logistic)], trait, np.ones((400, 1)))
    single = scan([(values, logistic)], trait, np.ones((400, 1)))
    assert found.patterns == single.patterns == 201
    assert found.table["p"][200] == found.table["p"][202]
    assert found.table["bonferroni"][202] == pytest.approx(201 * found.table["p"][202])
    assert found.table["test"][201] == "too rare" and found.table["mac"][201] == 5
    row = found.table.loc[200]
    assert row["odds_ratio"] == pytest.approx(np.exp(row["beta"]))
    assert row["n_case"] == trait.values.sum()
    assert row["sd"] == pytest.approx(values[200].std(), rel=1e-5)
    assert row["odds_ratio_sd"] == pytest.approx(np.exp(row["beta"] * row["sd"]))
    assert row["ci_low"] < row["beta"] < row["ci_high"]


def test_rarity_counts_what_is_not_the_majority():
    values = np.array([[0, 0, 0, 2, np.nan], [1, 1, 1, 0, 0], [1, 2, 3, 4, 5]])
    found = rarity(values, np.array([1, 0, 0, 1, 0], dtype=bool))
    assert found.carriers.tolist() == [1, 2, 2]
    assert found.case_carriers.tolist() == [1, 1, -1]
    assert collapse(np.array([[0.0, 1], [-0.0, 1], [1, 0]]), np.arange(2)).of.tolist() == [0, 0, 1]


def test_lineage_markers_fall_and_the_locus_stays(cohort):
    values, trait, groups = cohort
    lineages = indicators(groups)
    naive = scan([(values, logistic)], trait, np.ones((400, 1)))
    design = np.column_stack([np.ones(400), lineages])
    adjusted = scan([(values, logistic)], trait, design)
    words = locus_or_lineage(naive.table["p"].to_numpy(), adjusted.table["p"].to_numpy(), adjusted.patterns)
    assert words[200] == "locus" and (words == "locus").sum() == 1
    assert (words == "lineage").sum() > 10
    assert inflation(naive.table["p"].to_numpy()) > 3
    assert inflation(adjusted.table["p"].to_numpy()) < 1.4
    model = scan(
        [(values, mixed(kinship(values[:200])))], Phenotype("drug", trait.values, False), np.ones((400, 1))
    )
    assert model.table["p"].idxmin() == 200 and inflation(model.table["p"].to_numpy()) < 1.5
    share = lineage_share(values, lineages)
    assert share["lineage_r2"][200] < 0.03 < share["lineage_r2"][:200].median()
    perfect = lineage_share((groups == "L3")[None].astype(np.float32), lineages)
    assert perfect["lineage"][0] == "lineage L3" and perfect["lineage_r2"][0] == pytest.approx(1)


def test_permutation_within_lineage_is_uniform_and_keeps_groups(cohort):
    values, trait, groups = cohort
    for order in shuffle_within(groups, 3):
        assert (groups[order] == groups).all() and (np.sort(order) == np.arange(400)).all()
    design = np.column_stack([np.ones(400), indicators(groups)])
    found = Permutation(trait, design, groups, count=400).scores(values[:200])
    p = 2 * stats.norm.sf(np.abs(found.null))
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.005)
    assert inflation(p.ravel()) == pytest.approx(1.0, abs=0.05)
    observed = Permutation(trait, design, groups, count=400).scores(values[[200, 3]])
    largest = np.maximum(found.largest, observed.largest)
    assert observed.p[0] == observed.family_p(largest)[0] == pytest.approx(1 / 401)
    assert (found.family_p(found.largest) >= found.p).all()


def test_null_traits_give_uniform_p(cohort):
    values, trait, groups = cohort
    design = np.column_stack([np.ones(400), indicators(groups)])
    p = []
    for order in shuffle_within(groups, 20, seed=4):
        shuffled = Phenotype("null", trait.values[order], True)
        p.append(scan([(values[:200], logistic)], shuffled, design).table["p"].dropna())
    p = np.concatenate(p)
    assert inflation(p) == pytest.approx(1.0, abs=0.12)
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.012)


def effective_tests(values):
    counter = EffectiveTests(values.shape[1])
    counter.add(values)
    return counter.counts()


def test_effective_tests():
    random = np.random.default_rng(0)
    independent = random.normal(size=(10, 5000))
    assert effective_tests(np.repeat(independent[:1], 10, axis=0)) == pytest.approx((1, 1))
    li_ji, galwey = effective_tests(independent)
    assert 9.5 < galwey <= 10 and 9 <= li_ji <= 10
    assert effective_tests(np.vstack([independent, independent]))[1] == pytest.approx(galwey)
    assert max(effective_tests(random.normal(size=(50, 12)))) <= 11
    counter = EffectiveTests(12)
    few = random.normal(size=(20, 12))
    counter.add(few[:6])
    counter.add(few[6:])
    assert counter.counts() == pytest.approx(effective_tests(few))


def test_acat_against_scipy_free_formula():
    p = np.array([0.01, 0.2, 0.7, 0.04])
    assert acat(p) == pytest.approx(stats.cauchy.sf(np.mean(np.tan((0.5 - p) * np.pi))))
    assert acat(np.array([0.03])) == pytest.approx(0.03)
    assert acat(np.array([1e-300, 0.9, np.nan])) == pytest.approx(2e-300)
    # Correlated null tests stay calibrated, where Fisher's combination does not.
    random = np.random.default_rng(1)
    z = random.normal(size=(4000, 1)) + 0.3 * random.normal(size=(4000, 12))
    tails = 2 * stats.norm.sf(np.abs(z) / np.sqrt(1.09))
    assert np.mean([acat(row) <= 0.05 for row in tails]) == pytest.approx(0.05, abs=0.02)
    assert np.mean([combine_pvalues(row)[1] <= 0.05 for row in tails]) > 0.15
    tests = pd.DataFrame(
        {
            "region": ["a", "a", "b"],
            "p": [0.01, 0.2, np.nan],
            "minus_log10_p": [2, 0.7, np.nan],
            "feature": [5, 6, 7],
        }
    )
    table = region_tests(tests, ["region"])
    assert table.to_dict("records") == [
        {"region": "a", "test": "acat", "n_tests": 2, "p": acat(np.array([0.01, 0.2])), "feature": 5}
    ]


def test_calibration_summaries():
    p = (np.arange(10000) + 0.5) / 10000
    assert inflation(p) == pytest.approx(1.0, abs=1e-3)
    points = quantiles(p)
    assert np.allclose(points["expected"], points["observed"], atol=0.31)
    assert (points["low"] < points["expected"]).all() and (points["expected"] < points["high"]).all()
    table = by_frequency(p, np.full(10000, 30), np.full(10000, 1000))
    assert table["set"].tolist() == ["minor frequency 0.01-0.05"]
    assert "fewer than 1000" in warning(40) and warning(5000) == ""


def test_replication_is_asked_in_the_other_part(cohort):
    values, trait, groups = cohort
    cohorts = pd.Series(np.where(np.arange(400) % 2, "first", "second"), name="collection")
    design = np.column_stack([np.ones(400), indicators(groups)])
    first = split_samples(cohorts, "first")
    parts = [
        scan([(values[:, s], logistic)], Phenotype("drug", trait.values[s], True), design[s]).table
        for s in (first, ~first)
    ]
    found = compare(*parts)
    assert found["replicated"][200] and found["replicated"].sum() == 1
    with pytest.raises(ValueError, match="column collection: 0 of 400 samples are 'third'"):
        split_samples(cohorts, "third")


@pytest.mark.parametrize("groups", [["a"] * 12, ["a"] * 4 + ["b"] * 4 + ["c"] * 4])
def test_lineages_that_cannot_be_told_apart_explain_nothing(groups):
    lineages = indicators(np.array(groups))
    assert lineages.shape == (12, 0)
    shares = lineage_share(np.arange(24.0).reshape(2, 12), lineages)
    assert shares["lineage"].tolist() == ["", ""] and shares["lineage_r2"].isna().all()
