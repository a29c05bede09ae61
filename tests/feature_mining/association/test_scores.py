"""Scores against scikit-learn; honesty of the splits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from feature_mining.association import curves, scores
from feature_mining.association.cells import Cells
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.labels import LabelStates, label_states
from feature_mining.association.sparse import bin_values, by_feature, lower_bounds, value_edges


def sparse(dense):
    rows, columns = np.nonzero(dense)
    pointer = np.concatenate([[0], np.cumsum((dense > 0).sum(axis=1))])
    return by_feature(pointer, columns, dense[rows, columns], dense.shape[1])


def split_counts(dense, labels, edges, masks):
    features = sparse(dense)
    bins = bin_values(features, edges)
    out = []
    for use in masks:
        histogram = Histogram.empty(dense.shape[1], edges.shape[1] + 2, len(labels.columns))
        add_sparse(histogram, features, bins, labels, use)
        out.append(histogram)
    return out


@pytest.fixture
def exact(stretch):
    """Histograms in which every distinct value has its own bin, and the masks of the two splits."""
    levels = np.unique(stretch.dense[stretch.dense > 0])
    edges = np.tile(levels, (7, 1)).astype(np.float32)
    select = np.arange(3000) < 1400
    report = np.arange(3000) >= 1500
    pair = split_counts(stretch.dense, stretch.labels, edges, (select, report))
    return *pair, edges, select, report


def test_scores_equal_scikit_learn(stretch, exact):
    select, report, edges, on_select, on_report = exact
    bounds = lower_bounds(edges)
    table = scores.score_pairs(select, report, stretch.labels.columns, bounds, exact=True)
    assert len(table) == 7 * len(stretch.labels.columns)
    label = stretch.labels.table[stretch.labels.states]
    for row in table.itertuples():
        column = stretch.labels.columns.index((row.track, row.mode))
        y, x = label[on_report, column], stretch.dense[on_report, row.feature]
        called = x >= np.float32(row.threshold)
        expected = {
            "auroc": metrics.roc_auc_score(y, x),
            "average_precision": metrics.average_precision_score(y, x),
            "f1": metrics.f1_score(y, called, zero_division=0),
            "mcc": metrics.matthews_corrcoef(y, called),
            "precision": metrics.precision_score(y, called, zero_division=0),
            "recall": metrics.recall_score(y, called),
            "base_rate": y.mean(),
            "mean_inside": x[y].mean(dtype=np.float64),
            "mean_outside": x[~y].mean(dtype=np.float64),
        }
        for name, value in expected.items():
            assert getattr(row, name) == pytest.approx(value, abs=1e-12), name
        seen, truth = stretch.dense[on_select, row.feature], label[on_select, column]
        assert row.auroc_select == pytest.approx(metrics.roc_auc_score(truth, seen), abs=1e-12)
        best = max(metrics.f1_score(truth, seen >= t, zero_division=0) for t in np.unique(seen[seen > 0]))
        assert row.f1_select == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("rate", [1.0, 0.3, 0.02])
@pytest.mark.parametrize("base_rate", [0.5, 0.03])
def test_binned_scores_lie_within_a_thousandth(rate, base_rate):
    """Features that are always, sometimes and seldom on; log-normal values, weak to strong effect."""
    random = np.random.default_rng(5)
    n = 200_000
    y = random.random(n) < base_rate
    labels = LabelStates(y.astype(np.int32), np.array([[False], [True]]), [("t", "any")])
    effect = np.array([0.0, 0.4, 0.8, 1.2])
    dense = np.exp(random.normal(size=(n, 4)) + effect * y[:, None])
    on = random.random((n, 4)) < np.where(y[:, None], min(1.0, rate * 2), rate)
    dense = (dense * on).astype(np.float32)
    features = sparse(dense)
    edges = value_edges(features)
    (histogram,) = split_counts(dense, labels, edges, (np.ones(n, bool),))
    found = curves.areas(histogram.positive, histogram.all)
    bounds = lower_bounds(edges)
    threshold = curves.choose_threshold(histogram.positive, histogram.all)
    at = curves.score_at(histogram.positive, histogram.all, threshold)
    for feature in range(4):
        x = dense[:, feature]
        assert found.auroc[feature, 0] == pytest.approx(metrics.roc_auc_score(y, x), abs=1e-3)
        expected = metrics.average_precision_score(y, x)
        assert found.average_precision[feature, 0] == pytest.approx(expected, abs=1e-3)
        called = x >= bounds[feature, threshold[feature, 0]]
        f1 = scores.f1(at.hits, at.called, at.positives)[feature, 0]
        assert f1 == pytest.approx(metrics.f1_score(y, called), abs=1e-12)


@pytest.mark.parametrize(("rate", "base_rate"), [(1.0, 0.5), (1.0, 0.02), (0.1, 0.02)])
def test_no_order_within_bins_moves_auroc_by_more_than_half_the_fullest(rate, base_rate):
    """The worst case: in every bin all positives above, or below, all negatives; it comes near the bound."""
    random = np.random.default_rng(6)
    n = 90_000
    x = np.exp(random.normal(size=n)).astype(np.float32) * (random.random(n) < rate)
    features = sparse(x[:, None])
    edges = value_edges(features)
    bin_of = np.where(x > 0, 1 + np.searchsorted(edges[0], x, "right"), 0)
    sizes = np.bincount(bin_of, minlength=edges.shape[1] + 2)
    fullest = sizes[1:].max() / n
    assert fullest == pytest.approx(rate / 45, rel=0.05)
    order = np.lexsort((x, bin_of))
    within = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    errors = {}
    for name, at in (("above", 1 - base_rate), ("below", base_rate), ("random", None)):
        y = random.random(n) < base_rate
        if at is not None:
            # The inactive stay ties; positives among them would only dilute the case.
            cut = at * np.repeat(sizes, sizes)
            marked = (within >= cut) if name == "above" else (within < cut)
            y = np.zeros(n, bool)
            y[order] = marked & (bin_of[order] > 0)
        labels = LabelStates(y.astype(np.int32), np.array([[False], [True]]), [("t", "any")])
        (histogram,) = split_counts(x[:, None], labels, edges, (np.ones(n, bool),))
        found = curves.areas(histogram.positive, histogram.all).auroc[0, 0]
        errors[name] = metrics.roc_auc_score(y, x) - found
        assert abs(errors[name]) <= fullest / 2
    assert errors["above"] > 0.7 * fullest / 2 and errors["below"] < -0.7 * fullest / 2
    assert abs(errors["random"]) < 2e-3 * rate


def test_order_within_a_bin_is_averaged_over():
    """Average precision of a bin of several values is its mean over all orders of them."""
    positive, all_ = np.array([[[0], [3], [2]]]), np.array([[5, 6, 4]])
    random = np.random.default_rng(1)
    y = np.array([1, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    bin_of = np.repeat([1, 2, 0], [6, 4, 5])
    found = []
    for _ in range(4000):
        x = np.where(bin_of > 0, bin_of + random.random(15) * 0.5, 0)
        found.append(metrics.average_precision_score(y, x))
    ours = curves.average_precision(positive, all_)[0, 0]
    assert ours == pytest.approx(np.mean(found), abs=5 * np.std(found) / np.sqrt(4000))
    assert ours > curves.average_precision(positive, all_, exact=True)[0, 0] + 0.02


def test_literal_counts():
    # bins:            off   1  2  3
    positive = np.array([[[1], [1], [2], [4]]])
    all_ = np.array([[10, 4, 2, 4]])
    assert curves.choose_threshold(positive, all_).tolist() == [[2]]
    # negatives 9, 3, 0, 0 below positives 1, 1, 2, 4.
    wins = 4 * 12 + 2 * 12 + 1 * (9 + 1.5) + 1 * 4.5
    assert curves.areas(positive, all_).auroc[0, 0] == pytest.approx(wins / (8 * 12))
    assert curves.average_precision(positive, all_, exact=True)[0, 0] == pytest.approx(
        (4 * 1 + 2 * 1 + 1 * 7 / 10 + 1 * 8 / 20) / 8
    )
    at = curves.score_at(positive, all_, np.array([[2]]))
    assert (at.hits[0, 0], at.called[0, 0]) == (6, 6)


def test_equal_f1_takes_the_higher_threshold():
    positive = np.array([[[0], [0], [3], [0]]])
    all_ = np.array([[9, 0, 3, 0]])
    # Bins 1 and 2 call the same bases.
    assert curves.choose_threshold(positive, all_).tolist() == [[2]]


def test_chance_levels(stretch, exact):
    select, report, edges, _, on_report = exact
    table = scores.score_pairs(select, report, stretch.labels.columns, lower_bounds(edges))
    row = table.iloc[3]
    assert row.f1_chance == pytest.approx(2 * row.base_rate / (1 + row.base_rate))
    column = stretch.labels.columns.index((row["track"], row["mode"]))
    y = stretch.labels.table[stretch.labels.states, column][on_report]
    called = stretch.dense[on_report, row.feature] >= np.float32(row.threshold)
    random = np.random.default_rng(0)
    shuffled = np.mean([metrics.f1_score(y, random.permutation(called)) for _ in range(200)])
    assert row.f1_shuffled == pytest.approx(shuffled, abs=0.01)


def test_the_report_split_decides_nothing(stretch, exact):
    select, report, edges, *_ = exact
    bounds = lower_bounds(edges)
    honest = scores.score_pairs(select, report, stretch.labels.columns, bounds)
    turned = Cells.of(report.positive[::-1])
    swapped = Histogram(turned, report.all[::-1].copy(), report.sum_inside, report.sum_all)
    other = scores.score_pairs(select, swapped, stretch.labels.columns, bounds)
    pd.testing.assert_series_equal(honest["threshold"], other["threshold"])
    best, again = scores.best_per_track(honest), scores.best_per_track(other)
    assert best["feature"].tolist() == again["feature"].tolist()
    with pytest.raises(ValueError, match="select"):
        scores.best_per_track(honest, by="f1")


def test_random_features_stay_at_chance_on_report():
    random = np.random.default_rng(11)
    n, n_features = 40_000, 60
    starts = random.integers(0, n - 60, (8, 60))
    tracks = {f"t{i}": pd.DataFrame({"start": s, "end": s + 50, "strand": "."}) for i, s in enumerate(starts)}
    labels = label_states(tracks, 0, n, "+")
    dense = random.gamma(1, 1, (n, n_features)) * (random.random((n, n_features)) < 0.05)
    dense = dense.astype(np.float32)
    half = np.arange(n) < n // 2
    edges = value_edges(sparse(dense))
    select, report = split_counts(dense, labels, edges, (half, ~half))
    table = scores.score_pairs(select, report, labels.columns, lower_bounds(edges))
    by_auroc = scores.best_per_track(table, by="auroc_select")
    by_precision = scores.best_per_track(table)
    # Picked as the best of 60 on select, yet on report no better than any.
    assert (by_auroc["auroc_select"] > 0.505).all()
    assert abs(by_auroc["auroc"].mean() - 0.5) < 0.004
    assert abs(by_precision["ap_lift"].mean()) < 0.004


def test_only_chosen_features_are_listed(stretch, exact):
    select, report, edges, *_ = exact
    columns = stretch.labels.columns
    table = scores.score_pairs(select, report, columns, lower_bounds(edges), features=np.array([4, 1]))
    assert table["feature"].tolist() == [1] * len(columns) + [4] * len(columns)
    whole = scores.score_pairs(select, report, columns, lower_bounds(edges))
    listed = whole[whole["feature"].isin([1, 4])].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, listed)


def test_corrupt_report_changes_no_choice_and_select_does(stretch, exact):
    """Threshold, sign and feature are read off select alone: report may be anything."""
    select, report, edges, *_ = exact
    bounds, columns = lower_bounds(edges), stretch.labels.columns
    random = np.random.default_rng(9)

    def corrupt(histogram):
        # Bins of every feature in another order, columns too: no base is lost.
        order = random.permuted(np.tile(np.arange(histogram.all.shape[1]), (7, 1)), axis=1)
        all_ = np.take_along_axis(histogram.all, order, axis=1)
        positive = np.take_along_axis(histogram.positive, order[:, :, None], axis=1)
        cells = Cells.of(random.permutation(positive, axis=2))
        return Histogram(cells, all_, histogram.sum_inside * -3, histogram.sum_all)

    def choices(chosen, shown):
        readings = {
            sign: scores.score_pairs(*pair, columns, bounds, sign=sign)
            for sign, pair in {1: (chosen, shown), -1: (chosen.flipped(), shown.flipped())}.items()
        }
        table = pd.concat(readings.values(), ignore_index=True)
        best = scores.best_per_track(table)
        return table["threshold_bin"].tolist(), best[["feature", "sign"]].to_numpy().tolist(), table

    threshold, best, table = choices(select, report)
    for _ in range(3):
        again, same, other = choices(select, corrupt(report))
        assert again == threshold and same == best
        assert (other["auroc"] != table["auroc"]).any(), "the report split was really changed"
    moved, _, _ = choices(corrupt(select), report)
    assert moved != threshold
