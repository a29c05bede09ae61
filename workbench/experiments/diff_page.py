"""The page of a diff: what differs, where it is largest, and what of it another seed would not do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

from feature_mining.diff.features import Q
from workbench.experiments.kind import Experiment
from workbench.experiments.page import ARMS, write_experiment
from workbench.files.pages import figure
from workbench.report.charts import WIDTH, Spec, styled
from workbench.wording import spoken

# What became of a feature, each in a colour of its own; those that are silent are not drawn.
CHANGES = {
    "kept": "#b6bec7",
    "more": ARMS[2],
    "less": ARMS[3],
    "rotated": ARMS[1],
    "appeared": ARMS[0],
    "vanished": "#c0392b",
    "silent": "",
}
SIDES = {
    "both": "both",
    "turned": "both, in other directions",
    "a": "a alone",
    "b": "b alone",
    "silent": "silent",
}
# Rows of a table of the page; the files hold all.
MOST = 20


def along_drawn(along: pd.DataFrame) -> Spec:
    """Divergence along the genome, beside the null's."""
    names = {"kl": "b", "null_kl": "null"}
    columns = [name for name in names if name in along]
    rows = along.melt(["chrom", "start", "end"], columns, "model", "bits")
    rows = rows.assign(model=rows["model"].map(names), base=(rows["start"] + rows["end"]) / 2)
    present = [names[name] for name in columns]
    colours = alt.Scale(domain=present, range=[ARMS[0], ARMS[-1]])
    chart = (
        alt.Chart(rows[["chrom", "base", "model", "bits"]])
        .mark_line(interpolate="step")
        .encode(
            x=alt.X("base:Q", title="base", axis=alt.Axis(format=",d"), scale=alt.Scale(zero=False)),
            y=alt.Y("bits:Q", title="divergence from a, bits"),
            color=alt.Color("model:N", title=None, sort=present, scale=colours),
        )
        .properties(width=WIDTH - 160, height=140)
    )
    if rows["chrom"].nunique() > 1:
        return styled(chart.facet(row=alt.Row("chrom:N", title=None)).resolve_scale(x="independent"))
    return styled(chart)


def features_drawn(features: pd.DataFrame) -> Spec:
    """Bases at which each feature is active with a and with b."""
    shown = features[features["change"] != "silent"]
    shown = shown.assign(a=shown["active_a"] + 0.5, b=shown["active_b"] + 0.5)
    scale = alt.Scale(type="log")
    present = [change for change in CHANGES if (shown["change"] == change).any()]
    colours = alt.Scale(domain=present, range=[CHANGES[change] for change in present])
    chart = (
        alt.Chart(shown[["a", "b", "change"]])
        .mark_point(filled=True, opacity=0.7, size=22)
        .encode(
            x=alt.X("a:Q", title="bases active with a", scale=scale),
            y=alt.Y("b:Q", title="bases active with b", scale=scale),
            color=alt.Color("change:N", title=None, sort=present, scale=colours),
        )
        .properties(width=480, height=320)
    )
    return styled(chart)


def pairs_drawn(pairs: pd.DataFrame) -> Spec:
    """Correlations of matched pairs, beside those with the bases shifted."""
    rows = pairs[["correlation", "chance"]].rename(columns={"correlation": "same bases", "chance": "shifted"})
    rows = rows.melt(var_name="bases", value_name="correlation")
    chart = (
        alt.Chart(rows)
        .mark_bar(opacity=0.6)
        .encode(
            x=alt.X("correlation:Q", bin=alt.Bin(maxbins=30), title="correlation of a pair"),
            y=alt.Y("count():Q", title="pairs", stack=None),
            color=alt.Color(
                "bases:N",
                title=None,
                scale=alt.Scale(domain=["same bases", "shifted"], range=[ARMS[0], ARMS[-1]]),
            ),
        )
        .properties(width=560, height=200)
    )
    return styled(chart)


def placed(leading: pd.DataFrame) -> list[dict[str, Any]]:
    """Leading differences with their places as people read them, from 1."""
    places = [
        spoken(row.chrom, row.start, row.end) if row.chrom else "" for row in leading.itertuples(index=False)
    ]
    return leading.assign(place=places).to_dict("records")


def write_diff(experiment: Experiment, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> None:
    """Write the page."""
    pictures = {}
    if "along" in tables:
        caption = "Divergence of the predictions from those of a, mean of bins"
        pictures["along"] = figure(along_drawn(tables["along"]), "along", caption)
    counts: list[dict[str, Any]] = []
    features = tables.get("features")
    if features is not None and (features["change"] != "silent").any():
        caption = "Features of the study's autoencoder: bases at which each is active with a and with b"
        pictures["features"] = figure(features_drawn(features), "features", caption)
        for change in CHANGES:
            own = features[features["change"] == change]
            counts.append({"change": change, "all": len(own), "counts": int(own["counts"].sum())})
    if "pairs" in tables:
        caption = "Matched pairs: correlation on the same bases, and with the bases of b shifted"
        pictures["pairs"] = figure(pairs_drawn(tables["pairs"]), "pairs", caption)
    crosscoder = tables.get("crosscoder")
    sides = {} if crosscoder is None else crosscoder["side"].value_counts().to_dict()
    pairs = tables.get("pairs")
    write_experiment(
        experiment,
        "diff.html.j2",
        facts=facts,
        pictures=pictures,
        leading=placed(tables["leading"]),
        null=len(experiment.settings.null),
        counts=counts,
        features=[] if features is None else _first_features(features),
        sides=[(words, sides[name]) for name, words in SIDES.items() if name in sides],
        crosscoder=facts.get("crosscoder"),
        pairs=[] if pairs is None else _best_pairs(pairs),
        matched=facts.get("pairs"),
        # The smallest p of a pair may be too large for any q.
        sure_pairs=None if pairs is None or pairs_untested(experiment.settings.shifts) else _sure(pairs),
        count_pairs=0 if pairs is None else len(pairs),
    )


def _first_features(features: pd.DataFrame) -> list[dict[str, Any]]:
    """Features that changed, those beyond the null first, then those with a verdict."""
    changed = features[~features["change"].isin(["kept", "silent"])]
    keys = changed.assign(unsure=~changed["counts"], bare=changed["verdict"] == "", p_=changed["p"].fillna(1))
    return keys.sort_values(["unsure", "p_", "bare"], kind="stable").head(MOST).to_dict("records")


def pairs_untested(shifts: int) -> bool:
    """Whether no pair could be beyond so few shifts."""
    return 1 / (1 + shifts) >= Q


def _sure(pairs: pd.DataFrame) -> int:
    return int((pairs["q"] < Q).sum())


def _best_pairs(pairs: pd.DataFrame) -> list[dict[str, Any]]:
    return pairs.sort_values("correlation", ascending=False, kind="stable").head(MOST).to_dict("records")
