"""The page of a treatment: the symptom before and after, what else changed, and what carries it."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from feature_mining.association.verdict import FEWEST
from workbench.experiments.kind import Experiment
from workbench.experiments.outcomes import BETTER, BITS, SHAM, SYMPTOM, UNTESTED, WORSE
from workbench.experiments.page import ARMS, write_experiment
from workbench.experiments.treatments import MODEL, PLAN
from workbench.files.pages import figure
from workbench.report.charts import WIDTH, Spec, styled

# Rows of the diagnosis that are shown; the tables hold all.
MOST = 12


def bits_drawn(changes: pd.DataFrame) -> Spec:
    """Bits a base more by class of region, an arm a colour, with 95 % intervals."""
    own = changes[changes["what"] == BITS]
    arms = list(own["arm"].unique())
    base = alt.Chart(own[["name", "arm", "change", "low", "high"]]).encode(
        y=alt.Y("name:N", sort=list(own["name"].unique()), title=None),
        yOffset=alt.YOffset("arm:N", sort=arms),
        color=alt.Color("arm:N", sort=arms, title=None, scale=alt.Scale(domain=arms, range=ARMS)),
    )
    ranges = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title="bits a base more"), x2="high:Q")
    points = base.mark_point(filled=True, size=50).encode(x="change:Q")
    zero = alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(strokeDash=[4, 3], color="#888888")
    chart = alt.layer(zero.encode(x="x:Q"), ranges, points)
    return styled(chart.properties(width=WIDTH - 260, height=alt.Step(16)))


def write_treated(experiment: Experiment, tables: Mapping[str, pd.DataFrame]) -> None:
    """The page of a treatment."""
    changes, candidates = tables["changes"], tables["candidates"]
    chosen = candidates[candidates["chosen"]]
    verdicts, flags = tables["verdicts"], tables["flags"]
    picture = None
    if len(changes):
        caption = "Bits a base more on report bases, by class of region, with 95 % intervals over blocks"
        picture = figure(bits_drawn(changes), "bits", caption)
    carriers = {name: int(tables[name]["carries"].sum()) for name in ("features", "parts")}
    said = verdicts["word"].isin((WORSE, BETTER))
    other = verdicts["verdict_before"] != verdicts["verdict_after"]
    write_experiment(
        experiment,
        "treated.html.j2",
        chosen=chosen.to_dict("records"),
        within=bool(len(chosen)) and _within(chosen.iloc[0], experiment.settings.loss),
        symptom=changes[changes["what"] == SYMPTOM].to_dict("records"),
        rest=changes[changes["what"] != SYMPTOM].to_dict("records"),
        picture=picture,
        fewest=FEWEST,
        sham=bool((changes["arm"] == SHAM).any()),
        flags=flags[flags["before"] + flags["after"] > 0].to_dict("records"),
        verdicts=verdicts[said | other].to_dict("records"),
        rows=len(verdicts),
        untested=int((verdicts["word"] == UNTESTED).sum()),
        moved=int(other.sum()),
        candidates=candidates.to_dict("records"),
        features=tables["features"].head(MOST).to_dict("records"),
        parts=tables["parts"].head(MOST).to_dict("records"),
        carriers=carriers,
        kept=next((name for name in (PLAN, MODEL) if (experiment.folder / name).exists()), ""),
    )


def _within(chosen: pd.Series, loss: float) -> bool:
    return bool(chosen["more"] <= loss and chosen["relief"] > 0)
