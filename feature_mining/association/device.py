"""The counting pass of `histogram.add_sparse` in torch, for a GPU; equal counts on any device.

Every non-zero adds its row of the label table to the row of its (feature, bin): one `index_add_` of
integers, whose sums do not depend on the order in which a GPU gets to them.
"""

from __future__ import annotations

import numpy as np
import torch

from feature_mining.association.histogram import Histogram
from feature_mining.association.labels import LabelStates
from feature_mining.association.sparse import Csc

# Table entries gathered at a time: half a GiB.
CHUNK_VALUES = 1 << 27
# Features whose counts are fetched at a time.
BLOCK = 1024


def add_sparse_on(
    device: str, histogram: Histogram, features: Csc, bins: np.ndarray, labels: LabelStates, use: np.ndarray
) -> None:
    """Count one reading of a stretch into `histogram` (changed in place), on a torch device.

    Parameters
    ----------
    device : such as "cuda"; holds int32 (F, n_bins, C) while it counts
    features, bins, labels, use : as for `histogram.add_sparse`, whose counts these are exactly; sums
        of values are float64 and equal to rounding
    """
    n_features, n_bins = histogram.all.shape
    n_columns = labels.table.shape[1]
    if bins.size and int(bins.max()) >= n_bins:
        raise ValueError(f"bin {int(bins.max())} in a histogram of {n_bins} bins")
    keep = use[features.rows]
    owner = np.repeat(np.arange(n_features), np.diff(features.indptr))[keep]
    feature, level, state = (
        torch.from_numpy(np.ascontiguousarray(part, np.int64)).to(device)
        for part in (owner, bins[keep], labels.states[features.rows[keep]])
    )
    value = torch.from_numpy(features.values[keep].astype(np.float64)).to(device)
    table = torch.from_numpy(labels.table).to(device)
    positive = torch.zeros((n_features * n_bins, n_columns), dtype=torch.int32, device=device)
    inside = torch.zeros((n_features, n_columns), dtype=torch.float64, device=device)
    cell = feature * n_bins + level
    step = max(1, CHUNK_VALUES // max(1, n_columns))
    for first in range(0, cell.numel(), step):
        part = slice(first, first + step)
        rows = table[state[part]]
        positive.index_add_(0, cell[part], rows.to(torch.int32))
        inside.index_add_(0, feature[part], rows * value[part, None])
    called = torch.bincount(cell, minlength=n_features * n_bins).reshape(n_features, n_bins)
    total = torch.zeros(n_features, dtype=torch.float64, device=device)
    total.index_add_(0, feature, value)
    counts = positive.reshape(n_features, n_bins, n_columns)
    # Bin 0: what the active bases leave.
    called[:, 0] = int(use.sum()) - called.sum(dim=1)
    histogram.cells.totals += labels.totals(use)
    for first in range(0, n_features, BLOCK):
        histogram.cells.add(first, counts[first : first + BLOCK].cpu().numpy())
    histogram.all[:] += called.cpu().numpy()
    histogram.sum_inside[:] += inside.cpu().numpy()
    histogram.sum_all[:] += total.cpu().numpy()
