"""False discovery rates against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from feature_mining.association.multiplicity import (
    benjamini_hochberg,
    benjamini_yekutieli,
    enrichment_p,
)


def test_q_values_equal_statsmodels():
    p = np.random.default_rng(0).random(500) ** 3
    p[10] = p[20]
    for ours, theirs in ((benjamini_hochberg, "fdr_bh"), (benjamini_yekutieli, "fdr_by")):
        assert ours(p) == pytest.approx(multipletests(p, method=theirs)[1], abs=1e-15)


def test_unknown_p_stays_out_of_the_family():
    q = benjamini_hochberg(np.array([0.01, np.nan, 0.04]))
    assert q[[0, 2]].tolist() == [0.02, 0.04] and np.isnan(q[1])


def test_one_sided_p():
    assert enrichment_p(np.array([1.6448536269514722, -3.0, np.nan]))[:2] == pytest.approx(
        [0.05, 0.9986501019683699]
    )
