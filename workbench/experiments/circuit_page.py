"""The page of circuits: each graph with its certificate, and in words whether it is to be trusted."""

from __future__ import annotations

import altair as alt
import pandas as pd

from feature_mining.circuits.certificate import FEWEST, TRUSTED, trusted
from workbench.experiments.circuit_picture import circuit_svg, own_tables
from workbench.experiments.kind import Experiment
from workbench.experiments.page import MOST_DRAWN, write_experiment
from workbench.files.pages import Figure, figure
from workbench.report.charts import WIDTH, Spec, styled
from workbench.wording import fixed, plural

PREDICTORS = {
    "predicted": "the graph",
    "direct": "its edges to the output alone",
    "gradient": "the model's own gradient",
    "shuffled": "the graph, weights shuffled",
}
# Nodes, and leading edges, that the page lists of a graph.
MOST_LISTED = 12


def verdict(r2: float, interventions: int) -> str:
    """Whether a graph is to be trusted, in a sentence."""
    if r2 != r2:
        return "Not tested: interventions on its nodes change nothing. Do not trust it."
    if trusted(r2, interventions):
        return f"It predicts interventions on the model (R² {fixed(r2, 2)})."
    if r2 >= TRUSTED:
        few = f"{plural(interventions, 'intervention')} are too few to say so, expected {FEWEST:,} or more"
        return f"Do not trust this graph yet: R² is {fixed(r2, 2)}, but {few}."
    return f"Do not trust this graph: it does not predict interventions on the model (R² {fixed(r2, 2)})."


def interventions_drawn(interventions: pd.DataFrame) -> Spec:
    """What the graph predicts of each intervention, beside what the model did."""
    table = interventions[["predicted", "measured", "nodes"]]
    both = table[["predicted", "measured"]].to_numpy()
    ends = [float(both.min()), float(both.max())]
    line = alt.Chart(pd.DataFrame({"predicted": ends, "measured": ends})).mark_line(color="#8b949e")
    points = (
        alt.Chart(table)
        .mark_point(filled=True, size=14, opacity=0.5)
        .encode(
            x=alt.X("predicted:Q", title="predicted by the graph"),
            y=alt.Y("measured:Q", title="measured in the model"),
            color=alt.Color("nodes:Q", title="nodes changed", scale=alt.Scale(type="log", scheme="viridis")),
        )
    )
    chart = line.encode(x="predicted:Q", y="measured:Q") + points
    return styled(chart.properties(width=WIDTH - 320, height=260))


def write_circuits(experiment: Experiment, tables: dict[str, pd.DataFrame]) -> None:
    """The page of circuits."""
    parts = []
    for number, row in enumerate(tables["targets"].to_dict("records")):
        own = own_tables(tables, row["target"], row["strand"])
        pictures: list[Figure] = []
        if number < MOST_DRAWN:
            caption = f"{row['title']}, {row['strand']} strand's reading"
            svg = circuit_svg(own, True, caption)
            words = f"{caption}: bases below, the output on top; places of a feature as one"
            pictures.append(Figure(svg, words))
            if len(own["interventions"]):
                words = f"{caption}: {row['interventions']:,} random interventions"
                pictures.append(figure(interventions_drawn(own["interventions"]), f"tried{number}", words))
        listed = own["certificates"]
        listed = listed.assign(predictor=listed["predictor"].map(PREDICTORS))
        sized = (listed["least"] > 0) & (listed["predictor"] == PREDICTORS["predicted"])
        parts.append(
            row
            | {
                "pictures": pictures,
                "verdict": verdict(row["r2"], row["interventions"]),
                "trusted": trusted(row["r2"], row["interventions"]),
                "all": listed[listed["least"] == 0].to_dict("records"),
                "sizes": listed[sized].to_dict("records"),
                "file": f"circuit.{number + 1}.json",
            }
        )
    write_experiment(experiment, "circuit.html.j2", parts=parts, drawn=MOST_DRAWN)
