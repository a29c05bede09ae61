"""Sparse probes against scikit-learn, and on planted features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csc_matrix
from sklearn.linear_model import LogisticRegression, orthogonal_mp_gram
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from feature_mining.association.probe import (
    Sample,
    best_threshold,
    fit_probes,
    pursue,
    score_detector,
    sparse_probes,
)
from feature_mining.feature_map import from_dense


def planted(seed: int, n: int = 6000) -> Sample:
    """Column 0 is marked by features 3 and 8 in turn (7 says the same as 3); column 1 by nothing."""
    random = np.random.default_rng(seed)
    label = random.random(n) < 0.1
    first = label & (random.random(n) < 0.6)
    x = random.gamma(2.0, 1.0, (n, 30)) * (random.random((n, 30)) < 0.05)
    x[:, 3] += first * 5.0
    x[:, 7] = np.where(random.random(n) < 0.9, x[:, 3], 0)
    x[:, 8] += (label & ~first) * 5.0
    labels = np.stack([label, random.random(n) < 0.2], axis=1)
    return Sample(from_dense(x.astype(np.float32)), labels, np.ones(n))


def test_two_siblings_are_found_before_a_copy():
    table = sparse_probes(planted(0), planted(1))
    own = table[table["column"] == 0].set_index("size")
    assert set(own.loc[2, "features"]) == {3, 8}
    assert own.loc[1, "features"][0] in (3, 8)
    assert own.loc[2, "ap_lift"] > own.loc[1, "ap_lift"] + 0.2
    assert own.loc[2, "average_precision"] > 0.8
    assert own.loc[20, "features"][:2] == own.loc[2, "features"]
    assert own.loc[2, "recall"] > 0.9
    noise = table[table["column"] == 1]
    # Twenty of thirty features, chosen and fitted on select, are at chance on report.
    assert noise["ap_lift"].abs().max() < 0.03
    assert (noise["auroc"] - 0.5).abs().max() < 0.03


def test_pursuit_takes_what_scikit_learn_takes():
    sample = planted(2)
    x = sample.features.dense().astype(np.float64)
    y = sample.labels[:, 0].astype(np.float64)
    centred = (x - x.mean(0)) / x.std(0)
    coefficients = orthogonal_mp_gram(centred.T @ centred, centred.T @ (y - y.mean()), n_nonzero_coefs=6)
    correlation = centred.T @ (y - y.mean()) / len(y) / y.std()
    ours = pursue(csc_matrix(x), sample.labels[:, 0], sample.weight, correlation, 6)
    assert set(ours) == set(np.flatnonzero(coefficients))


def test_the_logistic_fit_is_that_on_every_row():
    sample = planted(3)
    weight = np.random.default_rng(0).uniform(0.5, 4, len(sample.weight))
    probe, fitted = fit_probes(sample._replace(weight=weight), (2,))[0][0]
    x = sample.features.dense()[:, probe.features].astype(np.float64)
    w = weight / weight.mean()
    scale = np.sqrt((w[:, None] * x**2).mean(0))
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000)
    model.fit(x / scale, sample.labels[:, 0], sample_weight=w)
    np.testing.assert_allclose(probe.weights, model.coef_[0] / scale, rtol=1e-3)
    scores = probe.score(sample.features)
    np.testing.assert_allclose(scores, model.decision_function(x / scale), atol=1e-3)
    expected = average_precision_score(sample.labels[:, 0], scores, sample_weight=weight)
    assert fitted.average_precision == pytest.approx(expected, abs=1e-9)


def test_weighted_scores_equal_scikit_learn():
    random = np.random.default_rng(4)
    scores = np.round(random.normal(size=500), 1)
    labels = random.random(500) < 1 / (1 + np.exp(2 - scores))
    weight = random.uniform(0.1, 5, 500)
    ours = score_detector(scores, labels, weight, 0.4)
    kept = {"sample_weight": weight}
    assert ours.average_precision == pytest.approx(average_precision_score(labels, scores, **kept), abs=1e-12)
    assert ours.auroc == pytest.approx(roc_auc_score(labels, scores, **kept), abs=1e-12)
    assert ours.f1 == pytest.approx(f1_score(labels, scores >= 0.4, **kept), abs=1e-12)
    assert ours.base_rate == pytest.approx(weight[labels].sum() / weight.sum())
    best = max(f1_score(labels, scores >= t, **kept) for t in np.unique(scores))
    threshold = best_threshold(scores, labels, weight)
    assert f1_score(labels, scores >= threshold, **kept) == pytest.approx(best, abs=1e-12)


def test_report_is_read_only_for_scores():
    select, report = planted(5), planted(6)
    turned = report._replace(labels=~report.labels)
    a, b = sparse_probes(select, report), sparse_probes(select, turned)
    assert a["features"].tolist() == b["features"].tolist()
    assert a["weights"].tolist() == b["weights"].tolist()
    np.testing.assert_array_equal(a["ap_select"], b["ap_select"])


def test_a_column_of_one_kind_has_no_probe():
    sample = planted(7)
    empty = sample._replace(labels=np.zeros_like(sample.labels))
    assert fit_probes(empty) == [[], []]
    assert len(sparse_probes(sample, empty)) == 0


def test_weights_stand_for_bases_left_out():
    whole = planted(8, 20_000)
    random = np.random.default_rng(0)
    chance = np.where(whole.labels[:, 0], 1.0, 0.25)
    keep = random.random(20_000) < chance
    thin = Sample(from_dense(whole.features.dense()[keep]), whole.labels[keep], 1 / chance[keep])
    a = sparse_probes(planted(9), whole, (2,)).iloc[0]
    b = sparse_probes(planted(9), thin, (2,)).iloc[0]
    assert b["average_precision"] == pytest.approx(a["average_precision"], abs=0.02)
    assert b["base_rate"] == pytest.approx(a["base_rate"], abs=0.005)
