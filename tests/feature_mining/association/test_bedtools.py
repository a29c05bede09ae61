"""Interval counts against bedtools, on random interval sets."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from feature_mining.association.intervals import IntervalCounts, add_intervals, stretch_intervals
from feature_mining.association.sparse import bin_values

pytestmark = pytest.mark.skipif(
    shutil.which("bedtools") is None, reason="bedtools is not installed (apt install bedtools)"
)


def bedtools(*arguments):
    run = subprocess.run(["bedtools", *arguments], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in run.stdout.splitlines()]


def test_hits_and_runs_equal_bedtools(stretch, tmp_path):
    use = np.ones(3000, bool)
    bins = bin_values(stretch.features, np.zeros((7, 0), np.float32))
    columns = stretch.labels.columns
    threshold = np.ones((7, len(columns)), np.int64)
    own = stretch_intervals(stretch.tracks, columns, 0, "+", use)
    counts = IntervalCounts.empty(7, len(columns))
    add_intervals(counts, stretch.features, bins, threshold, own, use, gap=3)
    wanted = {"same": ["+"], "opposite": ["-"], "any": ["+", "-", "."]}
    for feature in range(7):
        active = np.flatnonzero(stretch.dense[:, feature])
        bases = tmp_path / "bases.bed"
        frame = pd.DataFrame({"c": "c", "s": active, "e": active + 1})
        frame.to_csv(bases, sep="\t", header=False, index=False)
        merged = bedtools("merge", "-d", "3", "-i", str(bases))
        assert counts.n_runs[feature, 0] == len(merged)
        runs = tmp_path / "runs.bed"
        runs.write_text("".join("\t".join(run) + "\n" for run in merged))
        for column, (track, mode) in enumerate(columns):
            rows = stretch.tracks[track]
            rows = rows[rows["strand"].isin(wanted[mode])].sort_values(["start", "end"])
            path = tmp_path / "track.bed"
            rows[["chrom", "start", "end"]].to_csv(path, sep="\t", header=False, index=False)
            found = bedtools("coverage", "-a", str(path), "-b", str(bases))
            share = np.array([float(line[-1]) for line in found])
            assert counts.n_intervals[column] == len(found)
            assert counts.hit_any[feature, column] == (share > 0).sum()
            assert counts.hit_half[feature, column] == (share >= 0.5).sum()
            both = ("-u", "-f", "0.5", "-r", "-a", str(runs), "-b", str(path))
            assert counts.run_hits[feature, column] == len(bedtools("intersect", *both))
    assert counts.run_hits.sum() > 10
