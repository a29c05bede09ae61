"""Charts of a report. Every one stays under 5,000 marks; text takes the colour of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from feature_mining.association.verdict import Control, Verdict
from workbench.genome.interval import Block
from workbench.wording import mode_words

MOST_TRACKS = 30
MOST_CONTIGS = 20
MOST_POINTS = 2000
WIDTH = 860

# Told apart by colour-blind readers, on white and on black; shapes say the same.
SHAPES = {
    Control.NEURON: "square",
    Control.DIRECTION: "cross",
    Control.COMPOSITION: "triangle-up",
    Control.RANDOM: "diamond",
    Control.SHUFFLED: "triangle-down",
}
KINDS = {"SAE feature": ("#3b82c4", "circle")}
KINDS |= {control.word: (control.colour, SHAPES[control]) for control in Control}
SPLITS = {"train": "#9aa5b1", "select": "#d9a441", "report": "#3b82c4"}
TEXT = "currentColor"
FAINT = "#88888855"

# A picture in the Vega-Lite language.
Spec = dict[str, Any]

# Looks that suit light and dark pages.
CONFIG: Spec = {
    "background": "transparent",
    "aria": False,  # the figure around a picture has one description
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        **dict.fromkeys(("labelColor", "titleColor", "domainColor", "tickColor"), TEXT),
        "gridColor": FAINT,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 260,
    },
    "legend": {
        "labelLimit": 320,
        "labelColor": TEXT,
        "titleColor": TEXT,
        "labelFontSize": 11,
        "titleFontSize": 11,
    },
    "title": {"color": TEXT, "fontSize": 12, "anchor": "start", "fontWeight": "normal"},
}


def styled(chart: alt.TopLevelMixin) -> Spec:
    """The chart as Vega-Lite, in this report's looks."""
    return {**chart.to_dict(), "config": CONFIG}


def marks(spec: Spec) -> int:
    """Rows of data in a picture: no mark of a report is drawn without one."""
    inline = spec.get("data", {}).get("values", [])
    parts = [p for key in ("layer", "vconcat", "hconcat") for p in spec.get(key, [])]
    sets = spec.get("datasets", {}).values()
    return len(inline) + sum(len(rows) for rows in sets) + sum(marks(part) for part in parts)


def _scale(names: list[str], of: dict[str, Any]) -> alt.Scale:
    return alt.Scale(domain=names, range=[of[n] for n in names])


def split_overview(split: Sequence[Block], contigs: dict[str, int]) -> Spec:
    """Blocks of the split along the longest contigs."""
    longest = sorted(contigs, key=lambda name: -contigs[name])[:MOST_CONTIGS]
    blocks = pd.DataFrame([b for b in split if b.chrom in longest]).head(4000)
    whole = pd.DataFrame({"chrom": longest, "start": 0, "end": [contigs[n] for n in longest]})
    unit, size = ("Mb", 1e6) if max(contigs.values()) >= 2e6 else ("kb", 1e3)
    for table in (blocks, whole):
        table["from"], table["to"] = table["start"] / size, table["end"] / size
    y = alt.Y("chrom:N", sort=longest, title=None)
    x = alt.X(
        "from:Q",
        title=f"position ({unit})",
        axis=alt.Axis(tickCount=10),
        scale=alt.Scale(domainMin=0, nice=False),
    )
    line = alt.Chart(whole).mark_rule(color=FAINT, strokeWidth=2).encode(x=x, x2="to:Q", y=y)
    bars = (
        alt.Chart(blocks)
        .mark_bar(height=14)
        .encode(
            x=x, x2="to:Q", y=y, color=alt.Color("split:N", scale=_scale(list(SPLITS), SPLITS), title="split")
        )
    )
    return styled((line + bars).properties(width=WIDTH, height=alt.Step(22)))


def tracks_against_controls(shown: pd.DataFrame) -> Spec:
    """Lift of the best feature and of the controls by track, and the feature's margins with intervals."""
    rows = shown.head(MOST_TRACKS)
    labels = [f"{r.track} ({mode_words(str(r.mode))})" for r in rows.itertuples()]
    columns = {"SAE feature": "sample_ap_lift"} | {c.word: c.lift for c in Control}
    lifts, margins = [], []
    for label, (_, row) in zip(labels, rows.iterrows(), strict=True):
        lifts += [(label, kind, row.get(column)) for kind, column in columns.items()]
        for control in Control:
            names = (control.margin, control.low, control.high)
            margins.append((label, control.word, *(row.get(name, math.nan) for name in names)))
    lift = pd.DataFrame(lifts, columns=["track", "kind", "lift"]).dropna()
    margin = pd.DataFrame(margins, columns=["track", "kind", "margin", "low", "high"])
    margin = margin.dropna(subset=["margin"])
    height = alt.Step(30, **{"for": "position"})
    colour = _scale(list(KINDS), {k: v[0] for k, v in KINDS.items()})
    shape = _scale(list(KINDS), {k: v[1] for k, v in KINDS.items()})
    legend = alt.Legend(orient="top", title=None)
    y = alt.Y("track:N", sort=labels, title=None, axis=alt.Axis(grid=True))
    left = (
        alt.Chart(lift)
        .mark_point(filled=True, size=75, opacity=0.9)
        .encode(
            x=alt.X("lift:Q", title="average precision lift (report split, control sample)"),
            y=y,
            color=alt.Color("kind:N", scale=colour, legend=legend),
            shape=alt.Shape("kind:N", scale=shape, legend=legend),
        )
        .properties(width=360, height=height, title="Best feature and controls")
    )
    bare = alt.Y("track:N", sort=labels, title=None, axis=alt.Axis(labels=False, grid=True))
    offset = alt.YOffset("kind:N", sort=[control.word for control in Control])
    base = alt.Chart(margin).encode(y=bare, yOffset=offset)
    x = alt.X(
        "margin:Q", title="margin of the feature over the control, 95 % interval", axis=alt.Axis(tickCount=6)
    )
    colour_of = alt.Color("kind:N", scale=colour, legend=None)
    right = (
        alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=TEXT).encode(x="zero:Q")
        + base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", color=colour_of)
        + base.mark_point(filled=True, size=45, opacity=1).encode(
            x=x, color=colour_of, shape=alt.Shape("kind:N", scale=shape, legend=None)
        )
    ).properties(width=300, height=height, title="Margins")
    return styled(alt.hconcat(left, right, spacing=18))


def density_histogram(density: dict[str, list[float]], over_dense: float = 0.1) -> Spec:
    """How many features fire how often."""
    edges = density["edges"]
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "features": density["counts"]})
    bars = (
        alt.Chart(table)
        .mark_bar(color=KINDS["SAE feature"][0], binSpacing=1)
        .encode(
            x=alt.X(
                "low:Q",
                bin="binned",
                title="density: share of readings at which the feature fires (log scale)",
                axis=alt.Axis(labelExpr="format(100 * pow(10, datum.value), '~r') + ' %'"),
            ),
            x2="high:Q",
            y=alt.Y("features:Q", title="features"),
        )
    )
    line = alt.Chart(pd.DataFrame({"x": [math.log10(over_dense)]}))
    rule = line.mark_rule(color=TEXT, strokeDash=[4, 3]).encode(x="x:Q")
    return styled((bars + rule).properties(width=400, height=200))


def bits_by_class(classes: dict[str, dict[str, float]]) -> Spec:
    """What the reconstruction costs the model, and the ablation by the mean, by class of region.

    Of a model that does not predict base after base, how far what it says of a base moves.
    """
    names = {"sae": "reconstruction", "mean": "layer at its mean"}
    predicts = not any(math.isnan(part["clean"]) for part in classes.values())
    rows = [
        (kind, name, part[key] - part["clean"] if predicts else part[f"kl_{key}"])
        for kind, part in classes.items()
        for key, name in names.items()
    ]
    title = "bits a base more than the untouched model"
    if not predicts:
        title = "divergence from the untouched model, bits a base"
    table = pd.DataFrame(rows, columns=["class", "what", "bits"])
    colours = {"reconstruction": KINDS["SAE feature"][0], "layer at its mean": "#8b949e"}
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("bits:Q", title=title),
            y=alt.Y("class:N", sort=list(classes), title=None),
            yOffset=alt.YOffset("what:N", sort=list(colours)),
            color=alt.Color(
                "what:N", scale=_scale(list(colours), colours), legend=alt.Legend(title=None, orient="top")
            ),
        )
    )
    return styled(chart.properties(width=340, height=200))


def probing_curve(probing: list[dict[str, Any]]) -> Spec:
    """Mean lift by number of features in the probe, and that of a dense probe of the layer (size 0)."""
    table = pd.DataFrame(probing)[["size", "ap_lift"]].dropna()
    x = alt.X("size:O", title="features in the probe", axis=alt.Axis(labelAngle=0))
    y = alt.Y("ap_lift:Q", title="mean average precision lift (report split)")
    features = (
        alt.Chart(table[table["size"] > 0])
        .mark_line(color=KINDS["SAE feature"][0], point=True)
        .encode(x=x, y=y)
    )
    dense = (
        alt.Chart(table.loc[table["size"] == 0, ["ap_lift"]])
        .mark_rule(color=KINDS["raw neuron"][0], strokeDash=[4, 3])
        .encode(y=y)
    )
    return styled((features + dense).properties(width=400, height=200))


def stability_histogram(stability: pd.Series) -> Spec:
    """How many features another seed finds again, by matched cosine."""
    edges = np.linspace(-0.2, 1, 25)
    counts = np.histogram(stability.dropna().clip(-0.2, 1), edges)[0]
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "features": counts})
    bars = (
        alt.Chart(table)
        .mark_bar(color=KINDS["SAE feature"][0], binSpacing=1)
        .encode(
            x=alt.X("low:Q", bin="binned", title="matched decoder cosine with other seeds"),
            x2="high:Q",
            y=alt.Y("features:Q", title="features"),
        )
    )
    return styled(bars.properties(width=400, height=200))


def shift_curve(shift: dict[str, Any]) -> Spec:
    """Change of activations and features by position in the window, the warm-up shaded."""
    names = {"activations": "activation", "features": "features"}
    parts = [
        pd.DataFrame({"position": shift["position"], "change": shift[key], "what": name})
        for name, key in names.items()
    ]
    table = pd.concat(parts).dropna()
    colours = {"activations": KINDS["raw neuron"][0], "features": KINDS["SAE feature"][0]}
    warm = alt.Chart(pd.DataFrame({"from": [0], "to": [shift["warmup"]]}))
    band = warm.mark_rect(color="#888888", opacity=0.25).encode(
        x=alt.X("from:Q", title="position in the window (bases); shaded: warm-up, discarded"), x2="to:Q"
    )
    lines = (
        alt.Chart(table)
        .mark_line()
        .encode(
            x="position:Q",
            y=alt.Y("change:Q", title="relative change", axis=alt.Axis(format="%")),
            color=alt.Color(
                "what:N", scale=_scale(list(colours), colours), legend=alt.Legend(title=None, orient="top")
            ),
            strokeDash=alt.StrokeDash("what:N", legend=None),
        )
    )
    return styled((band + lines).properties(width=400, height=200))


def training_curve(history: list[dict[str, float]]) -> Spec:
    """Reconstruction error and dead features over the steps of training."""
    table = pd.DataFrame(history)
    table = table.iloc[np.unique(np.linspace(0, len(table) - 1, min(len(table), 400)).astype(int))]
    x = alt.X("step:Q", title="step", axis=alt.Axis(tickCount=4))
    error = (
        alt.Chart(table)
        .mark_line(color=KINDS["SAE feature"][0])
        .encode(x=x, y=alt.Y("mse:Q", title="mean squared error (train split)"))
        .properties(width=175, height=200)
    )
    dead = (
        alt.Chart(table)
        .mark_line(color=KINDS["raw neuron"][0])
        .encode(x=x, y=alt.Y("dead:Q", title="dead features"))
        .properties(width=175, height=200)
    )
    return styled(alt.hconcat(error, dead, spacing=24))


def lift_against_density(catalog: pd.DataFrame) -> Spec:
    """Every tested feature: how often it fires, and how well it marks its best track."""
    table = catalog.loc[
        (catalog["density"] > 0) & catalog["best_ap_lift"].notna(), ["density", "best_ap_lift", "verdict"]
    ]
    table = table.sort_values("best_ap_lift", ascending=False, kind="stable")
    if len(table) > MOST_POINTS:  # the best half of the room whole, the rest evenly thinned
        half = MOST_POINTS // 2
        rest = np.linspace(half, len(table) - 1, half).astype(int)
        table = table.iloc[np.concatenate([np.arange(half), rest])]
    learnt, other = "best of its track, beats every control", "other"
    table = table.assign(kind=np.where(table["verdict"] == Verdict.LEARNT, learnt, other))
    colours = {learnt: KINDS["SAE feature"][0], other: "#8b949e"}
    chart = (
        alt.Chart(table)
        .mark_point(filled=True, size=28, opacity=0.7)
        .encode(
            x=alt.X(
                "density:Q",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format="~%", tickCount=5),
                title="density (share of readings, log scale)",
            ),
            y=alt.Y("best_ap_lift:Q", title="average precision lift, best track (report split)"),
            color=alt.Color(
                "kind:N", scale=_scale(list(colours), colours), legend=alt.Legend(title=None, orient="top")
            ),
        )
    )
    return styled(chart.properties(width=400, height=200))
