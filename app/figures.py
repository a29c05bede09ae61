"""Charts and tables with buttons for their files."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st

from app.reserve_height import least_height, reserve_height
from workbench.files.pictures import FORMATS, draw_file

Figure = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.ConcatChart | alt.FacetChart


def picture(chart: Figure | dict[str, Any], name: str, note: str = "", **more: Any) -> Any:
    """Draw a chart or a Vega-Lite spec with buttons for its files; returns Streamlit's event.

    ``note`` stands over the picture in its files.
    """
    spec = chart if isinstance(chart, dict) else chart.to_dict()
    reserve_height(f"chart_{name}", least_height(spec))
    if isinstance(chart, dict):
        event = st.vega_lite_chart(chart, key=f"chart_{name}", **more)
    else:
        event = st.altair_chart(chart, key=f"chart_{name}", **more)
    place, noted = st.container(horizontal=True), _noted(spec, note)
    for format, mime in FORMATS.items():
        place.download_button(
            format.upper(), partial(draw_file, noted, format), file_name=f"{name}.{format}", mime=mime,
            key=f"{name}_{format}", on_click="ignore", type="tertiary", icon=":material/download:",
        )  # fmt: skip
    return event


def _noted(spec: dict[str, Any], note: str) -> dict[str, Any]:
    title = {"text": note, "anchor": "start", "fontSize": 10, "fontWeight": "normal"}
    return {**spec, "title": title} if note else spec


def table_file(table: pd.DataFrame, name: str, note: str = "") -> None:
    """Draw buttons for exactly these rows as TSV and as Parquet.

    ``note`` goes along: the TSV's first line, after ``# ``, and the Parquet's metadata.
    """
    place = st.container(horizontal=True)
    place.download_button(
        "TSV", partial(_tsv, table, note), file_name=f"{name}.tsv", mime="text/tab-separated-values",
        key=f"{name}_tsv", on_click="ignore", type="tertiary", icon=":material/download:",
    )  # fmt: skip
    place.download_button(
        "Parquet", partial(_parquet, table, note), file_name=f"{name}.parquet",
        mime="application/vnd.apache.parquet", key=f"{name}_parquet", on_click="ignore",
        type="tertiary", icon=":material/download:",
    )  # fmt: skip


def _tsv(table: pd.DataFrame, note: str) -> bytes:
    text = table.to_csv(sep="\t", index=False)
    return (f"# {note}\n{text}" if note else text).encode()


def _parquet(table: pd.DataFrame, note: str) -> bytes:
    noted = pa.Table.from_pandas(table, preserve_index=False)
    if note:
        noted = noted.replace_schema_metadata({**(noted.schema.metadata or {}), "note": note})
    out = io.BytesIO()
    pq.write_table(noted, out)
    return out.getvalue()
