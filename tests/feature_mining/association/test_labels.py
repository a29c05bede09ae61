"""Label states by hand and against bioframe."""

from __future__ import annotations

import bioframe
import numpy as np
import pandas as pd
import pytest

from feature_mining.association.labels import label_states, track_columns

# bioframe's own calls, nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


def table(rows):
    frame = pd.DataFrame(rows, columns=["start", "end", "strand"])
    return frame.assign(chrom="c", name="x", score=0.0)


def test_columns_and_states_of_a_hand_made_stretch():
    tracks = {"gene": table([(12, 15, "+"), (14, 18, "-"), (90, 99, "+")]), "gc": table([(0, 11, ".")])}
    labels = label_states(tracks, 10, 20, "+")
    assert labels.columns == [("gene", "same"), ("gene", "opposite"), ("gene", "any"), ("gc", "any")]
    per_base = labels.table[labels.states].astype(int).T
    assert per_base.tolist() == [
        [0, 0, 1, 1, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 1, 1, 1, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert not labels.table[0].any()
    minus = label_states(tracks, 10, 20, "-")
    assert minus.table[minus.states, 0].tolist() == [bool(x) for x in per_base[1]]


def test_columns_stay_where_a_stretch_has_no_interval():
    tracks = {"gene": table([(12, 15, "+")])}
    columns = track_columns(tracks)
    labels = label_states({}, 0, 5, "+", columns)
    assert labels.columns == columns
    assert labels.table.shape == (1, 3) and not labels.states.any()


def test_coverage_equals_bioframe(stretch):
    merged = bioframe.merge(stretch.tracks["gene"], on=["strand"])
    expected = int((merged["end"] - merged["start"])[merged["strand"] == "-"].sum())
    column = stretch.labels.columns.index(("gene", "opposite"))
    everywhere = np.ones(stretch.labels.states.size, bool)
    assert stretch.labels.totals(everywhere)[column] == expected


def test_bad_strand_is_refused():
    with pytest.raises(ValueError, match="strand of a reading"):
        label_states({"t": table([(1, 2, "+")])}, 0, 5, "x")
