"""Pictures of the browser, each under 5,000 marks."""

from __future__ import annotations

from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd

from workbench.report.strips import STRANDS, TIPS, spread
from workbench.views import Locus

WIDTH = 860
LABELS = 150
"""Pixels left of every strip, the same for all: positions line up exactly."""
MOST_BINS = 800
MOST_RECTANGLES = 3600
MOST_INTERVALS = 80
"""Boxes drawn of one track."""
MOST_TRACKS = 5
STRIP, LANE = 64, 18


class FeatureStrip(NamedTuple):
    """A feature along a region: its label, ``views.strips`` by strand, the value at full height."""

    feature: int
    label: str
    bins: dict[str, pd.DataFrame]
    maximum: float


def bins_for(features: int) -> int:
    """Bins a strand of each strip, so that all together stay under the limit."""
    return min(MOST_BINS, MOST_RECTANGLES // (2 * max(1, features)))


def themed(spec: dict[str, Any]) -> dict[str, Any]:
    """A picture of the report without its own colours of text: the page's theme sets them."""
    return {key: value for key, value in spec.items() if key != "config"}


def browser(
    locus: Locus, strips: list[FeatureStrip], lanes: list[tuple[str, pd.DataFrame]]
) -> alt.VConcatChart:
    """Feature strips over annotation on one x axis; the plus strand up, the minus strand down."""
    rows = [_strip(s, locus, last=not lanes and s is strips[-1]) for s in strips]
    rows += [_lane(n, t, locus, last=i == len(lanes) - 1) for i, (n, t) in enumerate(lanes)]
    # flush: plots are placed by their own boxes, never by the width of what stands beside them
    chart = alt.vconcat(*rows, spacing=6, bounds="flush").resolve_scale(color="independent")
    return chart.properties(usermeta={"embedOptions": {"renderer": "canvas"}})


def _x(locus: Locus, last: bool, field: str = "start") -> alt.X:
    axis = alt.Axis(title=f"{locus.chrom}, 0-based", format=",d", grid=False, tickCount=8)
    scale = alt.Scale(domain=[locus.start, locus.end], nice=False, zero=False)
    return alt.X(f"{field}:Q", scale=scale, axis=axis if last else None)


def _strand() -> alt.Color:
    scale = alt.Scale(domain=list(STRANDS), range=list(STRANDS.values()))
    return alt.Color("strand:N", scale=scale, legend=None)


def _beside(title: list[str], height: int, **more: Any) -> alt.Axis:
    return alt.Axis(
        title=title, titleAngle=0, titleAlign="right", titleBaseline="middle", titleX=-36,
        titleY=height / 2, titleLimit=LABELS - 40, minExtent=LABELS, maxExtent=LABELS, grid=False,
        domain=False, ticks=False, **more,
    )  # fmt: skip


def signed_bins(strip: FeatureStrip) -> pd.DataFrame:
    """Bins that fire on either strand: ``height`` is below 0 for the minus strand."""
    parts = []
    for strand, table in strip.bins.items():
        fires = table[table["value"] > 0].assign(strand=strand)
        parts.append(fires.assign(height=fires["value"] * (1 if strand == "+" else -1)))
    return pd.concat(parts, ignore_index=True)


def unread(strip: FeatureStrip) -> pd.DataFrame:
    """Runs of bins without a value, ``low`` to ``high`` being that strand's half of the strip."""
    runs = []
    for strand, table in strip.bins.items():
        blank = table["value"].isna().to_numpy()
        change = np.flatnonzero(np.diff(np.concatenate([[False], blank, [False]]).astype(np.int8)))
        half = (0.0, strip.maximum) if strand == "+" else (-strip.maximum, 0.0)
        start, end = table["start"].to_numpy(), table["end"].to_numpy()
        runs += [(start[a], end[b - 1], *half) for a, b in change.reshape(-1, 2)]
    return pd.DataFrame(runs, columns=["start", "end", "low", "high"])


def _strip(strip: FeatureStrip, locus: Locus, last: bool) -> alt.LayerChart | alt.FacetChart:
    top = strip.maximum
    axis = _beside(
        [f"feature {strip.feature}", strip.label],
        STRIP,
        values=[-top, 0, top],
        labelExpr="format(abs(datum.value), '.2~f')",
    )
    y = alt.Y("height:Q", scale=alt.Scale(domain=[-top, top], nice=False), axis=axis)
    zero = alt.Chart(pd.DataFrame({"height": [0]})).mark_rule(color="#888888", opacity=0.6)
    blank = alt.Chart(unread(strip)).mark_rect(color="#888888", opacity=0.25, clip=True)
    bars = alt.Chart(signed_bins(strip).assign(zero=0)).mark_rect(clip=True)
    return alt.layer(
        blank.encode(
            x=_x(locus, last),
            x2="end:Q",
            y=alt.Y("low:Q"),
            y2="high:Q",
            tooltip=alt.value(
                "no value: not enough sequence before these bases, or no letter of ACGT"
            ),
        ),
        zero.encode(y=y),
        bars.encode(
            x=_x(locus, last),
            x2="end:Q",
            y=y,
            y2="zero:Q",
            color=_strand(),
            tooltip=[
                alt.Tooltip("start:Q", format=",d"),
                alt.Tooltip("end:Q", format=",d"),
                alt.Tooltip("strand:N"),
                alt.Tooltip("value:Q", title="maximum", format=".3f"),
            ],
        ),
    ).properties(width=WIDTH, height=STRIP)


def _lane(
    name: str, table: pd.DataFrame, locus: Locus, last: bool
) -> alt.LayerChart | alt.FacetChart:
    """A track: boxes with an arrow head for the strand, names where there is room."""
    table = table.assign(
        left=table["start"].clip(lower=locus.start), right=table["end"].clip(upper=locus.end)
    )
    table["row"] = spread(table["left"].to_numpy(), table["right"].to_numpy())
    table["middle"] = (table["left"] + table["right"]) / 2
    table["tip"] = np.where(table["strand"] == "-", table["left"], table["right"])
    table["name"] = table["name"].where(
        table["intervals"] == 1, table["intervals"].astype(str) + " intervals"
    )
    pixels = (table["right"] - table["left"]) / (locus.end - locus.start) * WIDTH
    roomy = table[(pixels > 7 * table["name"].str.len() + 14) & (table["name"] != "")]
    depth = int(table["row"].max()) + 1 if len(table) else 1
    height = LANE * depth
    y = alt.Y(
        "row:O",
        scale=alt.Scale(domain=list(range(depth)), paddingInner=0.1, paddingOuter=0.05),
        axis=_beside([name], height, labels=False),
    )
    tooltip = ["name:N", alt.Tooltip("start:Q", format=",d"), alt.Tooltip("end:Q", format=",d")]
    boxes = alt.Chart(table).mark_bar(clip=True, opacity=0.5)
    tips = alt.Chart(table[(table["strand"] != ".") & (pixels > 8)])
    shape = alt.Scale(domain=list(TIPS), range=list(TIPS.values()))
    text = alt.Chart(roomy).mark_text(fontSize=11, clip=True)
    return alt.layer(
        boxes.encode(
            x=_x(locus, last, "left"),
            x2="right:Q",
            y=y,
            color=_strand(),
            tooltip=[*tooltip, alt.Tooltip("strand:N")],
        ),
        tips.mark_point(clip=True, filled=True, size=50, opacity=1).encode(
            x=_x(locus, last, "tip"),
            y=y,
            color=_strand(),
            shape=alt.Shape("strand:N", scale=shape, legend=None),
        ),
        text.encode(x=_x(locus, last, "middle"), y=y, text="name:N"),
    ).properties(width=WIDTH, height=height)
