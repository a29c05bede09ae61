"""False discovery rates against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from feature_mining.false_discovery import q_values


@pytest.mark.parametrize("method", ["bh", "by"])
def test_q_values_equal_statsmodels(method):
    p = np.random.default_rng(0).random(500) ** 3
    p[10] = p[20]
    assert q_values(p, method) == pytest.approx(multipletests(p, method=f"fdr_{method}")[1], abs=1e-15)


@pytest.mark.parametrize("method", ["bh", "by"])
def test_a_p_that_is_unknown_stays_out_of_the_family(method):
    p = np.random.default_rng(1).random(60)
    p[::7] = np.nan
    tested = ~np.isnan(p)
    q = q_values(p, method)
    assert np.array_equal(np.isnan(q), ~tested)
    assert q[tested] == pytest.approx(multipletests(p[tested], method=f"fdr_{method}")[1], abs=1e-15)


def test_small_families():
    assert q_values(np.array([])).size == 0
    assert np.isnan(q_values(np.array([np.nan, np.nan]))).all()
    assert q_values(np.array([np.nan, 0.3]))[1] == 0.3
    with pytest.raises(ValueError, match="between 0 and 1"):
        q_values(np.array([0.5, 1.5]))
