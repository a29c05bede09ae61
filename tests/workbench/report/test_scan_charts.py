"""Pictures of tests: what is drawn, and where."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from workbench.analysis.biomarkers.tiers import TIER_COLOURS
from workbench.report.scan_charts import NO_CANDIDATE, drawn_tests, manhattan, quantile_plot

CONTIGS = {"one": 1000, "two": 500}
REGIONS = pd.DataFrame(
    {"region": ["a", "b", "m"], "chrom": ["one", "two", ""], "start": [100, 40, 0], "end": [200, 60, 0]}
)
TESTS = pd.DataFrame(
    {
        "phenotype": "drug",
        "burden": ["gained", "lost", "gained"],
        "region": ["a", "b", "m"],
        "feature": [7, 8, 9],
        "minus_log10_p": [5.0, 1.0, 2.0],
        "q": [1e-4, 0.5, 0.1],
        "beta": [0.5, -0.25, 1.0],
        "sd": [2.0, 4.0, 1.0],
    }
)
CANDIDATES = TESTS[["phenotype", "burden", "region", "feature"]].head(1).assign(evidence_tier="B")


def test_places_effects_and_tiers_of_tests() -> None:
    drawn = drawn_tests(TESTS, REGIONS, CANDIDATES, CONTIGS)
    assert drawn["at"].tolist()[:2] == [150.0, 1050.0] and math.isnan(drawn["at"][2])
    assert drawn["effect"].tolist() == [1.0, -1.0, 1.0]
    assert drawn["evidence_tier"].tolist() == ["B", NO_CANDIDATE, NO_CANDIDATE]
    assert set(drawn_tests(TESTS, REGIONS, None, CONTIGS)["evidence_tier"]) == {NO_CANDIDATE}


@pytest.mark.parametrize("level", [3.5, math.nan])
def test_a_rule_is_drawn_where_there_is_a_level(level: float) -> None:
    spec = manhattan(drawn_tests(TESTS, REGIONS, CANDIDATES, CONTIGS), level, CONTIGS)
    rows = [row for rows in spec["datasets"].values() for row in rows]
    assert [r["level"] for r in rows if "level" in r] == ([] if math.isnan(level) else [level])
    colour = spec["layer"][0]["encoding"]["color"]["scale"]
    pairs = dict(zip(colour["domain"], colour["range"], strict=True))
    assert pairs.items() >= TIER_COLOURS.items() and NO_CANDIDATE in pairs
    assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 1500]


def test_the_band_is_drawn_once_for_all_burdens() -> None:
    one = pd.DataFrame({"expected": [0.5, 1.0], "observed": [0.6, 2.0], "low": 0.1, "high": 1.5})
    both = pd.concat([one.assign(burden="gained"), one.assign(burden="lost", observed=0.4)])
    spec = quantile_plot(both)
    assert sorted(len(rows) for rows in spec["datasets"].values()) == [2, 4]
