"""Strata and groups against statsmodels and literal counts."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from feature_mining.association.conditional import Strata, add_strata, families, joint_bases
from feature_mining.association.labels import LabelStates
from feature_mining.association.sparse import bin_values


def test_groups_and_parents_by_hand():
    # Bases: CDS lies in gene and nearly coincides; tRNA lies in gene; repeat stands apart.
    joint = np.array([[100, 85, 8, 3], [85, 85, 0, 2], [8, 0, 8, 0], [3, 2, 0, 50]])
    columns = [(name, "same") for name in ("gene", "CDS", "tRNA", "repeat")]
    family = families(joint, columns)
    assert family.group[0] == family.group[1]
    assert len(set(family.group.tolist())) == 3
    assert family.parent.tolist() == [-1, 0, 0, -1]
    apart = families(joint, [("gene", "same"), ("CDS", "any"), *columns[2:]])
    assert apart.parent.tolist() == [-1, -1, 0, -1]


def test_joint_bases_by_hand():
    table = np.array([[0, 0], [1, 0], [1, 1]], bool)
    labels = LabelStates(np.array([0, 1, 1, 2, 2, 2], np.int32), table, [("a", "any"), ("b", "any")])
    use = np.array([1, 1, 1, 1, 1, 0], bool)
    assert joint_bases(labels, use).tolist() == [[4, 2], [2, 2]]


def test_odds_ratio_equals_statsmodels(stretch):
    columns = stretch.labels.columns
    parent = np.full(len(columns), -1)
    parent[0], parent[3] = 2, 2
    edges = np.tile(np.array([0.5, 1.5], np.float32), (7, 1))
    threshold = np.random.default_rng(1).integers(1, 4, (7, len(columns)))
    use = np.arange(3000) % 10 > 0
    bins = bin_values(stretch.features, edges)
    strata = Strata.empty(7, len(columns))
    add_strata(strata, stretch.features, bins, threshold, stretch.labels, parent, use)
    found = (strata + strata).odds_ratio()
    bound = np.array([-np.inf, 1e-9, 0.5, 1.5])
    label = stretch.labels.table[stretch.labels.states]
    assert np.isnan(found[:, 1]).all()
    for feature in range(7):
        on = stretch.dense[:, feature] >= bound[threshold[feature, 3]]
        tables = []
        for inside in (False, True):
            rows = use & (label[:, 2] == inside)
            y, a = label[rows, 3], on[rows]
            tables.append([[(a & y).sum(), (a & ~y).sum()], [(~a & y).sum(), (~a & ~y).sum()]])
        expected = StratifiedTable(np.array(tables, float).transpose(1, 2, 0)).oddsratio_pooled
        assert found[feature, 3] == pytest.approx(expected, rel=1e-12)
