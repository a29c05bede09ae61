"""Ends of intervals: planted offsets on both strands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from feature_mining.association.boundaries import REACH, EndCounts, count_ends
from feature_mining.association.sparse import by_feature


def planted(strand, five, three, n=5000):
    """A feature whose runs begin `five` after each 5' end and stop `three` after each 3' end."""
    starts = np.arange(300, n - 500, 400)
    ends = starts + 150
    on = np.zeros(n, np.float32)
    for lo, hi in zip(starts, ends, strict=True):
        if strand == "+":
            on[lo + five : hi + three] = 1
        else:
            on[lo - three : hi - five] = 1
    tracks = {"gene": pd.DataFrame({"start": starts, "end": ends, "strand": strand})}
    rows = np.flatnonzero(on)
    pointer = np.concatenate([[0], np.cumsum(on > 0)])
    return tracks, by_feature(pointer, np.zeros(rows.size, int), on[rows], 1), starts.size


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize(("five", "three"), [(-12, 0), (7, -20), (0, 31)])
def test_offsets_and_profiles(strand, five, three):
    tracks, features, count = planted(strand, five, three)
    use = np.ones(5000, bool)
    pairs = np.array([[0, 0, 1]])
    bins = np.ones(features.rows.size, np.uint16)
    counts = count_ends(features, bins, pairs, tracks, [("gene", "same")], 0, strand, use, 3)
    assert counts.median_offset()[0].tolist() == [five, three]
    assert counts.offset[0].sum(axis=1).tolist() == [count, count]
    profile = counts.profile()[0]
    offsets = np.arange(-REACH, REACH + 1)
    assert profile[0].tolist() == (offsets >= five).astype(float).tolist()
    assert profile[1].tolist() == (offsets <= three).astype(float).tolist()
    other = "-" if strand == "+" else "+"
    none = count_ends(features, bins, pairs, tracks, [("gene", "same")], 0, other, use, 3)
    assert none.usable.sum() == 0 and np.isnan(none.median_offset()).all()
    both = counts + EndCounts.empty(1)
    assert (both.active == counts.active).all()
