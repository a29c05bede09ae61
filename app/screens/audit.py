"""Alternative explanations of features and scores: shortcuts, copies, concepts, unexplained features."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from app.data.study import Opened, current, table
from app.exports import commands
from app.figures import table_file
from app.reserve_height import TABLE_ROW, reserve_height
from app.tables import AUDIT, COLUMNS, CONCEPTS, COPIES, UNEXPLAINED, once_each
from app.verdict_text import plain
from workbench.analysis.audit.flags import FLAGS
from workbench.wording import plural

MOST_ROWS = 500


class Section(NamedTuple):
    """A tab: table, its meaning, columns shown first."""

    name: str
    meaning: str
    columns: list[str]


# In the table of concepts, intervals are those of the control sample.
OF_SAMPLE = {"n_intervals": "sample_intervals"}
SECTIONS = {
    "Shortcuts": Section(
        "audit", "Shortcuts that explain a feature's activity; flags name the doubts.", AUDIT
    ),
    "Copies": Section(
        "homology", "Scores with and without sequence that is also in the training split.", COPIES
    ),
    "Concepts": Section("concepts", "How many features together predict a track.", CONCEPTS),
    "Unexplained": Section(
        "unexplained", "Features with structure and no annotation, best first.", UNEXPLAINED
    ),
}


def flags(opened: Opened) -> None:
    """Draw the number of features with each flag, and its rule."""
    found = table(opened, "audit")
    if found is None:
        return
    named = found["flags"].fillna("").astype(str).str.split(",").explode()
    counted = named[named != ""].value_counts()
    rows = [
        {"flag": name.replace("_", " "), "features": int(counted.get(name, 0)), "it means": flag.meaning,
         "rule": flag.rule}
        for name, flag in FLAGS.items()
    ]  # fmt: skip
    reserve_height("flags", TABLE_ROW * (len(rows) + 1))
    st.container(key="flags").dataframe(rows, hide_index=True, height="content")


def section(opened: Opened, part: Section) -> None:
    """Draw one table, flagged features first where there are flags."""
    found = table(opened, part.name)
    if found is None:
        st.info(f"This study has no table {part.name}: run it again to make it.", icon=":material/info:")
        return
    if part.name == "audit":
        found = found.assign(_none=found["flags"].fillna("").eq(""))
        found = found.sort_values(["_none", "feature"], kind="stable").drop(columns="_none")
    st.caption(f"{part.meaning} {plural(len(found), 'row')}.")
    shown = found if part.name != "concepts" else once_each(found.rename(columns=OF_SAMPLE))
    order = [c for c in part.columns if c in shown]
    st.dataframe(
        shown.head(MOST_ROWS), hide_index=True, height=420, column_order=order, column_config=COLUMNS
    )
    if len(found) > MOST_ROWS:
        st.caption(f"The first {MOST_ROWS:,} rows; the files hold all rows and columns.")
    table_file(found, part.name)


opened = current()
st.title("Audit")
flags(opened)
for tab, part in zip(st.tabs(list(SECTIONS)), SECTIONS.values(), strict=True):
    with tab:
        section(opened, part)
report = opened.study.folder / "audit.html"
if report.exists():
    st.download_button(
        "Download audit.html", report.read_bytes(), file_name=f"{opened.evidence.name}.audit.html",
        mime="text/html", icon=":material/download:", on_click="ignore",
    )  # fmt: skip
commands.show(
    ["workbench", "audit", str(opened.study.folder)],
    note=plain("Tables: Parquet files in the study's folder tables."),
)
