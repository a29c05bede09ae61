"""Pictures with their files: SVG, PNG and the table behind them."""

from __future__ import annotations

from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from app.room import keep_room, least_height

Figure = (
    alt.Chart
    | alt.LayerChart
    | alt.HConcatChart
    | alt.VConcatChart
    | alt.ConcatChart
    | alt.FacetChart
)
VERDICT_COLORS = {
    "learnt": "#0072B2",
    "raw neuron as good": "#E69F00",
    "principal direction as good": "#D55E00",
    "random-weights too": "#CC79A7",
    "composition": "#009E73",
    "not distinguishable": "#999999",
}
"""Okabe and Ito's colours: told apart by colour-blind readers."""
TIER_COLORS = {
    "A": "#009E73",
    "B": "#0072B2",
    "C": "#E69F00",
    "D": "#CC79A7",
    "no candidate": "#9a9a9a",
}
BASES = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}


def _render(spec: dict[str, Any], format: str) -> bytes:
    import vl_convert

    spec = spec | {"background": "white"}
    if format == "svg":
        return str(vl_convert.vegalite_to_svg(spec)).encode()
    return bytes(vl_convert.vegalite_to_png(spec, scale=2))


def picture(
    chart: Figure | dict[str, Any],
    name: str,
    **more: Any,
) -> Any:
    """Draw a chart or a Vega-Lite spec with buttons for its files; gives what Streamlit gives."""
    spec = chart if isinstance(chart, dict) else chart.to_dict()
    keep_room(f"chart_{name}", least_height(spec))
    if isinstance(chart, dict):
        said = st.vega_lite_chart(chart, key=f"chart_{name}", **more)
    else:
        said = st.altair_chart(chart, key=f"chart_{name}", **more)
    place = st.container(horizontal=True)
    for format, mime in (("svg", "image/svg+xml"), ("png", "image/png")):
        place.download_button(
            format.upper(), partial(_render, spec, format), file_name=f"{name}.{format}", mime=mime,
            key=f"{name}_{format}", on_click="ignore", type="tertiary", icon=":material/download:",
        )  # fmt: skip
    return said


def table_file(table: pd.DataFrame, name: str) -> None:
    """Buttons for exactly these rows as TSV and as Parquet."""
    place = st.container(horizontal=True)
    place.download_button(
        "TSV", partial(_tsv, table), file_name=f"{name}.tsv", mime="text/tab-separated-values",
        key=f"{name}_tsv", on_click="ignore", type="tertiary", icon=":material/download:",
    )  # fmt: skip
    place.download_button(
        "Parquet", partial(table.to_parquet, index=False), file_name=f"{name}.parquet",
        mime="application/vnd.apache.parquet", key=f"{name}_parquet", on_click="ignore",
        type="tertiary", icon=":material/download:",
    )  # fmt: skip


def _tsv(table: pd.DataFrame) -> bytes:
    return table.to_csv(sep="\t", index=False).encode()
