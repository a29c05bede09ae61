"""Interval and run counts by hand and against bioframe."""

from __future__ import annotations

import bioframe
import numpy as np
import pandas as pd
import pytest

from feature_mining.association.intervals import IntervalCounts, add_intervals, stretch_intervals
from feature_mining.association.labels import label_states
from feature_mining.association.sparse import bin_values, by_feature

# bioframe's own calls, nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


def frame(rows):
    out = pd.DataFrame(rows, columns=["start", "end", "strand"])
    return out.assign(chrom="c", name="x", score=0.0)


def one_feature(n, active):
    pointer = np.zeros(n + 1, np.int64)
    pointer[1:] = np.cumsum(np.isin(np.arange(n), active))
    values = np.ones(len(active), np.float32)
    return by_feature(pointer, np.zeros(len(active), np.int32), values, 1)


def counts_of(tracks, n, active, gap=0, use=None, start=0, columns=None):
    use = np.ones(n, bool) if use is None else use
    labels = label_states(tracks, start, start + n, "+", columns)
    features = one_feature(n, active)
    bins = bin_values(features, np.zeros((1, 0), np.float32))
    intervals = stretch_intervals(tracks, labels.columns, start, "+", use)
    threshold = np.ones((1, len(labels.columns)), np.int64)
    counts = IntervalCounts.empty(1, len(labels.columns))
    add_intervals(counts, features, bins, threshold, intervals, use, gap)
    return counts


def test_hand_counted_intervals_and_runs():
    tracks = {"t": frame([(10, 20, "."), (30, 34, "."), (50, 60, ".")])}
    # Runs 12..14, 17..23, 31, 70..71.
    active = [12, 13, 14, 17, 18, 19, 20, 21, 22, 23, 31, 70, 71]
    counts = counts_of(tracks, 100, active)
    assert counts.n_intervals.tolist() == [3]
    assert counts.hit_any.tolist() == [[2]]
    assert counts.hit_half.tolist() == [[1]]
    assert counts.n_runs.tolist() == [[4]]
    # 12..14 lies inside 10..20, but holds three of its ten bases only.
    assert counts.run_hits.tolist() == [[0]]
    bridged = counts_of(tracks, 100, active, gap=2)
    # 12..23 shares eight of its twelve bases with 10..20, and eight of the interval's ten.
    assert bridged.n_runs.tolist() == [[3]] and bridged.run_hits.tolist() == [[1]]
    scores = bridged.scores()
    assert scores["interval_recall_half"][0, 0] == pytest.approx(1 / 3)
    assert scores["run_precision"][0, 0] == pytest.approx(1 / 3)
    assert scores["interval_f1"][0, 0] == pytest.approx(1 / 3)


def test_an_interval_belongs_to_one_stretch_only():
    tracks = {"t": frame([(5, 15, "."), (2, 10, "."), (8, 16, ".")])}
    first = counts_of(tracks, 10, [6])
    second = counts_of(tracks, 10, [1], start=10)
    # 5..15 is cut in halves and goes where it begins; 8..16 lies mostly in the second stretch.
    assert first.n_intervals.tolist() == [2] and second.n_intervals.tolist() == [1]
    total = first + second
    assert total.n_intervals.tolist() == [3] and total.hit_any.tolist() == [[3]]


def test_unusable_bases_count_nowhere():
    tracks = {"t": frame([(10, 20, ".")])}
    use = np.ones(40, bool)
    use[10:14] = False
    counts = counts_of(tracks, 40, [10, 11, 12, 13, 14, 15, 16], use=use)
    # Three of the six usable bases.
    assert counts.hit_half.tolist() == [[1]] and counts.n_runs.tolist() == [[1]]
    use[10:18] = False
    assert counts_of(tracks, 40, [19], use=use).n_intervals.tolist() == [0]


def test_many_random_features_equal_bioframe(stretch):
    n = 3000
    use = np.ones(n, bool)
    edges = np.tile(np.array([0.5, 1.5], np.float32), (7, 1))
    bins = bin_values(stretch.features, edges)
    columns = stretch.labels.columns
    threshold = np.random.default_rng(2).integers(1, 4, (7, len(columns)))
    intervals = stretch_intervals(stretch.tracks, columns, 0, "+", use)
    counts = IntervalCounts.empty(7, len(columns))
    add_intervals(counts, stretch.features, bins, threshold, intervals, use, gap=3)
    bound = np.array([-np.inf, 1e-9, 0.5, 1.5], np.float32)
    wanted = {"same": ["+"], "opposite": ["-"], "any": ["+", "-", "."]}
    for feature in range(7):
        for column, (track, mode) in enumerate(columns):
            active = np.flatnonzero(stretch.dense[:, feature] >= bound[threshold[feature, column]])
            bases = pd.DataFrame({"chrom": "c", "start": active, "end": active + 1})
            rows = stretch.tracks[track]
            rows = rows[rows["strand"].isin(wanted[mode])].reset_index(drop=True)
            covered = bioframe.coverage(rows, bases)["coverage"]
            lengths = rows["end"] - rows["start"]
            assert counts.n_intervals[column] == len(rows)
            assert counts.hit_any[feature, column] == (covered > 0).sum()
            assert counts.hit_half[feature, column] == (2 * covered >= lengths).sum()
            runs = bioframe.merge(bases, min_dist=3)
            assert counts.n_runs[feature, column] == len(runs)
            met = bioframe.overlap(runs, rows, return_overlap=True, how="inner")
            shared = met["overlap_end"] - met["overlap_start"]
            mutual = (2 * shared >= met["end"] - met["start"]) & (2 * shared >= met["end_"] - met["start_"])
            hits = met[mutual].drop_duplicates(["start", "end"])
            assert counts.run_hits[feature, column] == len(hits)
