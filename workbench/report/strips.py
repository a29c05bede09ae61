"""Genome strips: annotation over features on both strands, one under another on one exact x axis.

The pictures are written in the Vega-Lite language directly: they hold many small plots, and composing those
from objects costs more than drawing them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.genome.interval import Interval
from workbench.report.charts import CONFIG, FAINT, TEXT, WIDTH, Spec
from workbench.study import locus as places

if TYPE_CHECKING:
    from workbench.study.feature_labels import Label
    from workbench.study.study import Study

BINS = 300
MOST_FEATURES = 6
MOST_TRACKS = 8
# Intervals drawn of one track in one locus.
MOST_INTERVALS = 60
LABELS = 190
STRANDS = {"+": "#3b82c4", "-": "#d9822b", ".": "#8b949e"}
TIPS = {"+": "triangle-right", "-": "triangle-left", ".": "circle"}
LANE, STRIP, SEQUENCE = 18, 42, 16
# Fields of marks that are places on the contig.
PLACES = frozenset({"start", "end", "middle", "tip"})


class Strip(NamedTuple):
    """A feature, its label, the value drawn at full height, and the track to be drawn first for it."""

    feature: int
    label: str
    maximum: float
    track: str = ""


def strips_of(
    shown: pd.DataFrame, labels: Mapping[int, Label], catalog: pd.DataFrame, features: list[int]
) -> list[Strip]:
    """The first features, each with its label and the track it is the best for."""
    track = {int(r.feature): str(r.track) for r in shown[::-1].itertuples()}
    return [
        Strip(f, labels[f].text, float(catalog.loc[f, "max"]), track.get(f, ""))
        for f in features[:MOST_FEATURES]
        if float(catalog.loc[f, "max"]) > 0
    ]


# -- numbers --------------------------------------------------------------------------------------


def outline(bins: pd.DataFrame, strip: Strip, strand: str) -> list[dict[str, Any]]:
    """Steps of one strand's reading as shares of the feature's maximum; below 0 for the minus strand.

    ``bins`` as `locus.strips` gives them; what has no value is drawn as 0 and marked by `missing`.
    """
    sign = 1 if strand == "+" else -1
    share = (sign * bins["value"].fillna(0).astype(np.float64) / strip.maximum).round(4).tolist()
    edges = [*bins["start"].tolist(), int(bins["end"].iloc[-1])]
    return [
        {"start": at, "share": value, "strand": strand}
        for at, value in zip(edges, [*share, share[-1]], strict=True)
    ]


def missing(bins: pd.DataFrame, strand: str) -> list[dict[str, Any]]:
    """Runs of bins without a value, as boxes in that strand's half of a strip."""
    none = bins["value"].isna().to_numpy().astype(np.int8)
    change = np.flatnonzero(np.diff(np.concatenate([[0], none, [0]])))
    starts, ends = bins["start"].to_numpy(), bins["end"].to_numpy()
    low = 0 if strand == "+" else -1
    return [
        {"start": int(starts[a]), "end": int(ends[b - 1]), "low": low, "high": low + 1}
        for a, b in change.reshape(-1, 2)
    ]


def spread(starts: np.ndarray, ends: np.ndarray, rows: int = 2) -> list[int]:
    """Row of each interval (sorted by start), so that those that overlap lie apart where they can."""
    free = [-1] * rows
    out = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        row = next((i for i in range(rows) if free[i] <= start), free.index(min(free)))
        free[row] = max(free[row], end)
        out.append(row)
    return out


def annotation(study: Study, locus: Interval, first: list[str]) -> list[tuple[str, pd.DataFrame]]:
    """Tracks that meet the locus, those named ``first`` before the others."""
    order = {name: i for i, name in enumerate(first)}
    tracks = [t for t in study.tracks if t.kind == "interval"]
    tracks.sort(key=lambda t: order.get(t.name, len(order)))
    found = [(t.name, places.annotation(t, locus, MOST_INTERVALS)) for t in tracks]
    return [(name, rows) for name, rows in found if len(rows)][:MOST_TRACKS]


# -- drawing --------------------------------------------------------------------------------------


def _x(locus: Interval, axis: bool = False, field: str = "start") -> Spec:
    shown = {"title": f"position on {locus.chrom}", "format": ",d", "tickCount": 8}
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [locus.start + 0.5, locus.end + 0.5], "nice": False, "zero": False},
        "axis": {**shown, "grid": False} if axis else None,
    }


def _y(field: str, label: list[str], height: int, **scale: Any) -> Spec:
    """A y channel whose axis only names its strip."""
    bare = dict.fromkeys(("labels", "ticks", "grid", "domain"), False)
    place = {"titleX": -8, "titleY": height / 2, "titleAlign": "right", "titleBaseline": "middle"}
    return {
        "field": field,
        "type": "ordinal" if field == "row" else "quantitative",
        "scale": scale,
        "axis": {**bare, **place, "title": label, "titleAngle": 0, "titleLimit": LABELS},
    }


def _by_strand(values: dict[str, str]) -> Spec:
    scale = {"domain": list(values), "range": list(values.values())}
    return {"field": "strand", "type": "nominal", "scale": scale, "legend": None}


def _layer(rows: list[dict[str, Any]], mark: Spec, **encoding: Spec) -> Spec:
    """Marks at places counted from 0, drawn as people count: number 1 under the middle of the first base."""
    moved = [{k: v + 0.5 if k in PLACES else v for k, v in row.items()} for row in rows]
    return {"data": {"values": moved}, "mark": {"clip": True, **mark}, "encoding": encoding}


def _strip(height: int, *layers: Spec) -> Spec:
    return {"width": WIDTH, "height": height, "layer": [s for s in layers if s["data"]["values"]]}


def _tip(start: float, end: float, strand: str, inset: float) -> float:
    """Where the arrow of a bar goes: inside its downstream end, in the middle of a short one."""
    middle = (start + end) / 2
    return min(middle, start + inset) if strand == "-" else max(middle, end - inset)


def _lane(name: str, intervals: pd.DataFrame, locus: Interval) -> Spec:
    """One track: bars with strand and, where there is room, names."""
    starts = intervals["start"].clip(lower=locus.start).to_numpy()
    ends = intervals["end"].clip(upper=locus.end).to_numpy()
    a_base = WIDTH / (locus.end - locus.start)
    where = spread(starts, ends)
    rows = [
        {
            "start": int(start),
            "end": int(end),
            "middle": float(start + end) / 2,
            "tip": _tip(float(start), float(end), strand, 5 / a_base),
            "row": row,
            "strand": strand,
            "name": str(label),
        }
        for start, end, row, strand, label in zip(
            starts, ends, where, intervals["strand"], intervals["name"], strict=True
        )
    ]
    named = [r for r in rows if r["name"] and (r["end"] - r["start"]) * a_base > 7 * len(r["name"]) + 16]
    height = LANE * (max(where) + 1)
    y = _y("row", [name], height, domain=list(range(max(where) + 1)), paddingInner=0.1)
    colour = _by_strand(STRANDS)
    bars = {"type": "bar", "opacity": 0.55}
    tips = {"type": "point", "filled": True, "size": 60, "opacity": 1}
    text = {"type": "text", "color": TEXT, "fontSize": 10}
    end = {"field": "end"}
    return _strip(
        height,
        _layer(rows, bars, x=_x(locus), x2=end, y=y, color=colour),
        _layer(
            [r for r in rows if r["strand"] != "."],
            tips,
            x=_x(locus, field="tip"),
            y=y,
            color=colour,
            shape=_by_strand(TIPS),
        ),
        _layer(named, text, x=_x(locus, field="middle"), y=y, text={"field": "name"}),
    )


def _letters(study: Study, locus: Interval) -> Spec:
    sequence = study.genome.fetch(locus.chrom, locus.start, locus.end)
    rows = [
        {"start": locus.start + i + 0.5, "share": 0, "letter": letter} for i, letter in enumerate(sequence)
    ]
    mark = {"type": "text", "font": "monospace", "fontSize": 9.5, "color": TEXT}
    y = _y("share", ["sequence (+)"], SEQUENCE, domain=[-1, 1])
    return _strip(SEQUENCE, _layer(rows, mark, x=_x(locus), y=y, text={"field": "letter"}))


def _feature_strips(study: Study, locus: Interval, strips: list[Strip]) -> list[Spec]:
    features = [strip.feature for strip in strips]
    read = {s: places.strips(study, features, *locus, s, bins=BINS) for s in ("+", "-")}
    drawn = []
    for strip in strips:
        last = strip is strips[-1]
        gaps = [box for s in read for box in missing(read[s][strip.feature], s)]
        rows = [row for s in read for row in outline(read[s][strip.feature], strip, s)]
        label = [f"feature {strip.feature}", strip.label]
        y = _y("share", label, STRIP, domain=[-1, 1], nice=False)
        x = _x(locus, last)
        grey = {"type": "rect", "color": "#888888", "opacity": 0.3}
        box = {"x2": {"field": "end"}, "y": {**y, "field": "low"}, "y2": {"field": "high"}}
        area = {"type": "area", "interpolate": "step-after"}
        drawn.append(
            _strip(
                STRIP,
                _layer(gaps, grey, x=x, **box),
                _layer([{"share": 0}], {"type": "rule", "color": FAINT}, y=y),
                _layer(rows, area, x=x, y={**y, "stack": None}, color=_by_strand(STRANDS)),
            )
        )
    return drawn


def draw(
    study: Study,
    locus: Interval,
    strips: list[Strip],
    letters: bool = False,
    more: Sequence[tuple[str, pd.DataFrame]] = (),
) -> Spec:
    """One picture of a locus: annotation, then a strip a feature, exactly one under another.

    ``more`` are lanes after the annotation: a name, and intervals ``start, end, strand, name``.
    """
    first = list(dict.fromkeys(s.track for s in strips))
    lanes = [*annotation(study, locus, first), *more]
    rows = [_lane(name, table, locus) for name, table in lanes]
    if letters:
        rows.append(_letters(study, locus))
    rows += _feature_strips(study, locus, strips)
    # flush: plots are placed by their own boxes, never by the width of what stands beside them
    return {"vconcat": rows, "spacing": 5, "bounds": "flush", "config": CONFIG}
