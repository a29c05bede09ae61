"""The page of a pruned model: size against bits, what it keeps, what parts are worth."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from workbench.experiments.healing import model_folder
from workbench.experiments.kind import Experiment
from workbench.experiments.page import ARMS, write_experiment
from workbench.files.pages import figure
from workbench.report.charts import WIDTH, Spec, styled


def curve_drawn(curve: pd.DataFrame, models: pd.DataFrame) -> Spec:
    """Bits a base against the share of the parameters, an order a line; the healed model as a point."""
    orders = list(curve["order"].unique())
    whole = models[models["model"] == "whole"].iloc[0]
    begun = [curve[["order", "share", "bits"]]]
    begun += [pd.DataFrame({"order": [name], "share": [1.0], "bits": [whole["bits"]]}) for name in orders]
    colours = alt.Scale(domain=[*orders, "healed"], range=[*ARMS[: len(orders)], "#c0392b"])
    x = alt.X(
        "share:Q", title="share of the parameters", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False)
    )
    y = alt.Y("bits:Q", title="bits a base", scale=alt.Scale(zero=False))
    colour = alt.Color("order:N", sort=orders, title="order by", scale=colours)
    lines = alt.Chart(pd.concat(begun, ignore_index=True)).encode(x=x, y=y, color=colour)
    chart = lines.mark_line(point=True)
    healed = models[models["model"] == "healed"]
    if len(healed):
        share = float(healed["parameters"].iloc[0]) / float(whole["parameters"])
        point = pd.DataFrame({"order": ["healed"], "share": [share], "bits": healed["bits"].to_list()})
        chart += (
            alt.Chart(point).encode(x=x, y=y, color=colour).mark_point(size=90, filled=True, shape="diamond")
        )
    return styled(chart.properties(width=WIDTH - 260, height=240))


def worth_drawn(components: pd.DataFrame) -> Spec:
    """Exact worth against the guess, of the parts that were tried."""
    tried = components.dropna(subset="exact")
    base = alt.Chart(tried[["kind", "guess", "exact"]])
    chart = base.mark_point(filled=True, opacity=0.8).encode(
        x=alt.X(
            "guess:Q",
            title="guessed by the gradient, bits a base",
            scale=alt.Scale(type="symlog", constant=1e-4),
        ),
        y=alt.Y("exact:Q", title="taken out, bits a base", scale=alt.Scale(type="symlog", constant=1e-4)),
        color=alt.Color("kind:N", title=None, scale=alt.Scale(range=ARMS)),
    )
    return styled(chart.properties(width=WIDTH - 260, height=240))


def write_pruned(experiment: Experiment, tables: Mapping[str, pd.DataFrame]) -> None:
    """The page of a pruned model."""
    curve, models, features = tables["curve"], tables["models"], tables["features"]
    track = experiment.settings.track
    where = {"kept": track or "the whole genome"} | ({"other": f"outside {track}"} if track else {})
    pictures = []
    for bases, words in where.items():
        own = [table[(table["bases"] == bases) & table["bits"].notna()] for table in (curve, models)]
        if len(own[0]):
            caption = f"Bits a base of report bases, {words}, by the share of the parameters that is left"
            pictures.append(figure(curve_drawn(*own), f"curve-{bases}", caption))
    caption = "Parts that were taken out one by one: what the gradient guessed, and what it cost"
    worth = figure(worth_drawn(tables["components"]), "worth", caption)
    active = features[features["active"] > 0]
    learnt = active[active["verdict"] == "learnt"]
    by_name = models.drop_duplicates("model").set_index("model")["parameters"]
    write_experiment(
        experiment,
        "pruned.html.j2",
        where=where,
        pictures=pictures,
        worth=worth,
        curve=curve[curve["bases"].isin(list(where))].to_dict("records"),
        models=models[models["bases"].isin(list(where))].to_dict("records"),
        agreement=tables["agreement"].to_dict("records"),
        share=by_name["cut"] / by_name["whole"],
        model=model_folder(experiment).relative_to(experiment.study.folder),
        healed="healed" in by_name,
        layer_there=len(features) > 0,
        active=len(active),
        kept=int(active["kept"].sum()),
        learnt=learnt.sort_values("correlation", ascending=False).to_dict("records"),
    )
