"""Strand consistency: planted agreement, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from feature_mining.feature_map import from_dense
from feature_mining.sae.measures.strands import BIN, strand_sums


def sparse(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random((n, 3)) < 0.1, rng.random((n, 3)), 0).astype(np.float32)


def test_correlations_equal_numpy_and_parts_merge() -> None:
    rng = np.random.default_rng(0)
    a, b = sparse(rng, 1000), sparse(rng, 1000)
    b[:, 0] = a[:, 0]
    use = rng.random(1000) > 0.001
    base, binned = strand_sums(from_dense(a), from_dense(b), use)
    expected = [np.corrcoef(a[use, f], b[use, f])[0, 1] for f in range(3)]
    np.testing.assert_allclose(base.correlation(), expected, atol=1e-6)
    assert base.correlation()[0] == pytest.approx(1)
    whole = [i for i in range(1000 // BIN) if use[i * BIN : (i + 1) * BIN].all()]
    pooled = [np.stack([x[i * BIN : (i + 1) * BIN].sum(axis=0) for i in whole]) for x in (a, b)]
    expected = [np.corrcoef(pooled[0][:, f], pooled[1][:, f])[0, 1] for f in range(3)]
    np.testing.assert_allclose(binned.correlation(), expected, atol=1e-5)
    parts = [strand_sums(from_dense(a[s]), from_dense(b[s]), use[s]) for s in _halves(7 * BIN)]
    merged = parts[0][0].merge(parts[1][0])
    np.testing.assert_allclose(merged.correlation(), base.correlation(), atol=1e-9)


def _halves(cut: int) -> list[slice]:
    return [slice(0, cut), slice(cut, 1000)]


def test_a_feature_three_bases_later_on_the_other_strand_agrees_in_bins_only() -> None:
    rng = np.random.default_rng(1)
    a = np.zeros((200 * BIN, 3), np.float32)
    at = rng.integers(5, len(a) - 5, 400)
    at = at[(at % BIN > 4) & (at % BIN < BIN - 4)]
    a[at, 0] = 1 + rng.random(len(at))
    b = np.roll(a, 3, axis=0)
    base, binned = strand_sums(from_dense(a), from_dense(b), np.ones(len(a), bool))
    assert abs(base.correlation()[0]) < 0.05
    assert binned.correlation()[0] == pytest.approx(1)
    # A feature that never fires has no correlation.
    assert np.isnan(base.correlation()[1])


def test_unequal_stretches_are_refused() -> None:
    rng = np.random.default_rng(2)
    a, b = from_dense(sparse(rng, 10)), from_dense(sparse(rng, 11))
    with pytest.raises(ValueError, match="strands of 10 and 11 bases"):
        strand_sums(a, b, np.ones(10, bool))
