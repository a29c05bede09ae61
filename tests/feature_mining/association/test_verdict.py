"""Verdicts, their rules and the block bootstrap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from feature_mining.association.blocks import dense_pair_blocks, sparse_pair_blocks
from feature_mining.association.sparse import bin_values, dense_edges, value_edges
from feature_mining.association.verdict import bootstrap_margin, verdicts


def test_every_word_has_its_rule():
    nan = np.nan
    rows = [
        (0.5, 1e-6, 0.1, 0.2, 0.3, "learnt"),
        (0.5, 1e-6, 0.49, 0.2, 0.3, "composition"),
        (0.5, 1e-6, 0.1, 0.6, 0.3, "random-weights too"),
        (0.5, 1e-6, 0.1, 0.2, 0.5, "raw neuron as good"),
        (0.5, 0.2, 0.1, 0.2, 0.3, "not distinguishable"),
        (0.01, 1e-6, 0.0, 0.0, 0.0, "not distinguishable"),
        (nan, nan, nan, nan, nan, "not distinguishable"),
        (0.5, 1e-6, nan, nan, nan, "not distinguishable"),
        (0.5, 1e-6, 0.1, nan, nan, "learnt"),
    ]
    names = ["ap_lift", "q", "composition_ap_lift", "random_ap_lift", "neuron_ap_lift", "word"]
    table = pd.DataFrame(rows, columns=names)
    out = verdicts(table)
    assert out["verdict"].tolist() == table["word"].tolist()
    assert out["margin"].iloc[0] == pytest.approx(0.2)
    assert out["rule"].iloc[8] == "lift and q pass; not run: shuffled, random, neuron, pca"


def test_an_interval_overrules_the_fixed_margin():
    table = pd.DataFrame(
        {"ap_lift": [0.5], "q": [0.0], "neuron_ap_lift": [0.4], "margin_low_neuron": [-0.01]}
    )
    assert verdicts(table)["verdict"].tolist() == ["raw neuron as good"]


def test_bootstrap_covers_the_margin_of_a_better_detector(stretch):
    block = np.arange(3000) // 250
    column = stretch.labels.columns.index(("gene", "same"))
    label = stretch.labels.table[stretch.labels.states, column]
    edges = value_edges(stretch.features)
    bins = bin_values(stretch.features, edges)
    good, poor = (
        sparse_pair_blocks(stretch.features, bins, f, label, block, 12, edges.shape[1] + 2)
        for f in (0, 1)
    )
    assert good[1].sum() == 3000 and good[0].sum() == label.sum()
    better = bootstrap_margin(good, poor, resamples=300)
    assert 0 < better.low < better.high < 1
    same = bootstrap_margin(good, good, resamples=50)
    assert same.low == same.high == 0
    values = stretch.dense[:, 1]
    dense = dense_pair_blocks(values, dense_edges(values[:, None])[0], label, block, 12)
    assert dense[1].sum(axis=1).tolist() == [250] * 12


def test_a_track_of_near_copies_only_is_not_judged():
    table = pd.DataFrame(
        {
            "ap_lift": [np.nan, 0.5], "q": [1e-9, 1e-9], "copied_share": [1.0, 0.4],
            "neuron_ap_lift": [np.nan, 0.1],
        }
    )  # fmt: skip
    found = verdicts(table)
    assert found["verdict"].tolist() == ["not distinguishable", "learnt"]
    assert "near copies" in found["rule"][0]
