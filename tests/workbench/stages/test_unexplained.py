"""Features without a track: the rule, and runs from rows."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from feature_mining.feature_map import Csr
from workbench.genome.interval import Interval
from workbench.progress import Silent
from workbench.stages.unexplained import read_runs, runs_of, unmatched


def test_what_counts_as_explained():
    rows = [
        # feature, base rate, precision, lift, q
        (0, 0.1, 0.12, 0.03, 0.01),  # lift
        (1, 0.1, 0.6, 0.001, 0.01),  # precise, if seldom
        (2, 0.1, 0.9, 0.5, 0.06),  # not significant
        (3, 0.1, 0.5, 0.019, 0.01),  # neither
        (4, 0.9, 0.92, 0.01, 0.01),  # precise only because the track is everywhere
        (4, 0.1, 0.2, 0.01, 1e-9),
    ]
    columns = ["feature", "base_rate", "precision", "ap_lift", "q"]
    rows.append((5, 0.1, 0.1, np.nan, np.nan))  # on no track tested, so explained by any of them
    table = pd.DataFrame(rows, columns=columns)
    assert unmatched(table, np.arange(7)).tolist() == [2, 3, 4]


def test_runs_bridge_gaps():
    rows = np.array([3, 4, 5, 8, 20, 21])
    assert runs_of(rows, 0).tolist() == [[3, 8, 20], [3, 1, 2]]
    assert runs_of(rows, 2).tolist() == [[3, 20], [6, 2]]
    assert runs_of(rows[:0], 2).shape == (2, 0)


class Recorder:
    """A study of one contig of 100,000 bases on which feature 0 fires alike on both strands."""

    def __init__(self) -> None:
        self.features = self.genome = self
        self.manifest = SimpleNamespace(shards=[Interval("c", 0, 100_000)])
        self.config = SimpleNamespace(statistics=SimpleNamespace(merge_gap=3))
        self.read: list[tuple[int, int, str]] = []

    def rows(self, chrom: str, start: int, end: int, strand: str):
        self.read.append((start, end, strand))
        on = (np.arange(start, end) % 128 < 5).astype(np.int64)
        indptr = np.concatenate([[0], np.cumsum(on)])
        ones = np.ones(on.sum(), np.float32)
        return SimpleNamespace(features=Csr(indptr, np.zeros(on.sum(), np.int32), ones, 1))

    def fetch(self, chrom: str, start: int, end: int, strand: str) -> str:
        return "A" * (end - start)


def test_a_place_is_read_on_one_strand_only():
    study = Recorder()
    runs = read_runs(study, np.array([0]), Silent())
    starts, ends, strands = zip(*study.read, strict=True)
    assert starts[0] == 0 and starts[1:] == ends[:-1] and ends[-1] == 100_000
    assert set(strands) == {"+", "-"} and strands[::2] == ("+",) * len(strands[::2])
    assert runs.starts[0].size == 782
