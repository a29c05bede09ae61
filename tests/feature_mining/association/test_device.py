"""The torch pass counts what the compiled one counts; here on the CPU as a device, with a GPU there too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from feature_mining.association import device
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.sparse import bin_values, value_edges

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.mark.parametrize("where", DEVICES)
def test_counts_equal_the_compiled_pass(stretch, monkeypatch, where):
    # Several chunks, the last one short.
    monkeypatch.setattr(device, "CHUNK_VALUES", 400)
    edges = value_edges(stretch.features)
    bins = bin_values(stretch.features, edges)
    shape = (7, edges.shape[1] + 2, len(stretch.labels.columns))
    expected, found = Histogram.empty(*shape), Histogram.empty(*shape)
    for use in (np.arange(3000) % 3 > 0, np.arange(3000) < 900):
        add_sparse(expected, stretch.features, bins, stretch.labels, use)
        device.add_sparse_on(where, found, stretch.features, bins, stretch.labels, use)
    np.testing.assert_array_equal(found.positive, expected.positive)
    np.testing.assert_array_equal(found.all, expected.all)
    np.testing.assert_allclose(found.sum_inside, expected.sum_inside, rtol=1e-12)
    np.testing.assert_allclose(found.sum_all, expected.sum_all, rtol=1e-12)


def test_a_bin_too_high_is_refused(stretch):
    histogram = Histogram.empty(7, 3, len(stretch.labels.columns))
    bins = np.full(stretch.features.rows.size, 3, np.uint8)
    with pytest.raises(ValueError, match="bin 3 in a histogram of 3 bins"):
        device.add_sparse_on("cpu", histogram, stretch.features, bins, stretch.labels, np.ones(3000, bool))
