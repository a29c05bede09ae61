"""The mixed model against its likelihood maximised in sample space, and against least squares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from feature_mining.phenotype.kinship import components, kinship, leave_block_out
from feature_mining.phenotype.linear import ols
from feature_mining.phenotype.mixed import decompose, fit_mixed, mixed_tests, null_phenotypes

SEED, SAMPLES, LINEAGES = 5, 150, 5


def draw_lineages(random: np.random.Generator) -> np.ndarray:
    return random.integers(0, LINEAGES, SAMPLES)


@pytest.fixture(scope="module")
def cohort():
    random = np.random.default_rng(SEED)
    n = SAMPLES
    lineage = draw_lineages(random)
    frequency = random.beta(0.7, 0.7, size=(600, LINEAGES))
    variants = (random.random((600, n)) < frequency[:, lineage]).astype(float)
    values = np.vstack([variants[:25], random.normal(size=(15, n))]).astype(np.float32)
    relatedness = kinship(variants[100:])
    covariates = np.column_stack([np.ones(n), random.normal(size=n)])
    polygenic = np.linalg.cholesky(relatedness + 1e-6 * np.eye(n)) @ random.normal(size=n)
    y = covariates @ [1.0, 0.5] + 1.2 * polygenic + random.normal(size=n) + 1.5 * values[30]
    return values, y, covariates, relatedness, variants


def brute(x, y, covariates, relatedness):
    """REML by dense matrices: beta, se, log ratio."""
    design = np.column_stack([covariates, x])
    n, p = design.shape

    def parts(t):
        h = np.exp(t) * relatedness + np.eye(n)
        inverse = np.linalg.inv(h)
        inner = design.T @ inverse @ design
        effects = np.linalg.solve(inner, design.T @ inverse @ y)
        rest = y - design @ effects
        return h, inner, effects, rest @ inverse @ rest

    def loss(t):
        h, inner, _, yy = parts(t)
        return (n - p) * np.log(yy) + np.linalg.slogdet(h)[1] + np.linalg.slogdet(inner)[1]

    grid = np.linspace(np.log(1e-5), np.log(1e5), 60)
    best = grid[np.argmin([loss(t) for t in grid])]
    bounds = max(best - 0.5, grid[0]), min(best + 0.5, grid[-1])
    t = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x
    _, inner, effects, yy = parts(t)
    return effects[-1], np.sqrt(yy / (n - p) * np.linalg.inv(inner)[-1, -1]), t


def test_exact_ratio_equals_dense_likelihood(cohort):
    values, y, covariates, relatedness, _ = cohort
    model = fit_mixed(decompose(relatedness), y, covariates)
    table = mixed_tests(values, model)
    for i in [0, 3, 11, 24, 25, 30, 39]:
        beta, se, t = brute(values[i].astype(float), y, covariates, relatedness)
        assert table["beta"][i] == pytest.approx(beta, rel=1e-6, abs=1e-9)
        assert table["se"][i] == pytest.approx(se, rel=1e-6)
        assert table["log_ratio"][i] == pytest.approx(t, abs=1e-4)
    assert table["p"].idxmin() == 30


def test_blocks_do_not_change_results(cohort):
    values, y, covariates, relatedness, _ = cohort
    model = fit_mixed(decompose(relatedness), y, covariates)
    whole, cut = mixed_tests(values, model), mixed_tests(values, model, block=7)
    assert np.allclose(whole["statistic"], cut["statistic"], rtol=1e-6)


def test_null_ratio_is_generalised_least_squares(cohort):
    values, y, covariates, relatedness, _ = cohort
    model = fit_mixed(decompose(relatedness), y, covariates)
    h = np.exp(model.log_ratio) * relatedness + np.eye(len(y))
    root = np.linalg.inv(np.linalg.cholesky(h))
    theirs = ols(values.astype(float) @ root.T, root @ y, root @ covariates)
    ours = mixed_tests(values, model, exact=False)
    assert np.allclose(ours["statistic"], theirs["statistic"], rtol=1e-8)


def test_without_relatedness_it_is_least_squares(cohort):
    values, _, covariates, relatedness, _ = cohort
    y = np.random.default_rng(8).normal(size=len(covariates))
    model = fit_mixed(decompose(1e-12 * relatedness), y, covariates)
    assert np.allclose(mixed_tests(values, model)["p"], ols(values, y, covariates)["p"], rtol=1e-6)


def test_kinship_is_the_centred_one_and_a_block_can_be_left_out(cohort):
    *_, variants = cohort
    centred = variants - variants.mean(axis=1, keepdims=True)
    assert np.allclose(kinship(variants), centred.T @ centred / 600)
    blocks = np.repeat(["a", "b", "c"], 200)
    for block, without in leave_block_out(variants, blocks):
        assert np.allclose(without, kinship(variants[blocks != block]))
    with pytest.raises(ValueError, match="lies in block a"):
        list(leave_block_out(variants, np.repeat("a", 600)))


def test_components_are_those_of_scikit_learn_and_separate_the_lineages(cohort):
    *_, relatedness, variants = cohort
    found = components(relatedness, LINEAGES - 1)
    theirs = PCA(LINEAGES - 1).fit_transform(variants[100:].T)
    alike = np.corrcoef(found.T, theirs.T)[: LINEAGES - 1, LINEAGES - 1 :]
    assert np.allclose(np.abs(alike), np.eye(LINEAGES - 1), atol=1e-6)
    assert np.allclose(found.std(axis=0), 1)
    clusters = KMeans(LINEAGES, n_init=10, random_state=0).fit_predict(found)
    assert adjusted_rand_score(draw_lineages(np.random.default_rng(SEED)), clusters) == 1


def test_null_phenotypes_have_the_covariance_of_the_model(cohort):
    _, y, covariates, relatedness, _ = cohort
    model = fit_mixed(decompose(relatedness), y, covariates)
    drawn = null_phenotypes(model, 20000)
    expected = model.residual_variance * (np.exp(model.log_ratio) * relatedness + np.eye(150))
    assert np.corrcoef(np.cov(drawn).ravel(), expected.ravel())[0, 1] > 0.99
    again = fit_mixed(decompose(relatedness), drawn[:, 0], covariates)
    assert mixed_tests(np.random.default_rng(0).normal(size=(500, 150)), again)["p"].mean() == (
        pytest.approx(0.5, abs=0.05)
    )


def test_bad_kinship_is_one_sentence():
    with pytest.raises(ValueError, match="expected as many rows as columns"):
        decompose(np.ones((3, 2)))
    with pytest.raises(ValueError, match="distances must be turned into similarities"):
        decompose(-np.eye(4) + 1)
