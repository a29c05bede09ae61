"""Regions on a map of embeddings: which of them meet a track."""

from __future__ import annotations

import numpy as np
import pandas as pd


def meeting(regions: pd.DataFrame, intervals: pd.DataFrame) -> np.ndarray:
    """Whether each region shares a base with an interval, bool ``(regions,)``; strands do not count.

    Both have ``chrom, start, end``, 0-based half-open.
    """
    found = np.zeros(len(regions), bool)
    for chrom, own in intervals.groupby("chrom", sort=False):
        order = np.argsort(own["start"].to_numpy(), kind="stable")
        starts = own["start"].to_numpy()[order]
        reach = np.maximum.accumulate(own["end"].to_numpy()[order])
        here = np.flatnonzero((regions["chrom"] == chrom).to_numpy())
        before = np.searchsorted(starts, regions["end"].to_numpy()[here], side="left")
        known = before > 0
        found[here[known]] = reach[before[known] - 1] > regions["start"].to_numpy()[here[known]]
    return found
