"""Pages of what was painted and of what was compiled."""

from __future__ import annotations

import altair as alt
import pandas as pd

from feature_mining.painting.painting import Painting
from workbench.experiments.kind import Experiment
from workbench.experiments.page import write_experiment
from workbench.experiments.painted import CONTROLS, NATURAL, PAINTED
from workbench.files.pages import figure
from workbench.report.charts import WIDTH, Spec, styled

# Curves of a concept that are drawn; the tables hold all.
MOST_DRAWN = 12
# What was painted stands out; the others are told apart by colour-blind readers.
_COLOURS = ["#2367a8", "#8b949e", "#d9822b", "#2f9e73", "#b565b0", "#c2a100", "#555b61"]


def _colour(arms: list[str]) -> alt.Color:
    return alt.Color("arm:N", title=None, scale=alt.Scale(domain=arms, range=_COLOURS[: len(arms)]))


def levels_drawn(levels: pd.DataFrame) -> Spec:
    """The level of one concept along the canvas in every arm, and what was painted."""
    arms = [arm for arm in (PAINTED, *CONTROLS, NATURAL) if arm in set(levels["arm"])]
    drawn = levels.assign(base=levels["position"] + 1)
    x = alt.X("base:Q", title="base of the canvas")
    lines = (
        alt.Chart(drawn)
        .mark_line()
        .encode(x=x, y=alt.Y("level:Q", title="level, unedited reading"), color=_colour(arms))
    )
    wanted = (
        alt.Chart(drawn[drawn["arm"] == PAINTED])
        .mark_line(interpolate="step", strokeDash=[4, 3], color="currentColor")
        .encode(x=x, y="painted:Q")
    )
    return styled((lines + wanted).properties(width=WIDTH - 220, height=180))


def write_painting(
    experiment: Experiment,
    painting: Painting,
    answers: pd.DataFrame,
    levels: pd.DataFrame,
    copied: pd.DataFrame,
) -> None:
    """The page of a painting."""
    pictures = []
    shown = levels[levels.groupby(["concept", "strand"])["painted"].transform("max") != 0]
    for number, ((concept, strand), own) in enumerate(shown.groupby(["concept", "strand"], sort=False)):
        caption = f"{concept}, {'plus' if strand == '+' else 'minus'} strand: mean level along the canvas"
        if number < MOST_DRAWN:
            pictures.append(
                figure(levels_drawn(own), f"levels{number}", f"{caption} in every arm; dashed, painted")
            )
    parts = [
        {"stroke": painting.strokes[stroke], "readout": readout, "rows": own.to_dict("records")}
        for (stroke, readout), own in answers.groupby(["stroke", "readout"], sort=False)
    ]
    write_experiment(
        experiment,
        "painting.html.j2",
        parts=parts,
        pictures=pictures,
        concepts=painting.palette,
        copied=copied.to_dict("records"),
        natural=NATURAL,
    )


def shares_drawn(shares: pd.DataFrame) -> Spec:
    """Share of the effect by number of changes, mean over places with 95 % intervals, for every method."""
    methods = list(dict.fromkeys(shares["method"]))
    begun = shares.rename(columns={"method": "arm"})
    x = alt.X("changes:Q", title="changes of bases", axis=alt.Axis(tickMinStep=1))
    base = alt.Chart(begun).encode(x=x, color=_colour(methods))
    lines = base.mark_line(point=True, clip=True).encode(
        y=alt.Y("share:Q", title="share of the effect", scale=alt.Scale(domain=[-0.5, 1]))
    )
    bars = base.mark_rule(opacity=0.6, clip=True).encode(y="low:Q", y2="high:Q")
    return styled((lines + bars).properties(width=WIDTH - 260, height=220))


def write_compiled(
    experiment: Experiment, plan: str, shares: pd.DataFrame, answer: dict[str, object], changes: pd.DataFrame
) -> None:
    """The page of a compiled plan; ``changes`` are the fewest that are worth it at each place."""
    picture = None
    if len(shares):
        caption = "Share of the plan's effect on the predictions that changes of bases bring about without it"
        picture = figure(shares_drawn(shares), "shares", caption)
    write_experiment(
        experiment,
        "compiled.html.j2",
        plan=plan.splitlines(),
        picture=picture,
        answer=answer,
        rows=changes.head(MOST_DRAWN).to_dict("records"),
        places=len(changes),
    )
