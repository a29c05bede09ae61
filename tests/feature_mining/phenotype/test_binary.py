"""Logistic tests against statsmodels, R's published figures on the EPACTS files, and REGENIE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from feature_mining.phenotype.binary import logistic_ladder
from feature_mining.phenotype.firth import fit_firth
from feature_mining.phenotype.logistic import fit_features, fit_null, score_test
from feature_mining.phenotype.tails import chi2_tail


@pytest.fixture(scope="module")
def cohort() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    n = 400
    covariates = np.column_stack([np.ones(n), random.normal(size=(n, 3))])
    values = np.vstack([random.random((20, n)) < 0.3, random.normal(size=(20, n))]).astype(np.float32)
    eta = covariates @ [-0.5, 0.8, 0.0, -0.4] + 0.9 * values[0] - 0.6 * values[25]
    y = (random.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    return values, y, covariates


def test_fits_equal_statsmodels(cohort):
    values, y, covariates = cohort
    null = fit_null(y, covariates)
    fits = fit_features(values, null)
    reduced = sm.Logit(y, covariates).fit(disp=0, tol=1e-12)
    for i in range(len(values)):
        full = sm.Logit(y, np.column_stack([covariates, values[i]])).fit(disp=0, tol=1e-12)
        assert fits.beta[i] == pytest.approx(full.params[-1], rel=1e-7, abs=1e-9)
        assert fits.se[i] == pytest.approx(full.bse[-1], rel=1e-7)
        assert fits.statistic[i] == pytest.approx(2 * (full.llf - reduced.llf), rel=1e-6, abs=1e-8)
    assert fits.converged.all()


def test_score_test_equals_statsmodels(cohort):
    values, y, covariates = cohort
    score = score_test(values, fit_null(y, covariates))
    model = sm.GLM(y, covariates, family=sm.families.Binomial()).fit(tol=1e-12)
    for i in (0, 7, 25, 39):
        theirs = model.score_test(exog_extra=values[i].astype(float)[:, None])[0]
        assert score.statistic[i] == pytest.approx(np.ravel(theirs)[0], rel=1e-6)


EPACTS = {  # position: Rao chi-square, LRT p, Wald beta, Firth beta, Firth p (R: glm and logistf)
    16060511: (1.242482, 0.26475, -0.097476, -0.097079, 0.26593),
    16115878: (0.218038, 0.64046, -0.052632, -0.052301, 0.64197),
    16115882: (3.850985, 0.049675, -0.15598, -0.15567, 0.04991),
    16117940: (1.175474, 0.26984, -0.88059, -0.7524, 0.30731),
    16117953: (1.514245, 0.21692, 0.54921, 0.5258, 0.22562),
}


def read_epacts(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    stem = folder / "regressionLogisticEpacts"
    lines = [x for x in stem.with_suffix(".vcf").read_text().splitlines() if x[:2] != "##"]
    table = pd.DataFrame([x.split("\t") for x in lines[1:]], columns=lines[0].split("\t"))
    samples = table.columns[9:]
    values = table[samples].map(lambda g: sum(a == "1" for a in g[:3:2])).to_numpy(np.float32)
    fam = pd.read_csv(stem.with_suffix(".fam"), sep="\t", header=None, dtype=str).set_index(1)
    pcs = pd.read_csv(stem.with_suffix(".cov"), sep="\t").set_index("IND_ID").loc[samples]
    fam = fam.loc[samples]
    y = (fam[5] == "2").to_numpy(float)
    female = (fam[4] == "2").to_numpy(float)
    covariates = np.column_stack([np.ones(len(y)), female, pcs.to_numpy()])
    return table["POS"].astype(int).to_numpy(), values, y, covariates


def test_epacts_files(shared):
    positions, values, y, covariates = read_epacts(shared / "data" / "oracles" / "hail")
    null = fit_null(y, covariates)
    score, fits, firth = (score_test(values, null), fit_features(values, null), fit_firth(values, null))
    lrt, penalised = chi2_tail(fits.statistic).p, chi2_tail(firth.statistic).p
    at = {int(p): i for i, p in enumerate(positions)}
    for position, (rao, lrt_p, beta, firth_beta, firth_p) in EPACTS.items():
        i = at[position]
        assert score.statistic[i] == pytest.approx(rao, rel=1e-5)
        assert lrt[i] == pytest.approx(lrt_p, rel=1e-4)
        assert fits.beta[i] == pytest.approx(beta, rel=1e-4)
        assert firth.beta[i] == pytest.approx(firth_beta, rel=1e-4)
        assert penalised[i] == pytest.approx(firth_p, rel=1e-4)


def test_firth_of_a_two_by_two_table_with_an_empty_cell():
    # With one binary feature and no covariate, Firth's fit adds 1/2 to every cell (Heinze 2002).
    x = np.repeat([1.0, 0.0, 0.0], [10, 10, 20])
    y = np.repeat([1.0, 1.0, 0.0], [10, 10, 20])
    found = fit_firth(x[None], fit_null(y, np.ones((40, 1))))
    assert found.beta[0] == pytest.approx(np.log(10.5 / 0.5 / (10.5 / 20.5)), rel=1e-6)
    assert found.se[0] == pytest.approx(np.sqrt(1 / 10.5 + 1 / 0.5 + 1 / 10.5 + 1 / 20.5), rel=0.05)


def test_ladder_names_the_test_that_p_is_of(cohort):
    values, y, covariates = cohort
    separated = np.zeros(len(y), np.float32)
    separated[np.flatnonzero(y == 1)[:12]] = 1
    constant = np.ones(len(y), np.float32)
    table = logistic_ladder(np.vstack([values, separated, constant]), y, covariates)
    assert table["test"][0] == "logistic lrt" and table["test"][40] == "firth lrt"
    assert np.isfinite(table["beta"][40]) and table["beta"][40] > 1
    assert np.isnan(table["p"][41]) and not table["converged"][41]
    dull = table["score_p"] > 0.05
    assert dull.any() and (table.loc[dull, "test"] == "logistic score").all()


def test_lineages_of_one_class_change_nothing(cohort):
    values, y, covariates = cohort
    # Two more lineages, one of cases and one of controls: the others are tested as without them.
    more = np.zeros((60, covariates.shape[1] + 2))
    more[:, 0], more[:30, -2], more[30:, -1] = 1, 1, 1
    wide = np.vstack([np.pad(covariates, ((0, 0), (0, 2))), more])
    random = np.random.default_rng(0)
    extra = (random.random((len(values), 60)) < 0.4).astype(np.float32)
    longer = np.hstack([values, extra])
    outcome = np.concatenate([y, np.ones(30), np.zeros(30)])
    alone, together = logistic_ladder(values, y, covariates), logistic_ladder(longer, outcome, wide)
    assert (alone["test"] == together["test"]).all() and together["converged"].all()
    assert np.allclose(alone["beta"], together["beta"], rtol=1e-5, atol=1e-7)
    assert np.allclose(alone["p"], together["p"], rtol=1e-5)


def test_covariates_that_separate_are_one_sentence():
    y = np.repeat([0.0, 1.0], 20)
    with pytest.raises(ValueError, match="covariates alone tell the 20 cases from the 20 controls"):
        fit_null(y, np.column_stack([np.ones(40), y]))
