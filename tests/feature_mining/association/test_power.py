"""Features planted in noise are found: the right track, the right strand, the right boundary."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from feature_mining.association.boundaries import count_ends
from feature_mining.association.curves import choose_threshold
from feature_mining.association.histogram import Histogram, add_sparse
from feature_mining.association.labels import label_states, track_columns
from feature_mining.association.null import shift_moments
from feature_mining.association.scores import best_per_track, score_pairs
from feature_mining.association.segments import StrandReading
from feature_mining.association.sparse import bin_values, by_feature, lower_bounds, value_edges
from feature_mining.false_discovery import q_values

LENGTH, NOISE = 240_000, 12
# Track: its feature, the share of its intervals that are marked, bases by which a run begins early.
PLANTED = {"gene": (0, 0.5, 0), "tRNA": (1, 0.8, -12), "repeat": (2, 0.6, 0)}


def intervals(random, count, mean, strands):
    starts = np.sort(random.integers(200, LENGTH - 3 * mean, count))
    lengths = random.integers(mean // 2, 3 * mean // 2, count)
    return pd.DataFrame({"start": starts, "end": starts + lengths, "strand": random.choice(strands, count)})


@pytest.fixture(scope="module")
def world():
    random = np.random.default_rng(0)
    tracks = {
        "gene": intervals(random, 160, 600, ["+", "-"]),
        "tRNA": intervals(random, 40, 80, ["+", "-"]),
        "repeat": intervals(random, 60, 150, ["."]),
        "bystander": intervals(random, 120, 300, ["+", "-"]),
    }
    dense = np.zeros((LENGTH, NOISE + 3), np.float32)
    for feature in range(NOISE + 3):
        # Runs of a mean length of 20 anywhere: what the planted ones are hidden in.
        for start in random.integers(0, LENGTH - 100, 300):
            run = slice(start, start + int(random.geometric(1 / 20)))
            dense[run, feature] = random.gamma(2.0, 1.0)
    for name, (feature, share, early) in PLANTED.items():
        for lo, hi, strand in tracks[name].itertuples(index=False):
            if strand in "+." and random.random() < share:
                dense[lo + early : hi, feature] = random.gamma(2.0, 1.2, hi - lo - early)
    rows, columns = np.nonzero(dense)
    pointer = np.concatenate([[0], np.cumsum((dense > 0).sum(axis=1))])
    features = by_feature(pointer, columns, dense[rows, columns], dense.shape[1])
    edges = value_edges(features)
    labels = label_states(tracks, 0, LENGTH, "+", track_columns(tracks))
    bins = bin_values(features, edges)
    half = np.arange(LENGTH) < LENGTH // 2
    split = []
    for use in (half, ~half):
        histogram = Histogram.empty(dense.shape[1], edges.shape[1] + 2, len(labels.columns))
        add_sparse(histogram, features, bins, labels, use)
        split.append(histogram)
    frozen = choose_threshold(split[0].positive, split[0].all)
    moments = shift_moments([StrandReading(features, bins, labels, ~half)], frozen)
    table = score_pairs(*split, labels.columns, lower_bounds(edges), shift=moments)
    return tracks, features, bins, labels, frozen, table, ~half


def test_every_planted_feature_leads_its_track_and_strand(world):
    *_, table, _ = world
    best = best_per_track(table).set_index(["track", "mode"])
    for name, (feature, *_) in PLANTED.items():
        mode = "any" if name == "repeat" else "same"
        row = best.loc[(name, mode)]
        assert row["feature"] == feature and row["ap_lift"] > 0.2 and row["q"] < 1e-5
        own = table[table["feature"] == feature].set_index(["track", "mode"])["z"]
        assert own.idxmax() == (name, mode)


def test_what_is_not_planted_is_not_found(world):
    *_, table, _ = world
    noise = table[table["feature"] >= 3]
    assert (q_values(noise["p"].to_numpy()) < 0.05).mean() < 0.05


def test_boundaries_are_where_they_were_planted(world):
    tracks, features, bins, labels, frozen, _, use = world
    for name, (feature, _, early) in PLANTED.items():
        mode = "any" if name == "repeat" else "same"
        column = labels.columns.index((name, mode))
        pair = np.array([[feature, column, frozen[feature, column]]])
        ends = count_ends(features, bins, pair, tracks, labels.columns, 0, "+", use, 3)
        start, end = ends.median_offset()[0]
        assert abs(start - early) <= 2 and abs(end) <= 2
