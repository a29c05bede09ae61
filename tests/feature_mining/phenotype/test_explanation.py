"""Explained predictors: exact parts, scikit-learn's importances, and cohorts whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.inspection import permutation_importance

from feature_mining.phenotype.explanation import (
    BOTH,
    LINEAGE,
    LOCUS,
    NEITHER,
    UNTESTED,
    Cohort,
    _verdict,
    between_share,
    explain,
    explain_sample,
    fits_of,
    locus_parts,
    shuffled_within,
    within_lineage,
)
from feature_mining.phenotype.folds import Fold, outer_folds
from feature_mining.phenotype.metrics import score, score_within
from feature_mining.phenotype.models import as_line, fit, pipeline

N, LINEAGES = 160, 4


def cohort(kind: str, seed: int = 0, binary: bool = True) -> Cohort:
    """Four lineages; locus a arises within each of them, locus b marks two, locus c is noise.

    The trait is caused by locus a (``locus``), by lineage and nothing else (``lineage``), or by nothing.
    """
    random = np.random.default_rng(seed)
    lineage = np.repeat([f"L{i}" for i in range(LINEAGES)], N // LINEAGES)
    high = np.isin(lineage, ["L1", "L2"])
    a = (random.random(N) < 0.4).astype(float)
    b = high + 0.05 * random.normal(size=N)
    b2 = 2.0 * (lineage == "L2") + 0.05 * random.normal(size=N)
    values = np.column_stack([a, b, b2, random.normal(size=(N, 2))])
    drive = {"locus": 5 * a - 2.5, "lineage": 4.0 * high - 2, "nothing": np.zeros(N)}[kind]
    liability = drive + (1 if binary else 0.3) * random.logistic(size=N)
    y = (liability > 0).astype(float) if binary else liability
    rivals = (lineage[:, None] == np.unique(lineage)).astype(float)
    locus = np.array([0, 1, 1, 2, 2])
    return Cohort(values, locus, ["a", "b", "c"], np.zeros(5), y, binary, lineage, rivals)


@pytest.fixture(scope="module")
def caused():
    made = cohort("locus")
    return made, explain(made, 19)


def test_parts_add_up_to_the_prediction_of_scikit_learn_and_a_locus_can_be_put_back():
    made = cohort("locus")
    made = made._replace(reference=np.array([0.0, 0.3, -0.2, 0.1, 0.0]))
    made.values[3, 0] = np.nan
    train, test = np.arange(0, N, 2), np.arange(1, N, 2)
    found = locus_parts(made, made.y, [Fold(train, test, "")], 0, tuned=False)
    model = fit(made.values[train], made.y[train], [], True)
    np.testing.assert_allclose(
        found.whole[test], logit(model.predict_proba(made.values[test])[:, 1]), atol=1e-8
    )
    for at in range(3):
        back = made.values[test].copy()
        back[:, made.locus == at] = made.reference[made.locus == at]
        expected = logit(model.predict_proba(back)[:, 1])
        np.testing.assert_allclose(found.whole[test] - found.loci[test, at], expected, atol=1e-8)
    assert np.isnan(found.whole[train]).all()


def test_a_screened_pipeline_is_the_same_sum_over_columns():
    random = np.random.default_rng(4)
    x, y = random.normal(size=(60, 230)), random.normal(size=60)
    x[:, 7] = 1.0
    model = pipeline(230, False).fit(x, y)
    assert "screen" in dict(model.steps)
    line = as_line(model)
    np.testing.assert_allclose(line.intercept + x @ line.coefficients, model.predict(x), atol=1e-8)
    assert line.coefficients[7] == 0 and (line.coefficients == 0).sum() >= 30


def test_shuffled_losses_are_the_permutation_importances_of_scikit_learn():
    """In one lineage, a column a locus, one fold: what is left is its own function."""
    made = cohort("locus")
    made = made._replace(
        values=made.values[:, [0, 1, 3]], locus=np.arange(3), reference=np.zeros(3), lineage=np.full(N, "one")
    )
    train, test = np.arange(0, N, 2), np.arange(1, N, 2)
    parts = locus_parts(made, made.y, [Fold(train, test, "")], 0, tuned=False)
    model = fit(made.values[train], made.y[train], [], True)
    theirs = permutation_importance(
        model, made.values[test], made.y[test], scoring="roc_auc", n_repeats=60, random_state=0
    )
    whole, y = parts.whole[test], made.y[test]
    random = np.random.default_rng(1)
    for at in range(3):
        own = parts.loci[test, at]
        lost = [
            score(y, whole - own + own[shuffled_within(made.lineage[test], random)], True)[0]
            for _ in range(60)
        ]
        drop = score(y, whole, True)[0] - np.mean(lost)
        assert drop == pytest.approx(theirs.importances_mean[at], abs=0.02)
    assert theirs.importances_mean[0] > 0.2


def test_a_locus_left_out_is_a_fit_without_its_columns(caused):
    made, found = caused
    folds = outer_folds(made.y, None, True, 0)
    table = found.loci.set_index("locus")
    for at, name in enumerate(made.loci):
        predicted = np.full(N, np.nan)
        for fold in folds:
            own = made.values[:, made.locus != at]
            model = fit(own[fold.train], made.y[fold.train], [], True)
            predicted[fold.test] = model.predict_proba(own[fold.test])[:, 1]
        expected = found.own - score(made.y, predicted, True)[0]
        assert table.loc[name, "without"] == pytest.approx(expected, abs=1e-9)


def test_a_trait_caused_by_a_locus_is_the_locus(caused):
    made, found = caused
    assert found.verdict == LOCUS and found.p == pytest.approx(1 / 20)
    table = found.loci.set_index("locus")
    assert table.loc["a", "low"] > 0.1 and table["drop"].idxmax() == "a"
    assert table.loc["a", "between"] < 0.1 and table.loc[["b", "c"], "drop"].abs().max() < 0.03
    scores = found.scores.set_index(["predictors", "folds"])["score"]
    assert scores["loci", "lineages held out"] > 0.8 > scores["lineage", "random"]
    assert abs(scores["loci within lineage", "random"] - scores["loci", "random"]) < 0.05
    carrier = int(np.flatnonzero(made.values[:, 0] == 1)[0])
    for parts in (found.seen, found.unseen):
        side = explain_sample(made, parts, carrier)
        assert side.rests == LOCUS and side.table.set_index("locus")["own"].idxmax() == "a"
        np.testing.assert_allclose(side.table["part"].sum(), parts.loci[carrier].sum())


def test_a_trait_of_lineages_alone_is_the_lineage():
    made = cohort("lineage")
    found = explain(made, 19)
    assert found.verdict == LINEAGE and found.p > 0.05, found.scores
    scores = found.scores.set_index(["predictors", "folds"])
    assert scores.loc[("loci", "random"), "score"] > 0.75  # with random folds it looks like a good predictor
    assert scores.loc[("loci within lineage", "random"), "low"] < 0.5
    # Held out, a lineage is told the rate of the others, the reverse of its own: over all pairs what knows
    # nothing would seem to know the opposite.
    assert scores.loc[("lineage", "lineages held out"), "score"] == pytest.approx(0.5)
    rivals = made._replace(values=made.rivals, locus=np.zeros(4, int), loci=["all"], reference=np.zeros(4))
    folds = outer_folds(made.y, made.lineage, True, 0)
    assert score(made.y, locus_parts(rivals, made.y, folds, 0, grouped=True).whole, True)[0] < 0.35
    table = found.loci.set_index("locus")
    assert table.loc["b", "between"] > 0.9 and table["drop"].abs().max() < 0.03
    of_high = int(np.flatnonzero(made.lineage == "L2")[0])
    side = explain_sample(made, found.seen, of_high)
    assert side.rests == LINEAGE and side.lineage > 0
    others = np.arange(N) != of_high
    same = others & (made.lineage == "L2")
    expected = found.seen.loci[same].mean(axis=0) - found.seen.loci[others].mean(axis=0)
    np.testing.assert_allclose(side.table["lineage"], expected)


@pytest.mark.parametrize("binary", [True, False])
def test_a_score_within_groups_is_of_pairs_within_them(binary: bool):
    random = np.random.default_rng(8)
    held = random.integers(0, 3, 60)
    y = (random.random(60) < 0.2 + 0.25 * held).astype(float) if binary else held + random.normal(size=60)
    predicted = np.round(random.normal(size=60) + 0.5 * y - held, 1)
    predicted[held == 2] = 0.3  # of one fold nothing is known but the mean of the others
    predicted[:3] = np.nan
    times = random.integers(0, 3, (4, 60)).astype(float)
    found = score_within(y, predicted, binary, held, times)
    known = ~np.isnan(predicted)
    for row, value in zip(times, found, strict=True):
        top = total = 0.0
        for group in range(3):
            rows = np.repeat(
                np.flatnonzero(known & (held == group)), row[known & (held == group)].astype(int)
            )
            if binary:
                cases, controls = (predicted[rows[y[rows] == side]] for side in (1, 0))
                apart = cases[:, None] - controls[None, :]
                share = (known & (held == group)).sum() / max(1, len(rows))
                top += share * ((apart > 0).sum() + 0.5 * (apart == 0).sum())
                total += share * apart.size
            elif len(rows):
                top += ((y[rows] - predicted[rows] - (y[rows] - predicted[rows]).mean()) ** 2).sum()
                total += ((y[rows] - y[rows].mean()) ** 2).sum()
        assert value == pytest.approx(top / total if binary else 1 - top / total)
    assert score_within(y, np.zeros(60), binary, held)[0] == pytest.approx(0.5 if binary else 0)


def test_each_word_has_its_rule():
    def word(p: float, **lows: float) -> str:
        rows = [
            ("loci", "random", lows.get("seen", 0.6)),
            ("loci", "lineages held out", lows.get("unseen", 0.6)),
            ("loci within lineage", "random", lows.get("within", 0.6)),
        ]
        return _verdict(pd.DataFrame(rows, columns=["predictors", "folds", "low"]), p, True)[0]

    assert word(0.01) == LOCUS and word(0.2) == LINEAGE and word(np.nan) == UNTESTED
    assert word(0.01, seen=0.5) == NEITHER and word(0.01, unseen=0.45) == BOTH
    assert word(0.01, unseen=0.45, within=0.4) == LINEAGE


def test_a_number_is_explained_too_and_progress_is_told():
    made, told = cohort("locus", binary=False), []
    found = explain(made, 19, told=lambda: told.append(1))
    assert found.verdict == LOCUS and len(told) == fits_of(19, 3)
    scores = found.scores.set_index(["predictors", "folds"])["score"]
    assert 0.3 < scores["loci", "lineages held out"] < 1


def test_small_things():
    lineage = np.array(["a", "a", "b", "b"])
    values = np.array([[1.0, np.nan], [3.0, 2.0], [5.0, 1.0], [5.0, 3.0]])
    np.testing.assert_array_equal(within_lineage(values, lineage), [[-1, np.nan], [1, 0], [0, -1], [0, 1]])
    order = shuffled_within(lineage, np.random.default_rng(0))
    assert sorted(order) == [0, 1, 2, 3] and (lineage[order] == lineage).all()
    x = np.array([1.0, 2.0, 5.0, 6.0])
    table = pd.DataFrame({"x": x, "g": lineage})
    within = table.groupby("g")["x"].var(ddof=0).mean()
    assert between_share(x, lineage) == pytest.approx(1 - within / x.var())
    assert np.isnan(between_share(np.ones(4), lineage))
    with pytest.raises(ValueError, match="expected at least two groups"):
        explain(cohort("locus")._replace(lineage=np.full(N, "one")), 19)
