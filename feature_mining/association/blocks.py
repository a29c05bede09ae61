"""Counts of single pairs by block of the genome: what a block bootstrap draws from, without a second pass."""

from __future__ import annotations

import numpy as np

from feature_mining.association.sparse import Csc


def sparse_pair_blocks(
    features: Csc,
    bins: np.ndarray,
    feature: int,
    label: np.ndarray,
    block: np.ndarray,
    n_blocks: int,
    n_bins: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Bin counts of one feature on one column, by block.

    Parameters
    ----------
    label : bool (n_rows), the column's bases
    block : int (n_rows), number of the report block of every row, -1 for rows that do not count

    Returns
    -------
    positive, all : int64 (n_blocks, n_bins); additive over readings
    """
    bin_of = np.zeros(features.n_rows, np.int64)
    part = slice(features.indptr[feature], features.indptr[feature + 1])
    bin_of[features.rows[part]] = bins[part]
    return _count(bin_of, label, block, n_blocks, n_bins)


def dense_pair_blocks(
    values: np.ndarray, edges: np.ndarray, label: np.ndarray, block: np.ndarray, n_blocks: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same for dense values float32 (n) with edges (n_edges): a raw neuron, a composition score."""
    bin_of = np.searchsorted(edges, values, side="right")
    return _count(bin_of, label, block, n_blocks, len(edges) + 1)


def _count(
    bin_of: np.ndarray, label: np.ndarray, block: np.ndarray, n_blocks: int, n_bins: int
) -> tuple[np.ndarray, np.ndarray]:
    counted = block >= 0
    cell = block[counted].astype(np.int64) * n_bins + bin_of[counted]
    size = n_blocks * n_bins
    positive = np.bincount(cell[label[counted]], minlength=size)
    everything = np.bincount(cell, minlength=size)
    return positive.reshape(n_blocks, n_bins), everything.reshape(n_blocks, n_bins)
