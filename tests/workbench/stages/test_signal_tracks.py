"""A bigWig track through a whole study: correlations with features; what it does not cover stays unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyBigWig
import pytest
from scipy import stats

from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.analysis.overlaps import add_packed, overlaps_path, read_signals
from workbench.files.arrays import read_arrays
from workbench.genome.splits import CODES

CONTIG, LENGTH = "NC_005816.1", 9609


@pytest.fixture(scope="module")
def signal() -> np.ndarray:
    """Far from 0 throughout, so that a gap read as 0 would change every correlation; a third is unknown."""
    random = np.random.default_rng(4)
    smooth = np.convolve(random.normal(size=LENGTH), np.ones(20), mode="same")
    values = (100 + smooth).astype(np.float32)
    for start in range(0, LENGTH, 900):
        values[start : start + 300] = np.nan
    return values


@pytest.fixture(scope="module")
def study(tmp_path_factory, signal) -> Study:
    folder = tmp_path_factory.mktemp("signal")
    path = folder / "coverage.bw"
    known = np.flatnonzero(np.isfinite(signal))
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([(CONTIG, LENGTH)])
        file.addEntries(
            [CONTIG] * known.size, known.tolist(), ends=(known + 1).tolist(), values=signal[known].tolist()
        )
    samples = ROOT / "data_samples"
    config = small_config(samples, write_model(folder / "tiny"))
    given = replace(config.input, tracks=[*config.input.tracks, str(path)])
    sae = replace(config.sae, tokens=4_096)
    study = Study.create(folder / "study", replace(config, input=given, sae=sae))
    study.run(until="associate")
    return Study.open(study.folder)


def readings(study: Study, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Dense features (n, F) and positions (n) of both strands' callable bases of a split."""
    dense, positions = [], []
    inside = study.split.codes(CONTIG, 0, LENGTH) == CODES[split]
    for strand in "+-":
        reading = study.features.rows(CONTIG, 0, LENGTH, strand)
        sparse = reading.features
        whole = np.zeros((LENGTH, study.sae.config.d_sae))
        whole[np.repeat(np.arange(LENGTH), np.diff(sparse.indptr)), sparse.indices] = sparse.values
        use = inside & reading.callable
        dense.append(whole[use])
        positions.append(np.flatnonzero(use))
    return np.concatenate(dense), np.concatenate(positions)


def test_correlations_of_a_study_equal_scipy(study, signal):
    table = study.table("signal_associations").set_index("feature")
    assert set(table["track"]) == {"coverage"} and len(table) > 10
    for split, end in (("report", ""), ("select", "_select")):
        dense, positions = readings(study, split)
        s = signal[positions]
        known = np.isfinite(s)
        assert 0.5 < known.mean() < 0.8
        assert (table[f"n_{split}"] == known.sum()).all()
        for feature, row in table.iterrows():
            x = dense[known, feature]
            if np.ptp(x) == 0:
                assert np.isnan(row[f"pearson{end}"]) and np.isnan(row[f"spearman{end}"])
                continue
            expected = stats.pearsonr(x, s[known].astype(float))[0]
            assert row[f"pearson{end}"] == pytest.approx(expected, abs=1e-6)
            # Ranks are read from 64 bins and 32 levels.
            ranks = stats.spearmanr(x, s[known])[0]
            assert row[f"spearman{end}"] == pytest.approx(ranks, abs=0.01)


def test_what_is_missing_is_not_zero(study, signal):
    """The correlations that a signal with gaps read as 0 would give are others."""
    table = study.table("signal_associations").set_index("feature")
    dense, positions = readings(study, "report")
    filled = np.nan_to_num(signal[positions].astype(float))
    moving = [f for f in table.index if np.ptp(dense[:, f]) > 0]
    wrong = np.array([stats.pearsonr(dense[:, f], filled)[0] for f in moving])
    assert np.abs(wrong - table.loc[moving, "pearson"]).max() > 0.05


def test_counts_of_stretches_add_up_with_those_of_earlier_versions(study):
    """They kept the joint counts of bins and levels as one array."""
    now = read_arrays(overlaps_path(study, "total"))
    before = {name: values for name, values in now.items() if not name.startswith("report0_")}
    counts = read_signals(study)[0]["report"]
    before |= {f"report0_{name}": getattr(counts, name) for name in ("x", "xx", "xs", "bases", "s", "ss")}
    before["report0_joint"] = counts.joint[:]
    total = add_packed(before, now)
    assert set(total) == set(now)
    for name in set(now) - {"report0_rows", "report0_wide", "select0_rows", "select0_wide"}:
        np.testing.assert_array_equal(total[name], now[name] + now[name], err_msg=name)
    # What one stretch lacks counts as zero there: those of select hold signals alone.
    select = {name: values for name, values in now.items() if name.startswith("select0_")}
    alone = add_packed(now, select)
    assert set(alone) == set(now) and (alone["shift_observed"] == now["shift_observed"]).all()
    assert (alone["select0_totals"] == 2 * now["select0_totals"]).all() and now["select0_totals"].sum() > 1000
