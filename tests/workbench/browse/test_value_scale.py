"""Scales and rarities against numbers worked out by hand; features of a sequence in order of rarity."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from feature_mining.sae.calibrate import LEVELS, Calibration
from workbench.browse.pasted_sequence import Pasted, firing
from workbench.browse.value_scale import ValueScale, read_scale

# Feature 0: quantiles at 25, 50, 75, 90, 99 and 99.9 % of its active values; 1: never active in the sample.
QUANTILES = np.array([[1, 2, 4, 6, 8, 10], [np.nan] * 6], np.float32)


@pytest.fixture
def scale(tmp_path: Path) -> ValueScale:
    edges, largest = np.zeros((2, 63), np.float32), np.zeros(2, np.float32)
    Calibration(edges, largest, np.array(LEVELS, np.float32), QUANTILES, 100, 1.0).save(tmp_path / "sae")
    catalog = pd.DataFrame({"feature": [1, 0], "max": [3.0, 20.0], "density": [0.5, 0.01]})
    return read_scale(SimpleNamespace(folder=tmp_path), catalog)  # type: ignore[arg-type]


def test_full_scale_is_the_highest_quantile_else_the_largest_value(scale: ValueScale) -> None:
    assert scale.top.tolist() == [10, 3]


def test_rarity_is_density_times_the_tail(scale: ValueScale) -> None:
    values = np.array([0.0, 1.0, 3.0, 10.0, 50.0])
    expected = 0.01 * np.array([1, 0.75, (0.5 + 0.25) / 2, 0.001, 0.001])
    np.testing.assert_allclose(scale.rarity(np.zeros(5, int), values), expected, rtol=1e-4)
    assert scale.rarity(np.array([1]), np.array([2.0])).tolist() == [0.5]


def test_a_study_without_calibration_has_the_largest_values(tmp_path: Path) -> None:
    catalog = pd.DataFrame({"feature": [0, 1], "max": [4.0, 0.0], "density": [0.1, 0.0]})
    found = read_scale(SimpleNamespace(folder=tmp_path), catalog)  # type: ignore[arg-type]
    assert found.top.tolist() == [4, 1]
    assert found.rarity(np.array([0]), np.array([3.0])).tolist() == [0.1]


def test_the_rarest_value_comes_first_dead_and_warm_up_last() -> None:
    levels, quantiles = np.array([0.5]), np.full((5, 1), np.nan)
    scale = ValueScale(np.full(5, 10.0), np.array([0.1, 0.001, 1e-6, 0.01, 0.01]), levels, quantiles)
    catalog = pd.DataFrame({"dead": [False, False, True, False, False]})
    rows = [
        (0, "+", 6, 9.0), (0, "+", 2, 99.0), (1, "+", 7, 1.0), (2, "+", 8, 50.0),
        # Bases 0 to 3 of each strand's reading are warm-up: on the minus strand the last ones.
        (3, "-", 9, 5.0), (4, "-", 3, 5.0), (4, "-", 2, 6.0),
    ]  # fmt: skip
    fires = pd.DataFrame(rows, columns=["feature", "strand", "position", "value"])
    found = firing(Pasted("ACGTACGTAC", {}, fires), catalog, scale, warmup=4)
    assert found["feature"].tolist() == [1, 4, 0, 2, 3]
    assert found["aside"].tolist() == ["", "", "", "dead", "warm-up"]
    assert found.set_index("feature").loc[0, ["largest", "bases"]].tolist() == [9, 1]
    assert found.set_index("feature").loc[4, ["largest", "bases", "of_top"]].tolist() == [6, 2, 0.6]
    # All of a short sequence is warm-up: then it counts.
    short = firing(Pasted("ACGTACGTAC", {}, fires), catalog, scale, warmup=10)
    assert short["aside"].tolist().count("warm-up") == 0
    none = firing(Pasted("ACGT", {}, fires.iloc[:0]), catalog, scale, warmup=1)
    assert none.empty and "rarity" in none
