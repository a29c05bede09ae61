"""The page of a steering experiment: dose and response of every arm."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench.experiments.kind import Experiment
from workbench.experiments.page import ARMS, MOST_DRAWN, named, write_experiment
from workbench.experiments.response import FEATURE
from workbench.files.pages import figure
from workbench.report.charts import WIDTH, Spec, styled


def responses_drawn(responses: pd.DataFrame) -> Spec:
    """Response of each arm against strength, with intervals; one feature."""
    unedited = responses[responses["strength"] == 0].iloc[0]
    rest = responses[responses["strength"] > 0]
    arms = list(rest["arm"].unique())
    # The unedited response is where every arm begins.
    begun = pd.concat([rest, *(unedited.to_frame().T.assign(arm=arm) for arm in arms)], ignore_index=True)
    for column in ("strength", "response", "low", "high"):
        begun[column] = begun[column].astype(float)
    colour = alt.Color("arm:N", sort=arms, title=None, scale=alt.Scale(domain=arms, range=ARMS[: len(arms)]))
    doses = alt.Axis(values=sorted(set(begun["strength"])))
    x = alt.X("strength:Q", title="strength (of the feature's 99.9 % activation)", axis=doses)
    base = alt.Chart(begun).encode(x=x, color=colour)
    lines = base.mark_line(point=True).encode(y=alt.Y("response:Q", title="readout"))
    bars = base.mark_rule(opacity=0.6).encode(y="low:Q", y2="high:Q")
    return styled((lines + bars).properties(width=WIDTH - 260, height=220))


def write_steering(experiment: Experiment, responses: pd.DataFrame, effects: pd.DataFrame) -> None:
    """The page of a steering experiment; ``effects`` are the side effects by track."""
    own_effects = effects[effects["arm"] == FEATURE]
    parts = []
    names = named(experiment.study, responses["feature"].unique())
    for number, (feature, own) in enumerate(responses.groupby("feature", sort=False)):
        caption = f"{names[feature]}: mean readout of every arm, with 95 % intervals over prompts"
        picture = figure(responses_drawn(own), f"feature{number}", caption) if number < MOST_DRAWN else None
        rows = own.to_dict("records")
        by_track = own_effects[own_effects["feature"] == feature].pivot(
            index="track", columns="strength", values="bits"
        )
        parts.append(
            {
                "feature": feature,
                "name": names[feature],
                "picture": picture,
                "rows": rows,
                "strengths": list(by_track.columns),
                "tracks": [(track, list(row)) for track, row in by_track.iterrows()],
            }
        )
    write_experiment(experiment, "steering.html.j2", parts=parts, drawn=MOST_DRAWN)
