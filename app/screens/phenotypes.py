"""Features against phenotypes of the study's samples."""

from __future__ import annotations

import shlex

import altair as alt
import pandas as pd
import streamlit as st

from app import links
from app.data import Opened, current
from app.figures import picture, table_file
from app.words import plain
from workbench import InputError

MOST_DRAWN = 4500


def read(opened: Opened) -> pd.DataFrame:
    """Tests of features; ends the page where the study has none."""
    try:
        table = opened.study.table("phenotype_associations")
        regions = opened.study.table("regions")[["region", "chrom", "start", "end"]]
    except InputError:
        st.info(
            "This study has no tested phenotypes. Give a VCF and a table of phenotypes when a study is made,"
            " and run it."
        )
        st.stop()
    simulated = opened.study.facts("cohort").get("simulated")
    if simulated:
        st.warning(plain(f"SIMULATED samples: {simulated}"))
    return table.merge(regions, on="region", how="left")


def choose(table: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Rows of one phenotype; the address holds it."""
    names = sorted(table["phenotype"].unique())
    asked = st.query_params.get("phenotype", names[0])
    st.session_state["phenotype"] = asked if asked in names else names[0]
    st.selectbox("Phenotype", names, key="phenotype", on_change=_asked)
    name = str(st.session_state["phenotype"])
    return name, table[table["phenotype"] == name]


def _asked() -> None:
    st.query_params["phenotype"] = st.session_state["phenotype"]


def pictures(opened: Opened, name: str, rows: pd.DataFrame) -> None:
    """Manhattan, volcano and QQ, of the strongest tests."""
    drawn = rows[rows["minus_log10_p"].notna()].nlargest(MOST_DRAWN, "minus_log10_p")
    if len(drawn) < len(rows):
        st.caption(f"Drawn: the {len(drawn):,} strongest of {len(rows):,} tests.")
    manhattan, volcano, quantile = st.tabs(["Manhattan", "Volcano", "QQ"])
    y = alt.Y("minus_log10_p:Q", title="−log10 p")
    tips = ["region", "feature", "burden", alt.Tooltip("minus_log10_p", format=".2f")]
    base = alt.Chart(drawn[["region", "feature", "burden", "minus_log10_p", "chrom", "start"]])
    with manhattan:
        x = alt.X("start:Q", title="start of the region, 0-based", scale=alt.Scale(zero=False))
        chart = base.mark_circle().encode(x=x, y=y, color="chrom:N", tooltip=tips)
        picture(chart.properties(height=300), "manhattan", width="stretch")
    with volcano:
        effect = next((c for c in ("effect", "beta") if c in drawn), None)
        if effect:
            columns = ["region", "feature", "burden", "minus_log10_p", effect]
            chart = alt.Chart(drawn[columns]).mark_circle().encode(
                x=alt.X(f"{effect}:Q", title="effect"), y=y, color="burden:N", tooltip=tips
            )  # fmt: skip
            picture(chart.properties(height=300), "volcano", width="stretch")
        else:
            st.info("These tests have no effect column.")
    with quantile:
        try:
            qq = opened.study.table("phenotype_quantiles")
        except InputError:
            st.info("This study has no table of quantiles.")
            return
        qq = qq[qq["phenotype"] == name]
        numbers = [c for c in qq.columns if c not in ("phenotype", "burden")]
        chart = alt.Chart(qq).mark_line(point=True).encode(
            x=alt.X(f"{numbers[0]}:Q", title=numbers[0]),
            y=alt.Y(f"{numbers[1]}:Q", title=numbers[1]),
            color="burden:N",
        )  # fmt: skip
        picture(chart.properties(height=300), "qq", width="stretch")


def candidates(opened: Opened, name: str, rows: pd.DataFrame) -> None:
    """The candidate table where there is one, else the tests; a chosen one opens in the browser."""
    try:
        found = opened.study.table("biomarkers")
        found = found[found["phenotype"] == name] if "phenotype" in found else found
        st.caption("Candidates with their tiers of evidence.")
    except InputError:
        found = rows.sort_values("minus_log10_p", ascending=False, na_position="last")
        st.caption("Tests, strongest first: this study has no candidate table.")
    shown = found.head(500)
    said = st.dataframe(
        shown, hide_index=True, height=320, key="candidates", on_select="rerun",
        selection_mode="single-row",
    )  # fmt: skip
    table_file(found, f"candidates_{''.join(c if c.isalnum() else '_' for c in name)}")
    places = rows.drop_duplicates("region").set_index("region")
    for i in said["selection"]["rows"]:
        row = shown.iloc[i]
        region = row.get("region")
        if region in places.index and pd.notna(places.loc[region, "start"]):
            at = places.loc[region]
            go = links.browse(
                "", f"{at['chrom']}:{int(at['start'])}-{int(at['end'])}", [int(row["feature"])]
            )
            st.page_link(go.file, label="Open in the browser", query_params=go.query)


opened = current()
st.title("Phenotypes")
table = read(opened)
name, rows = choose(table)
pictures(opened, name, rows)
candidates(opened, name, rows)
with st.expander("The command that makes this"):
    st.code(f"workbench run {shlex.quote(str(opened.study.folder))}", language="bash")
