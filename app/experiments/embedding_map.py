"""Embeddings: a map of the regions on two principal components, coloured by what is known of them."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from app import links
from app.data.annotation import tracks
from app.data.study import Opened
from app.figures import picture
from app.navigation import link
from app.verdict_text import plain
from workbench.browse.region_map import meeting
from workbench.experiments.kind import Experiment
from workbench.files.parquet import read_parquet
from workbench.genome.interval import Interval
from workbench.study.locus import move
from workbench.wording import NOT_VALIDATED, bases, percent, plural, spoken

# What a map is coloured by besides tracks: column, title, whether it is a number.
_COLUMNS = {"GC": ("gc", True), "length": ("bases", True), "strand": ("strand", False)}
_INSIDE = {True: "meets it", False: "does not"}
_TWO = alt.Scale(domain=list(_INSIDE.values()), range=["#d9822b", "#5b84b1"])


def show_embeddings(opened: Opened, experiment: Experiment) -> None:
    """Draw the map of a layer; a region that is clicked has its links below."""
    path = experiment.folder / "map.parquet"
    if not path.is_file():
        st.caption("No map: it takes pooled embeddings of at least three regions.")
        return
    table = read_parquet(path)
    st.subheader("Map of the regions")
    left, right = st.columns(2)
    layer = left.selectbox("Layer", list(dict.fromkeys(table["layer"])), key="map_layer")
    named = {f"track {track.name}": track for track in tracks(opened).result() if len(track.intervals)}
    by = right.selectbox("Colour by", [*_COLUMNS, *named], key="map_colour")
    own = table[table["layer"] == layer].reset_index(drop=True)
    numeric = False
    if by in named:
        inside = meeting(own, named[by].intervals)
        own["colour"] = np.where(inside, _INSIDE[True], _INSIDE[False])
    else:
        column, numeric = _COLUMNS[by]
        own["colour"] = own[column]
    chosen = _draw(own, by, numeric)
    shares = own[["first_share", "second_share"]].iloc[0]
    st.caption(
        f"{plural(len(own), 'point')}, one a region and strand that was read, on two principal components"
        f" ({percent(shares['first_share'])} and {percent(shares['second_share'])} of the variance). Near"
        " each other means alike on these two axes alone. Click a point for the link to its region."
    )
    for row in own.loc[chosen].itertuples():
        _open(opened, row)


def _draw(own: pd.DataFrame, by: str, numeric: bool) -> list[int]:
    """Draw the points; returns the rows that are chosen."""
    own["row"] = np.arange(len(own))
    own["region"] = [spoken(row.chrom, row.start, row.end) for row in own.itertuples()]
    click = alt.selection_point(name="region", fields=["row"], empty=False)
    scale = alt.Scale(scheme="viridis") if numeric else _TWO if by.startswith("track ") else alt.Scale()
    shares = own[["first_share", "second_share"]].iloc[0]
    axes = [f"component {i}: {share:.0%} of variance" for i, share in enumerate(shares, 1)]
    chart = (
        alt.Chart(own)
        .mark_point(filled=True, opacity=0.75)
        .encode(
            x=alt.X("first:Q", title=axes[0], scale=alt.Scale(zero=False), axis=alt.Axis(grid=False)),
            y=alt.Y("second:Q", title=axes[1], scale=alt.Scale(zero=False), axis=alt.Axis(grid=False)),
            color=alt.Color("colour:Q" if numeric else "colour:N", title=by, scale=scale),
            shape=alt.Shape("strand:N", title="strand read"),
            size=alt.condition(click, alt.value(160), alt.value(36)),
            tooltip=[
                *("name", "region", "strand"),
                alt.Tooltip("gc:Q", title="GC", format=".0%"),
                alt.Tooltip("colour:Q" if numeric else "colour:N", title=by),
            ],
        )
        .add_params(click)
        .properties(height=420)
    )  # fmt: skip
    event = picture(
        chart, "embedding_map", NOT_VALIDATED, width="stretch", on_select="rerun", selection_mode="region"
    )
    points = event["selection"].get("region", []) if event else []
    rows = [point.get("row") for point in points if isinstance(point, dict)]
    return [row for row in rows if isinstance(row, int) and 0 <= row < len(own)]


def _open(opened: Opened, row: object) -> None:
    place = Interval(str(row.chrom), int(row.start), int(row.end))  # type: ignore[attr-defined]
    line = st.container(horizontal=True)
    size = bases(place.end - place.start)
    link(
        line,
        links.browse("", str(move(opened.study, place, zoom=2))),
        plain(f"{row.name} at {spoken(*place)}, {size}: browse"),  # type: ignore[attr-defined]
        "view_timeline",
    )
