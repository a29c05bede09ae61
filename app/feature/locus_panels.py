"""One feature at several loci: a panel a locus, genes above."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.genome.interval import Interval
from workbench.report.strips import STRANDS, spread

Spec = dict[str, Any]
WIDTH, STRIP, LANE = 300, 44, 15
ROWS = 2


class Panel(NamedTuple):
    """A locus: its title, activations at each base by strand (float32, NaN: none), intervals of one track."""

    title: str
    locus: Interval
    values: dict[str, np.ndarray]
    boxes: pd.DataFrame


def loci_chart(panels: list[Panel], maximum: float, columns: int = 3) -> Spec:
    """Vega-Lite spec of all panels, full scale at ``maximum``: plus strand up, minus strand down.

    A bar an active base; at most 6 x 300 x 2 bars for six panels of 300 bases.
    """
    drawn = [_panel(panel, maximum) for panel in panels]
    rows = [drawn[i : i + columns] for i in range(0, len(drawn), columns)]
    return {"vconcat": [{"hconcat": row, "spacing": 24} for row in rows], "spacing": 14}


def _panel(panel: Panel, maximum: float) -> Spec:
    title = {"text": panel.title, "anchor": "start", "fontSize": 11, "fontWeight": "normal"}
    return {
        "title": title,
        "vconcat": [_genes(panel), _bars(panel, maximum)],
        "spacing": 2,
        "bounds": "flush",
    }


def _x(locus: Interval, field: str, axis: bool) -> Spec:
    shown = {"title": None, "format": ",d", "tickCount": 3, "grid": False, "labelFlush": True}
    return {
        "field": field,
        "type": "quantitative",
        # The first base is number 1, and a number stands under the middle of its base.
        "scale": {"domain": [locus.start + 0.5, locus.end + 0.5], "nice": False, "zero": False},
        "axis": shown if axis else None,
    }


def _colour() -> Spec:
    return {
        "field": "strand",
        "type": "nominal",
        "scale": {"domain": list(STRANDS), "range": list(STRANDS.values())},
        "legend": None,
    }


def _bars(panel: Panel, maximum: float) -> Spec:
    rows = []
    for strand, values in panel.values.items():
        sign = 1 if strand == "+" else -1
        for i in np.flatnonzero(np.nan_to_num(values) > 0):
            base, value = panel.locus.start + int(i) + 1, float(values[i])
            share = value / maximum
            height = round(sign * min(1, share), 4)
            rows.append(
                {
                    "at": base - 0.5, "end": base + 0.5, "height": height, "base": base, "strand": strand,
                    "share": round(share, 4), "value": value,
                }
            )  # fmt: skip
    y = {
        "field": "height",
        "type": "quantitative",
        "scale": {"domain": [-1, 1]},
        "axis": {"values": [-1, 0, 1], "labels": False, "title": None, "grid": False, "ticks": False},
    }
    tips = [
        {"field": "share", "type": "quantitative", "format": ".0%", "title": "strength"},
        {"field": "base", "type": "quantitative", "format": ",d"},
        {"field": "strand", "type": "nominal", "title": "strand read"},
        {"field": "value", "type": "quantitative", "format": ".3g", "title": "activation"},
    ]
    bars = {
        "data": {"values": rows},
        "mark": {"type": "rect", "clip": True},
        "encoding": {
            "x": _x(panel.locus, "at", True), "x2": {"field": "end"}, "y": y,
            "y2": {"datum": 0}, "color": _colour(), "tooltip": tips,
        },
    }  # fmt: skip
    zero = {
        "data": {"values": [{"height": 0}]},
        "mark": {"type": "rule", "color": "#888888", "opacity": 0.6},
        "encoding": {"y": y},
    }
    return {"width": WIDTH, "height": STRIP, "layer": [zero, bars]}


def _genes(panel: Panel) -> Spec:
    locus, table = panel.locus, panel.boxes
    starts = table["start"].clip(lower=locus.start).to_numpy()
    ends = table["end"].clip(upper=locus.end).to_numpy()
    levels = spread(starts, ends, ROWS)
    arrows = {"+": "{} ›", "-": "‹ {}", ".": "{}"}
    rows = []
    for start, end, row, strand, name in zip(
        starts, ends, levels, table["strand"], table["name"], strict=True
    ):
        room = (int(end) - int(start)) / (locus.end - locus.start) * WIDTH
        text = arrows[str(strand)].format(name).strip()
        rows.append(
            {
                "start": int(start) + 0.5, "end": int(end) + 0.5,
                "middle": (int(start) + int(end) + 1) / 2,
                "row": row, "strand": str(strand), "name": str(name),
                "text": text if room > 6 * len(text) + 4 else "",
            }
        )  # fmt: skip
    y = {
        "field": "row", "type": "ordinal", "axis": None,
        "scale": {"domain": list(range(ROWS)), "paddingInner": 0.15},
    }  # fmt: skip
    tips = [{"field": name, "type": "nominal"} for name in ("name", "strand")]
    boxes = {
        "mark": {"type": "bar", "opacity": 0.45, "clip": True},
        "encoding": {
            "x": _x(locus, "start", False), "x2": {"field": "end"}, "y": y, "color": _colour(),
            "tooltip": tips,
        },
    }  # fmt: skip
    words = {
        "mark": {"type": "text", "fontSize": 10, "clip": True},
        "encoding": {"x": _x(locus, "middle", False), "y": y, "text": {"field": "text"}},
    }
    return {
        "width": WIDTH, "height": LANE * ROWS, "data": {"values": rows}, "layer": [boxes, words],
    }  # fmt: skip
