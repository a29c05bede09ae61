"""The page of a scan of layers: probes, dimensions and what is lost, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from workbench.analysis.layer_scan import tested
from workbench.experiments.kind import Experiment
from workbench.experiments.page import write_experiment
from workbench.files.pages import figure
from workbench.report.charts import Spec, styled


def lifts_drawn(probes: pd.DataFrame, layers: Sequence[str]) -> Spec:
    """Lift of every track's linear probe on report, layer by layer."""
    chart = (
        alt.Chart(probes)
        .mark_rect()
        .encode(
            x=alt.X("layer:N", sort=list(layers), title=None, axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("track:N", sort=alt.EncodingSortField("lift", "max", "descending"), title=None),
            color=alt.Color("lift:Q", title="lift", scale=alt.Scale(scheme="viridis", domainMin=0)),
        )
    )
    return styled(chart.properties(width=alt.Step(44), height=alt.Step(16)))


def costs_drawn(table: pd.DataFrame) -> Spec:
    """What is lost with a layer at its mean, and how many dimensions it has."""
    layers = list(table["layer"])
    x = alt.X("layer:N", sort=layers, title=None, axis=alt.Axis(labelAngle=-40))
    base = alt.Chart(table).encode(x=x)
    lost = base.mark_bar(color="#2367a8").encode(y=alt.Y("bits_lost:Q", title="bits a base lost"))
    held = base.mark_bar(color="#8b949e").encode(y=alt.Y("dimensions:Q", title="dimensions"))
    parts = [each.properties(width=alt.Step(34), height=150) for each in (lost, held)]
    return styled(alt.hconcat(*parts))


def write_layers(
    experiment: Experiment, probes: pd.DataFrame, table: pd.DataFrame, layer: str, reason: str
) -> None:
    """The page of a scan of layers."""
    fair = tested(probes)
    layers = list(table["layer"])
    pictures = []
    if len(fair):
        caption = "Lift of a linear probe for every track, fitted on half of select and scored on report"
        pictures.append(figure(lifts_drawn(fair, layers), "lifts", caption))
    caption = "Bits a base lost with the layer at its mean activation, and its participation ratio"
    pictures.append(figure(costs_drawn(table), "costs", caption))
    untested = sorted(set(probes["track"]) - set(fair["track"]))
    best = fair.loc[fair.groupby("track")["lift_select"].idxmax()] if len(fair) else fair
    write_experiment(
        experiment,
        "layers.html.j2",
        layer=layer,
        reason=reason,
        pictures=pictures,
        rows=table.to_dict("records"),
        tracks=best.sort_values("lift", ascending=False).to_dict("records"),
        untested=untested,
    )
