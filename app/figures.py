"""Charts and tables with buttons for their files."""

from __future__ import annotations

from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from app.reserve_height import least_height, reserve_height
from workbench.files.pictures import FORMATS, draw_file

Figure = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.ConcatChart | alt.FacetChart


def picture(chart: Figure | dict[str, Any], name: str, **more: Any) -> Any:
    """Draw a chart or a Vega-Lite spec with buttons for its files; returns Streamlit's event."""
    spec = chart if isinstance(chart, dict) else chart.to_dict()
    reserve_height(f"chart_{name}", least_height(spec))
    if isinstance(chart, dict):
        event = st.vega_lite_chart(chart, key=f"chart_{name}", **more)
    else:
        event = st.altair_chart(chart, key=f"chart_{name}", **more)
    place = st.container(horizontal=True)
    for format, mime in FORMATS.items():
        place.download_button(
            format.upper(), partial(draw_file, spec, format), file_name=f"{name}.{format}", mime=mime,
            key=f"{name}_{format}", on_click="ignore", type="tertiary", icon=":material/download:",
        )  # fmt: skip
    return event


def table_file(table: pd.DataFrame, name: str) -> None:
    """Draw buttons for exactly these rows as TSV and as Parquet."""
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
