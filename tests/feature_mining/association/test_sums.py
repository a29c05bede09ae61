"""Counts of a whole are the sums of its parts: two strands, two shards, two calls, for every accumulator."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from feature_mining.association.boundaries import EndCounts, count_ends
from feature_mining.association.conditional import Strata, add_strata, joint_bases
from feature_mining.association.device import add_sparse_on
from feature_mining.association.histogram import Histogram, add_dense, add_sparse
from feature_mining.association.intervals import IntervalCounts, add_intervals, stretch_intervals
from feature_mining.association.labels import LabelStates, label_states, track_columns
from feature_mining.association.signals import LEVELS, SignalCounts, add_signal, level_edges
from feature_mining.association.sparse import Csc, bin_values, by_feature

N, FEATURES, GAP = 600, 5, 3
# Shards end where no interval and no run crosses, so that a whole can be counted in one call as well.
SHARDS = ((0, 300), (300, N))
CLEAR = slice(280, 320)
EDGES = np.tile(np.array([1.0, 2.0], np.float32), (FEATURES, 1))
BINS = EDGES.shape[1] + 2


class Part(NamedTuple):
    """One strand of one shard."""

    dense: np.ndarray
    features: Csc
    bins: np.ndarray
    labels: LabelStates
    use: np.ndarray
    signal: np.ndarray
    start: int
    strand: str


class World(NamedTuple):
    tracks: dict[str, pd.DataFrame]
    parts: list[Part]
    whole: list[Part]
    threshold: np.ndarray
    parent: np.ndarray
    pairs: np.ndarray
    levels: np.ndarray


@pytest.fixture(scope="module")
def world() -> World:
    random = np.random.default_rng(0)

    def intervals(count, strands):
        start = np.concatenate([random.integers(low, low + 240, count) for low in (0, 320)])
        ends = start + random.integers(1, 40, start.size)
        strand = random.choice(strands, start.size)
        return pd.DataFrame({"start": start, "end": ends, "strand": strand})

    tracks = {"gene": intervals(8, ["+", "-"]), "repeat": intervals(5, ["."])}
    columns = track_columns(tracks)
    signal = random.normal(size=N).astype(np.float32)
    signal[random.random(N) < 0.1] = np.nan
    values = {}
    for strand in "+-":
        # Runs of a few bases, most of them on both strands: what a count that forgets a strand would miss.
        on = np.repeat(np.random.default_rng(1).random((N // 4, FEATURES)) < 0.2, 4, axis=0)
        dense = random.integers(1, 4, (N, FEATURES)) * (on & (random.random((N, FEATURES)) < 0.9))
        dense[CLEAR] = 0
        values[strand] = dense.astype(np.float32)
    use = {"+": np.arange(N) >= 20, "-": np.arange(N) < N - 20}

    def part(start, end, strand):
        dense = values[strand][start:end]
        rows, owner = np.nonzero(dense)
        pointer = np.concatenate([[0], np.cumsum((dense > 0).sum(axis=1))])
        features = by_feature(pointer, owner, dense[rows, owner], FEATURES)
        labels = label_states(tracks, start, end, strand, columns)
        own = use[strand][start:end]
        bins = bin_values(features, EDGES)
        return Part(dense, features, bins, labels, own, signal[start:end], start, strand)

    threshold = random.integers(1, 4, (FEATURES, len(columns)))
    parent = np.array([2, -1, -1, 2])
    pairs = np.array([(f, c, threshold[f, c]) for f in range(2) for c in range(len(columns))])
    return World(
        tracks,
        [part(*shard, strand) for strand in "+-" for shard in SHARDS],
        [part(0, N, strand) for strand in "+-"],
        threshold, parent, pairs, level_edges(signal),
    )  # fmt: skip


def histogram(world):
    def count(total, part):
        add_sparse(total, part.features, part.bins, part.labels, part.use)

    return Histogram.empty(FEATURES, BINS, len(world.parent)), count


def on_a_device(world):
    def count(total, part):
        add_sparse_on("cpu", total, part.features, part.bins, part.labels, part.use)

    return Histogram.empty(FEATURES, BINS, len(world.parent)), count


def dense_histogram(world):
    def count(total, part):
        add_dense(total, part.dense, EDGES, part.labels, part.use)

    return Histogram.empty(FEATURES, BINS - 1, len(world.parent)), count


def intervals(world):
    def count(total, part):
        own = stretch_intervals(world.tracks, part.labels.columns, part.start, part.strand, part.use)
        add_intervals(total, part.features, part.bins, world.threshold, own, part.use, GAP)

    return IntervalCounts.empty(FEATURES, len(world.parent)), count


def strata(world):
    def count(total, part):
        add_strata(total, part.features, part.bins, world.threshold, part.labels, world.parent, part.use)

    return Strata.empty(FEATURES, len(world.parent)), count


def signals(world):
    def count(total, part):
        add_signal(total, part.features, part.bins, part.signal, world.levels, part.use)

    return SignalCounts.empty(FEATURES, BINS), count


ACCUMULATORS = (histogram, on_a_device, dense_histogram, intervals, strata, signals)


def numbers(counts):
    """Arrays of counts by name, cells as one array."""
    own = {Histogram: "cells", SignalCounts: "joint"}.get(type(counts))
    if own is None:
        return counts.arrays()
    cells = getattr(counts, own)
    return {own: cells[:]} | {k: v for k, v in counts.arrays().items() if k not in cells.arrays()}


def same(found, expected):
    for name, values in numbers(expected).items():
        np.testing.assert_allclose(numbers(found)[name], values, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", ACCUMULATORS)
def test_strands_shards_and_calls_add_up(world, kind):
    """In one object call by call, in one object a strand at a time, and in objects of their own."""
    one, count = kind(world)
    for part in world.parts:
        count(one, part)
    by_strand, count = kind(world)
    for whole in world.whole:
        count(by_strand, whole)
    total = None
    for part in world.parts:
        own, count = kind(world)
        count(own, part)
        total = own if total is None else total + own
    same(one, total)
    same(by_strand, total)
    # Again on the same object: everything twice.
    for part in world.parts:
        count(one, part)
    same(one, total + total)
    # No part is silent, or a count that keeps the last one would pass.
    assert all(np.any(values) for values in numbers(total).values())


@pytest.mark.parametrize("kind", ACCUMULATORS)
def test_a_count_is_that_of_all_bases(world, kind):
    """The largest count of bases, against both strands' usable bases or active ones."""
    total, count = kind(world)
    for part in world.parts:
        count(total, part)
    usable = sum(int(p.use.sum()) for p in world.parts)
    known = sum(int((p.use & np.isfinite(p.signal)).sum()) for p in world.parts)
    active = sum((p.dense[p.use] > 0).sum(axis=0) for p in world.parts)
    if isinstance(total, Histogram):
        assert (total.all.sum(axis=1) == usable).all()
    elif isinstance(total, Strata):
        assert (total.bases.sum(axis=1)[world.parent >= 0] == usable).all()
    elif isinstance(total, SignalCounts):
        assert (total.joint[:].sum(axis=(1, 2)) == known).all() and total.joint.shape[2] == LEVELS
    else:
        assert (total.hit_any.max(axis=1) <= active).all() and total.n_runs.sum() > 0


def ends_of(world, part):
    return count_ends(
        part.features, part.bins, world.pairs, world.tracks, part.labels.columns, part.start,
        part.strand, part.use, GAP,
    )  # fmt: skip


def test_functions_that_return_counts_add_up(world):
    ends = [ends_of(world, p) for p in (*world.parts, *world.whole)]
    parts = sum(ends[:4], EndCounts.empty(len(world.pairs)))
    whole = sum(ends[4:], EndCounts.empty(len(world.pairs)))
    # Offsets of runs do not reach past a shard, profiles do.
    assert np.array_equal(parts.offset, whole.offset) and parts.offset.sum() > 0
    assert (parts.active <= parts.usable).all() and parts.active.sum() > 0
    joint = [joint_bases(p.labels, p.use) for p in (*world.parts, *world.whole)]
    assert np.array_equal(sum(joint[:4]), sum(joint[4:]))


def test_every_share_lies_between_0_and_1(world):
    total, count = intervals(world)
    for part in world.parts:
        count(total, part)
    scores = total.scores()
    for name in ("interval_recall_any", "interval_recall_half", "run_precision", "interval_f1"):
        share = scores[name][~np.isnan(scores[name])]
        assert share.size and (share >= 0).all() and (share <= 1).all(), name
    assert (total.run_hits <= total.n_runs).all()
    assert (total.hit_half <= total.hit_any).all() and (total.hit_any <= total.n_intervals).all()
    found = sum((ends_of(world, p) for p in world.parts), EndCounts.empty(len(world.pairs)))
    profile = found.profile()
    assert np.nanmin(profile) >= 0 and np.nanmax(profile) <= 1


def test_four_runs_on_four_intervals_of_two_strands():
    """All four found: four runs, run precision 1, interval F1 1."""
    tracks = {
        "gene": pd.DataFrame(
            {"start": [10, 30, 50, 70], "end": [16, 36, 56, 76], "strand": ["+", "+", "-", "-"]}
        )
    }
    columns = [("gene", "same")]
    counts, use = IntervalCounts.empty(1, 1), np.ones(100, bool)
    for strand, starts in (("+", (10, 30)), ("-", (50, 70))):
        rows = np.concatenate([np.arange(s, s + 6) for s in starts])
        pointer = np.concatenate([[0], np.cumsum(np.isin(np.arange(100), rows))])
        features = by_feature(pointer, np.zeros(12, np.int32), np.ones(12, np.float32), 1)
        own = stretch_intervals(tracks, columns, 0, strand, use)
        bins, one = np.ones(12, np.uint8), np.ones((1, 1), np.int64)
        add_intervals(counts, features, bins, one, own, use, GAP)
    scores = counts.scores()
    assert counts.n_intervals.tolist() == [4] and counts.n_runs.tolist() == [[4]]
    assert scores["run_precision"].tolist() == [[1.0]]
    assert scores["interval_f1"].tolist() == [[1.0]]
