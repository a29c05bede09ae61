"""Concepts: the answer's rules, rows taken from a sparse map, and what is left out of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feature_mining.feature_map import from_dense
from workbench.analysis.labels import study_columns
from workbench.analysis.sample import report_sample
from workbench.analysis.verdict_rules import RULES, answer
from workbench.setup import demo_archive
from workbench.stages.concepts import sample_rows, take


@pytest.mark.parametrize(
    ("lifts", "word"),
    [
        ((0.4, 0.42, 0.45, 0.5), "one feature"),
        ((0.2, 0.42, 0.45, 0.5), "a few features"),
        ((0.1, 0.2, 0.45, 0.5), "spread over many"),
        ((0.1, 0.2, 0.3, 0.7), "in the layer only"),
        ((0.0, 0.01, 0.049, 0.049), "not represented"),
        ((0.01, 0.02, 0.02, 0.06), "in the layer only"),
        ((np.nan, np.nan, np.nan, 0.5), "not tested"),
        ((0.01, 0.02, 0.02, 0.02, np.nan)[1:], "not tested"),
    ],
)
def test_answers(lifts, word):
    assert answer(*lifts) == word
    assert word in RULES


def test_taken_rows_and_features():
    random = np.random.default_rng(0)
    dense = (random.random((50, 9)) * (random.random((50, 9)) < 0.3)).astype(np.float32)
    rows = np.array([3, 4, 17, 49])
    keep = np.array([True, False] * 4 + [True])
    np.testing.assert_array_equal(take(from_dense(dense), rows, None).dense(), dense[rows])
    np.testing.assert_array_equal(take(from_dense(dense), rows, keep).dense(), dense[rows] * keep)
    assert take(from_dense(dense), np.zeros(0, int), keep).n_rows == 0


@pytest.mark.skipif(demo_archive.shipped() is None, reason="this copy ships no ready demo study")
def test_near_copies_are_no_rows(tmp_path: Path) -> None:
    study = demo_archive.unpack(tmp_path / "demo")
    columns, drawn = study_columns(study), report_sample(study)[:3]
    masks = {name: np.zeros(size, bool) for name, size in study.manifest.contigs.items()}
    whole = sample_rows(study, drawn, columns, None, None, masks)
    cell = drawn[1].cell
    masks[cell.chrom][cell.start + 100 : cell.end] = True
    cut = sample_rows(study, drawn, columns, None, None, masks)
    for (d, _), before, after in zip(whole.readings, whole.kept, cut.kept, strict=True):
        place = d.cell.start + before
        expected = before[(place < cell.start + 100) | (place >= cell.end)]
        np.testing.assert_array_equal(after, expected)
    assert len(cut.sample.weight) == sum(map(len, cut.kept)) < len(whole.sample.weight)
