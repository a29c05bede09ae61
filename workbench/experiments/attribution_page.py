"""The page of an attribution: parts of features beside exact ablations, and letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
from markupsafe import Markup

from feature_mining.attribution.bases import mean_loss
from feature_mining.logo import contribution_svg
from genomic_models.dna import BASES
from workbench.experiments.kind import Experiment
from workbench.experiments.page import MOST_DRAWN, named, write_experiment
from workbench.files.pages import Figure, figure
from workbench.report.charts import WIDTH, Spec, styled

_WORDS = {False: "attributed", True: "control of its size"}
_COLOURS = alt.Scale(domain=list(_WORDS.values()), range=["#3b82c4", "#d9822b"])


def effects_drawn(ablations: pd.DataFrame, names: Mapping[int, str]) -> Spec:
    """What attribution says of each feature beside what the output loses without it."""
    drawn = ablations.assign(kind=ablations["control"].map(_WORDS), name=ablations["feature"].map(names))
    order = list(drawn.sort_values(["control", "attribution"], ascending=[True, False])["name"])
    rows = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=240, labelOverlap=False))
    colour = alt.Color("kind:N", scale=_COLOURS, title=None)
    bars = (
        alt.Chart(drawn)
        .mark_bar(opacity=0.5)
        .encode(
            x=alt.X("effect:Q", title="nats: bar, lost without the feature; tick, attributed"),
            y=rows,
            color=colour,
        )
    )
    ticks = alt.Chart(drawn).mark_tick(thickness=2, color="#808495").encode(x="attribution:Q", y=rows)
    return styled((bars + ticks).properties(width=WIDTH - 160, height=alt.Step(14)))


def substitutions_drawn(bases: pd.DataFrame) -> Spec:
    """The change of the output with every base in the place of every other."""
    rows = bases.reset_index(drop=True).rename_axis("order").reset_index()
    rows["place"] = (rows["position"] + 1).map("{:,}".format) + " " + rows["base"]
    long = rows.melt(["order", "place", "base"], list(BASES), var_name="with", value_name="change")
    most = max(float(long["change"].abs().max()), 1e-9)
    chart = (
        alt.Chart(long)
        .mark_rect()
        .encode(
            x=alt.X(
                "place:O",
                sort=alt.SortField("order"),
                title=None,
                axis=alt.Axis(labelAngle=-90, labelFontSize=8),
            ),
            y=alt.Y("with:N", sort=list(BASES), title="in its place"),
            color=alt.Color(
                "change:Q",
                scale=alt.Scale(scheme="blueorange", domain=[-most, most], reverse=True),
                title="nats",
            ),
        )
    )
    return styled(chart.properties(width=WIDTH - 60, height=70))


def _letters(bases: pd.DataFrame, title: str) -> Figure:
    """The bases in the direction of the reading, as high as their part."""
    svg = contribution_svg("".join(bases["base"]), mean_loss(bases[list(BASES)].to_numpy()))
    caption = f"{title}: letters as high as what is lost, in nats, with the mean of the others in their place"
    return Figure(Markup(svg), caption)


def write_attribution(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> None:
    """The page of an attribution."""
    parts: list[dict[str, Any]] = []
    names = named(experiment.study, tables["ablations"]["feature"].unique())
    for number, row in enumerate(tables["targets"].to_dict("records")):
        mine = {
            name: table[(table["target"] == row["target"]) & (table["strand"] == row["strand"])]
            for name, table in tables.items()
        }
        ablations = mine["ablations"]
        leading, control = (ablations[ablations["control"] == kind] for kind in (False, True))
        pictures: list[Figure] = []
        if number < MOST_DRAWN:
            caption = (
                f"{row['title']}, {row['strand']} strand's reading: the output's loss without each feature"
                " beside what was attributed to it"
            )
            if len(ablations):
                pictures.append(figure(effects_drawn(ablations, names), f"effects{number}", caption))
            if len(mine.get("bases", ())):
                pictures.append(_letters(mine["bases"], row["title"]))
                caption = f"{row['title']}: change with every substitution, in the direction of the reading"
                pictures.append(figure(substitutions_drawn(mine["bases"]), f"bases{number}", caption))
        pairs = ablations[["attribution", "effect"]]
        varies = (pairs.nunique() > 1).all()
        agreement = pairs.corr(method="spearman").iloc[0, 1] if varies else float("nan")
        parts.append(
            row
            | {
                "pictures": pictures,
                "intervals": mine["intervals"].to_dict("records") if "intervals" in mine else [],
                "agreement": agreement,
                "lost": float(leading["effect"].abs().mean()),
                "control_lost": float(control["effect"].abs().mean()),
                "pairs": len(control),
            }
        )
    write_experiment(experiment, "attribution.html.j2", parts=parts, drawn=MOST_DRAWN)
