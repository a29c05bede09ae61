"""Associations of a study against the null written out: every common shift of both strands, one by one."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench import Study

CONTIG = "NC_005816.1"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("null")
    # A track without strands beside the stranded ones: hills of a few bases.
    hills = folder / "hills.bed"
    hills.write_text("".join(f"{CONTIG}\t{at}\t{at + 35}\n" for at in range(40, 9_500, 190)))
    config = small_config(ROOT / "data_samples", write_model(folder / "tiny"))
    given = replace(config.input, tracks=[*config.input.tracks, str(hills)])
    sae = replace(config.sae, tokens=4_096)
    study = Study.create(folder / "study", replace(config, input=given, sae=sae))
    study.run(until="associate")
    return Study.open(study.folder)


class Block:
    """A report block: dense features and callable bases of both strands."""

    def __init__(self, study: Study, start: int, end: int) -> None:
        self.start, self.end = start, end
        self.dense, self.use = [], []
        for strand in "+-":
            reading = study.features.rows(CONTIG, start, end, strand)
            indptr, indices, values, width = reading.features
            dense = np.zeros((end - start, width), np.float32)
            dense[np.repeat(np.arange(end - start), np.diff(indptr)), indices] = values
            self.dense.append(dense)
            self.use.append(reading.callable)

    def label(self, intervals: pd.DataFrame, mode: str, strand: str) -> np.ndarray:
        on = np.zeros(self.end - self.start, bool)
        for lo, hi, own in intervals[["start", "end", "strand"]].itertuples(index=False):
            seen = {"any": True, "same": own == strand, "opposite": own in "+-" and own != strand}
            if seen[mode] and lo < self.end and hi > self.start:
                on[max(lo - self.start, 0) : hi - self.start] = True
        return on

    def overlaps(self, row: pd.Series, intervals: pd.DataFrame) -> list[np.ndarray]:
        """Overlaps of a pair at all shifts of the bases of both strands, of plus alone, of minus alone."""
        found = []
        plus, minus = self.use
        for mask, strands in ((plus & minus, (0, 1)), (plus & ~minus, (0,)), (minus & ~plus, (1,))):
            if not mask.any():
                continue
            sums = np.zeros(mask.sum(), int)
            for s in strands:
                a = (self.dense[s][:, row["feature"]] >= row["threshold"])[mask]
                y = self.label(intervals, row["mode"], "+-"[s])[mask]
                sums += [(a & np.roll(y, -h)).sum() for h in range(a.size)]
            found.append(sums)
        return found


def test_z_and_exact_p_are_those_of_common_shifts(study):
    report = study.manifest.blocks("report")
    blocks = [Block(study, b.start, b.end) for b in report]
    assert any(not np.array_equal(*b.use) for b in blocks) or len(blocks) > 1
    tracks = {t.name: t.intervals for t in study.tracks if t.kind == "interval"}
    table = study.table("associations")
    exact = table[(table["p_test"] == "exact") & table["p"].notna()]
    assert set(exact["mode"]) == {"same", "opposite", "any"} and "hills" in set(exact["track"])
    checked = exact.groupby(["track", "mode"], observed=True).head(3)
    for _, row in checked.iterrows():
        overlaps = [o for b in blocks for o in b.overlaps(row, tracks[row["track"]])]
        observed, mean = (sum(f(o) for o in overlaps) for f in (lambda o: o[0], np.mean))
        variance = sum(o.var() for o in overlaps)
        assert row["z"] == pytest.approx((observed - mean) / np.sqrt(variance), rel=1e-6)
        weights = [np.bincount(o) / o.size for o in overlaps]
        tail = reduce(np.convolve, weights)[observed:].sum()
        assert row["p"] == pytest.approx(tail, rel=1e-9)
        assert row["p_floor"] == pytest.approx(np.prod([1 / o.size for o in overlaps]))


def test_shares_of_intervals_and_runs_lie_between_0_and_1(study):
    table = study.table("associations")
    shares = ["interval_recall_any", "interval_recall_half", "run_precision", "interval_f1"]
    assert table[shares].max().max() <= 1 and table[shares].min().min() >= 0


def test_runs_of_both_strands_are_counted(study):
    """Against runs read off the maps, gaps of up to `merge_gap` bases bridged."""
    report = study.manifest.blocks("report")
    blocks = [Block(study, b.start, b.end) for b in report]
    gap = study.config.statistics.merge_gap
    for _, row in study.table("associations").iloc[::37].iterrows():
        runs = 0
        for block in blocks:
            for dense, use in zip(block.dense, block.use, strict=True):
                at = np.flatnonzero((dense[:, row["feature"]] >= row["threshold"]) & use)
                runs += at.size and 1 + int((np.diff(at) > gap + 1).sum())
        assert row["n_runs"] == runs
