"""How the study was made: stages with times, run log, settings, hashes."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from app.data.study import Opened, current
from app.exports import commands
from app.figures import table_file
from app.setup.progress import watch
from workbench.study.ledger import read_events

MOST_LINES = 500


def log(opened: Opened) -> None:
    """Draw lines of the run log, newest first."""
    events = pd.DataFrame(read_events(opened.study.folder)[-MOST_LINES:][::-1])
    if events.empty:
        st.info("No run is logged.")
        return
    shown = events[["time", "event", "stage", "shard", "seconds", "cause", "host"]]
    st.dataframe(shown, hide_index=True, height=300)
    table_file(shown, "run_log")


def _short(name: str) -> str:
    kind, colon, path = name.partition(":")
    return f"{kind} {path.rsplit('/', 1)[-1]}" if colon else kind


def origin(opened: Opened) -> None:
    """Draw hashes, versions and settings of the study."""
    manifest = opened.evidence.manifest
    facts = {f"model {k}": str(v) for k, v in asdict(manifest.model).items()}
    # Names of inputs hold paths of this machine: only the files' own names are shown.
    facts |= {f"input {_short(k)}": v.sha256 for k, v in manifest.inputs.items()}
    facts |= {f"version {k}": str(v) for k, v in manifest.versions.items()}
    facts |= {"autoencoder": str(opened.evidence.sae["hash"]), "manifest": manifest.hash}
    shown = pd.DataFrame({"what": list(facts), "value": list(facts.values())})
    st.dataframe(shown, hide_index=True, height="content")
    table_file(shown, "origin")
    st.code(opened.evidence.settings, language="toml")


opened = current()
st.title("Runs and origin")
st.subheader("Stages")
watch(opened.study.folder)
st.subheader("Run log")
log(opened)
st.subheader("Origin")
origin(opened)
commands.show(commands.status(opened.study.folder), commands.run(opened.study.folder))
