"""Tests of features against a phenotype as pictures: along the genome, by effect, by quantile."""

from __future__ import annotations

import math
from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd

from workbench.analysis.biomarkers.tiers import TIER_COLOURS
from workbench.report.charts import FAINT, WIDTH, Spec, styled

NO_CANDIDATE = "no candidate"
GREY = "#8b949e"
BURDEN_COLOURS = ("#3b82c4", "#d9822b", "#2f9e73", "#b565b0", "#a8742f", "#c4505f")
HEIGHT = 240
# What a burden and a tier are called where they are drawn.
SUMMED, GRADE = "summed as", "evidence"
QUANTILE_WIDTH = 300
TIPS: list[str | alt.Tooltip] = [
    "region:N", "feature:N",
    alt.Tooltip("burden:N", title=SUMMED), alt.Tooltip("evidence_tier:N", title=GRADE),
    alt.Tooltip("minus_log10_p:Q", title="−log10 p", format=".2f"),
    alt.Tooltip("q:Q", format=".1e"), alt.Tooltip("beta:Q", title="effect a unit", format=".3~g"),
    alt.Tooltip("effect:Q", title="effect of one sd", format=".3~g"),
]  # fmt: skip


def drawn_tests(
    tests: pd.DataFrame, regions: pd.DataFrame, candidates: pd.DataFrame | None, contigs: Mapping[str, int]
) -> pd.DataFrame:
    """Tests as the pictures need them.

    Parameters
    ----------
    tests : DataFrame
        Rows of ``phenotype_associations``.
    regions : DataFrame
        ``region, chrom, start, end``.
    candidates : DataFrame or None
        Table ``biomarkers``.
    contigs : mapping
        Lengths, in the order of the genome.

    Returns
    -------
    DataFrame
        The tests with ``chrom, start, end``; ``at``, the middle of the region with contigs end to end, NaN
        where it has no place; ``effect`` of one standard deviation; ``evidence_tier``.
    """
    rows = tests.merge(regions[["region", "chrom", "start", "end"]], on="region", how="left")
    before = dict(zip(contigs, np.cumsum([0, *contigs.values()]).tolist(), strict=False))
    at = (rows["start"] + rows["end"]) / 2 + rows["chrom"].map(before).astype(float)
    rows = rows.assign(at=at, effect=rows["beta"] * rows["sd"])
    if candidates is None:
        return rows.assign(evidence_tier=NO_CANDIDATE)
    key = ["phenotype", "burden", "region", "feature"]
    tiers = candidates[[*key, "evidence_tier"]].drop_duplicates(key)
    rows = rows.merge(tiers, on=key, how="left")
    return rows.assign(evidence_tier=rows["evidence_tier"].fillna(NO_CANDIDATE))


def manhattan(tests: pd.DataFrame, level: float, contigs: Mapping[str, int]) -> Spec:
    """Tests of `drawn_tests` along the genome, with a rule at ``level`` (-log10 p; NaN for none)."""
    title = "middle of the region" + (", contigs end to end" if len(contigs) > 1 else "")
    scale = alt.Scale(domain=[0, sum(contigs.values())], nice=False)
    return _points(
        tests, level, alt.X("at:Q", title=title, scale=scale, axis=alt.Axis(format="~s", grid=False))
    )


def volcano(tests: pd.DataFrame, level: float) -> Spec:
    """Tests of `drawn_tests` by effect, with a rule at ``level`` (-log10 p; NaN for none)."""
    # Burdens that lineages explain have effects out of all proportion, so the axis is bent.
    middle = float(tests["effect"].abs().median())
    typical = middle if middle > 0 else 1.0  # also where none is known
    x = alt.X(
        "effect:Q",
        title="effect of one standard deviation of the burden",
        scale=alt.Scale(type="symlog", constant=typical),
        axis=alt.Axis(grid=False, format="~r", values=_decades(tests["effect"], typical)),
    )
    return _points(tests, level, x)


def _points(tests: pd.DataFrame, level: float, x: alt.X) -> Spec:
    """A point a test, colour by tier and shape by burden."""
    columns = ["region", "feature", "burden", "evidence_tier", "minus_log10_p", "q", "beta"]
    tiers = {**TIER_COLOURS, NO_CANDIDATE: GREY}
    scale = alt.Scale(domain=list(tiers), range=list(tiers.values()))
    # Grey is legible on white and on black; the legend would draw these black.
    grey = alt.Legend(symbolFillColor="gray", symbolStrokeColor="gray")
    points = alt.Chart(tests[[*columns, "effect", "at"]]).mark_point(filled=True, size=36, opacity=0.75)
    points = points.encode(
        x=x,
        y=alt.Y("minus_log10_p:Q", title="−log10 p"),
        color=alt.Color("evidence_tier:N", scale=scale, title=GRADE),
        shape=alt.Shape("burden:N", title=SUMMED, legend=grey),
        tooltip=TIPS,
    )
    rule = pd.DataFrame({"level": [] if math.isnan(level) else [level]})
    line = alt.Chart(rule).mark_rule(strokeDash=[4, 3], color=GREY).encode(y="level:Q")
    width = WIDTH - QUANTILE_WIDTH - 160
    return styled(alt.layer(points, line).properties(width=width, height=HEIGHT))


def _decades(values: pd.Series, least: float) -> list[float]:
    """Powers of ten on both sides of 0, from ``least`` to the largest."""
    first, last = (np.log10(v) for v in (least, max(least, float(values.abs().max()))))
    powers = [10.0**p for p in range(int(np.ceil(first)), int(np.floor(last)) + 1)]
    return [-p for p in reversed(powers)] + [0.0, *powers]


def quantile_plot(quantiles: pd.DataFrame) -> Spec:
    """Observed against expected -log10 p by burden, with the band of independent tests (95 %).

    ``quantiles`` are rows of ``phenotype_quantiles`` of one phenotype.
    """
    table = quantiles[["expected", "observed", "low", "high", "burden"]]
    base, x = alt.Chart(table), alt.X("expected:Q", title="expected −log10 p")
    burdens = sorted(table["burden"].unique())
    first = table[table["burden"] == burdens[0]] if burdens else table
    band = alt.Chart(first).mark_area(opacity=0.25, color=GREY)
    colours = [BURDEN_COLOURS[i % len(BURDEN_COLOURS)] for i in range(len(burdens))]
    points = base.mark_point(filled=True, size=26).encode(
        x=x,
        y=alt.Y("observed:Q", title="observed −log10 p"),
        color=alt.Color("burden:N", scale=alt.Scale(domain=burdens, range=colours), title=SUMMED),
        shape=alt.Shape("burden:N", scale=alt.Scale(domain=burdens), title=SUMMED),
    )
    same = base.mark_line(color=FAINT, strokeDash=[4, 3]).encode(x=x, y="expected:Q")
    chart = alt.layer(band.encode(x=x, y="low:Q", y2="high:Q"), same, points)
    return styled(chart.properties(width=QUANTILE_WIDTH, height=HEIGHT))
