"""The page of passports: what decides, over seeds."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from workbench.experiments.kind import Experiment
from workbench.experiments.page import ARMS, named, write_experiment
from workbench.files.pages import figure
from workbench.report.charts import WIDTH, Spec, styled


def passports_drawn(passports: pd.DataFrame, names: Mapping[int, str]) -> Spec:
    """Win rate over the best control of every feature and seed, with the interval that decides."""
    drawn = passports[passports["win_rate"].notna()].assign(
        name=lambda t: t["feature"].map(names), seed=lambda t: t["sae_seed"].astype(str)
    )
    order = [names[feature] for feature in dict.fromkeys(passports["feature"])]
    rows = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=220))
    seeds = sorted(drawn["seed"].unique())
    base = alt.Chart(drawn).encode(
        y=rows,
        yOffset=alt.YOffset("seed:N", sort=seeds),
        color=alt.Color("seed:N", title="seed", scale=alt.Scale(domain=seeds, range=ARMS[: len(seeds)])),
    )
    x = alt.X("win_rate:Q", title="win rate over the best control", scale=alt.Scale(domain=[0, 1]))
    points = base.mark_point(filled=True, size=45).encode(x=x)
    bars = base.mark_rule().encode(x="win_low:Q", x2="win_high:Q")
    half = alt.Chart(pd.DataFrame({"x": [0.5]})).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x="x:Q")
    return styled((half + bars + points).properties(width=WIDTH - 300, height=alt.Step(16)))


def write_passports(experiment: Experiment, passports: pd.DataFrame) -> None:
    """The page of a passport experiment."""
    names = named(experiment.study, passports["feature"].unique())
    parts = [
        {"feature": feature, "name": names[feature], "rows": own.to_dict("records")}
        for feature, own in passports.groupby("feature", sort=False)
    ]
    picture = None
    if passports["win_rate"].notna().any():
        caption = "Win rate over the best control on the report split, with the interval that decides"
        picture = figure(passports_drawn(passports, names), "passports", caption)
    write_experiment(experiment, "passport.html.j2", parts=parts, picture=picture)
