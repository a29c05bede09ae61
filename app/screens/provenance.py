"""How the study was made: stages with times, settings, hashes; audit, concepts, what is unexplained."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from app.data import Opened, current
from app.figures import table_file
from app.progress import watch
from app.tables import COLUMNS
from app.words import plain
from workbench import InputError
from workbench.ledger import read_events

MOST_LINES = 500
TABLES = {
    "Audit": ("audit", "Shortcuts that a feature may take; flags name those that it does."),
    "Copies": ("homology", "Scores with and without stretches that the training split holds too."),
    "Concepts": ("concepts", "How many features together say what a track says."),
    "Unexplained": ("unexplained", "Features with a structure and no annotation, best first."),
    "All scores": ("associations", "Every feature on every track, held-out scores."),
}


def results(opened: Opened) -> None:
    """Tables of the study, where they are."""
    for tab, (name, meaning) in zip(st.tabs(list(TABLES)), TABLES.values(), strict=True):
        with tab:
            try:
                table = opened.study.table(name)
            except InputError:
                st.info(f"This study has no table {name}: it is made by a newer run.")
                continue
            st.caption(f"{meaning} {len(table):,} rows.")
            rows = table.head(MOST_LINES)
            st.dataframe(rows, hide_index=True, height=360, column_config=COLUMNS)
            if len(table) > MOST_LINES:
                st.caption(f"The first {MOST_LINES:,} rows; the files below hold all.")
            table_file(table, name)


def log(opened: Opened) -> None:
    """Lines of the run log, newest first."""
    events = pd.DataFrame(read_events(opened.study.folder)[-MOST_LINES:][::-1])
    if events.empty:
        st.info("No run is logged.")
        return
    order = [
        c for c in ("time", "event", "stage", "shard", "seconds", "cause", "host") if c in events
    ]
    st.dataframe(events[order].astype({"event": str}), hide_index=True, height=300)


def origin(opened: Opened) -> None:
    """What the study was made from."""
    manifest = opened.evidence.manifest
    facts = {f"model {k}": str(v) for k, v in manifest.model.items()}
    facts |= {f"input {k}": str(v["sha256"]) for k, v in manifest.inputs.items()}
    facts |= {f"version {k}": str(v) for k, v in manifest.versions.items()}
    facts |= {"autoencoder": str(opened.evidence.sae["hash"]), "manifest": manifest.hash}
    st.dataframe(
        pd.DataFrame({"what": list(facts), "value": list(facts.values())}), hide_index=True
    )
    st.code(opened.evidence.settings, language="toml")


opened = current()
st.title("Runs and origin")
results(opened)
st.subheader("Stages")
watch(opened.study.folder)
st.subheader("Run log")
log(opened)
st.subheader("Origin")
origin(opened)
with st.expander("The command that makes this"):
    folder = shlex.quote(str(opened.study.folder))
    st.code(f"workbench status {folder}", language="bash")
    st.caption(plain("Tables: parquet files in the study's folder tables."))
