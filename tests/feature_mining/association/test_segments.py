"""Which bases turn together, and how the readings of a segment are laid end to end."""

from __future__ import annotations

import numpy as np

from feature_mining.association.labels import LabelStates
from feature_mining.association.segments import StrandReading, lay, segments
from feature_mining.association.sparse import by_feature


def test_bases_of_both_strands_and_of_one_alone():
    plus = np.array([0, 0, 1, 1, 1, 0, 1], bool)
    minus = np.array([1, 0, 1, 0, 1, 0, 1], bool)
    found = [(s.rows.tolist(), s.readings) for s in segments([plus, minus])]
    assert found == [([3], [0]), ([0], [1]), ([2, 4, 6], [0, 1])]
    assert [s.rows.tolist() for s in segments([plus])] == [[2, 3, 4, 6]]
    assert segments([~plus & plus]) == []


def test_readings_end_to_end():
    """Two features over four bases; base 1 is read on neither strand."""
    table = np.array([[0], [1]], bool)
    use = np.array([1, 0, 1, 1], bool)
    sides = [([0, 2, 0, 3], [[1], [], [0, 1], [0]]), ([1, 1, 1, 0], [[0], [0], [0], [1]])]
    readings = []
    for bins_of, active in sides:
        indices = np.concatenate([np.array(a, int) for a in active])
        pointer = np.cumsum([0, *(len(a) for a in active)])
        features = by_feature(pointer, indices, np.ones(indices.size, np.float32), 2)
        bins = np.array(bins_of, np.uint8)[: indices.size]
        states = np.array([0, 1, 1, 0], np.int32)
        readings.append(StrandReading(features, bins, LabelStates(states, table, [("t", "any")]), use))
    (segment,) = segments([use, use])
    laid = lay(readings, segment, np.array([[1], [2]]))
    # Plus: feature 0 at bases 2, 3 in bins 0, 2, feature 1 at 0, 2 in bins 0, 3.
    # Minus: feature 0 at 0, 1, 2 in bin 1, feature 1 at 3 in bin 0.
    assert laid.n == 3 and laid.indptr.tolist() == [0, 3, 4]
    assert laid.rows.tolist() == [2, 3, 4, 1] and laid.bins.tolist() == [2, 1, 1, 3]
    assert laid.states.tolist() == [[0, 1, 0], [2, 3, 2]] and laid.table.tolist() == [[0], [1]] * 2
