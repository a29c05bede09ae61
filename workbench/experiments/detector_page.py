"""Pages of detectors and of attacks on them."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from feature_mining.detection.attack import FAKE, GREEDY, GUIDED, HIDE, RANDOM
from feature_mining.detection.detector import Detector
from workbench.experiments.kind import Experiment
from workbench.experiments.page import write_experiment
from workbench.files.pages import figure
from workbench.report.charts import WIDTH, Spec, styled

_WAYS = [GREEDY, GUIDED, RANDOM]
_COLOURS = ["#2367a8", "#d9822b", "#8b949e"]
GOALS = {HIDE: "sites hidden", FAKE: "places faked"}


def reliability_drawn(bins: pd.DataFrame) -> Spec:
    """What was said of calls beside what became of them."""
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("said:Q", title="probability that was said", scale=scale)
    base = alt.Chart(bins).encode(x=x)
    points = base.mark_point(filled=True, size=45).encode(
        y=alt.Y("true:Q", title="share that is true", scale=scale)
    )
    bars = base.mark_rule(color="#808495").encode(y="low:Q", y2="high:Q")
    line = alt.Chart(pd.DataFrame({"x": [0, 1]})).mark_line(strokeDash=[4, 3], opacity=0.6)
    return styled((line.encode(x="x:Q", y="x:Q") + bars + points).properties(width=260, height=260))


def write_detection(
    experiment: Experiment, detector: Detector, bins: pd.DataFrame, transferred: pd.DataFrame
) -> None:
    """The page of a detector."""
    found = detector.measured
    high = found.get("report_precision_high", np.nan)
    picture = None
    if len(bins):
        caption = "Calls on the report split, in bins of what was said of them, with 95 % intervals"
        picture = figure(reliability_drawn(bins), "reliability", caption)
    write_experiment(
        experiment,
        "detection.html.j2",
        detector=detector,
        found=found,
        kept=bool(high >= detector.precision),
        parts=("calibration", "report"),
        concept=str(detector.concept),
        picture=picture,
        transferred=transferred.to_dict("records"),
    )


def curves_drawn(curves: pd.DataFrame) -> Spec:
    """Share of places won by number of changes, one goal."""
    colour = alt.Color("way:N", title=None, scale=alt.Scale(domain=_WAYS, range=_COLOURS))
    x = alt.X("changes:Q", title="base changes", axis=alt.Axis(tickMinStep=1, format="d"))
    base = alt.Chart(curves).encode(x=x, color=colour)
    share = alt.Y("share:Q", title="share of places", scale=alt.Scale(domain=[0, 1]))
    lines = base.mark_line(point=True).encode(y=share)
    bands = base.mark_area(opacity=0.15).encode(y="low:Q", y2="high:Q")
    return styled((bands + lines).properties(width=WIDTH - 260, height=200))


def write_attack(
    experiment: Experiment, detector: Detector, attacks: pd.DataFrame, curves: pd.DataFrame
) -> None:
    """The page of attacks on a detector, of sites of the report split."""
    report = curves[curves["split"] == "report"]
    pictures = [
        figure(curves_drawn(own), f"curve-{goal}", f"{GOALS[goal]} by number of changes, with 95 % intervals")
        for goal, own in report.groupby("goal", sort=False)
    ]
    last = report[report["changes"] == report["changes"].max()].to_dict("records")
    own = attacks[(attacks["split"] == "report") & (attacks["way"] != RANDOM)]
    rows = own.drop(columns=["letters"]).head(60).to_dict("records")
    write_experiment(
        experiment,
        "attack.html.j2",
        detector=str(detector),
        pictures=pictures,
        last=last,
        rows=rows,
        goals=GOALS,
    )
