"""Which study is open, and its tables, read once and kept for all pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from app.words import plain
from workbench import InputError, Study
from workbench.report.context import Evidence, gather

VARIABLE = "WORKBENCH_STUDY"
"""Environment variable that names the study, where the command line does not."""


class Opened(NamedTuple):
    """A finished study and its tables."""

    study: Study
    evidence: Evidence


@st.cache_resource(max_entries=4, show_spinner="Reading the study's tables")
def _read(folder: str, stamp: tuple[int, ...]) -> Opened:
    """``stamp`` makes a study that was run again a new one."""
    study = Study.open(folder)
    return Opened(study, gather(study))


def open_study(folder: str) -> Opened:
    """Open a study whose tables are there. Raises ``InputError`` or ``ValueError`` with a sentence."""
    if not folder.strip():
        raise InputError("no study is open; type the path of a study's folder")
    path = Path(folder.strip()).expanduser()
    tables = sorted((path / "tables").glob("*")) if (path / "tables").is_dir() else []
    stamp = tuple(file.stat().st_mtime_ns for file in [*path.glob("*.json"), *tables])
    return _read(str(path.resolve()), stamp)


def named_folder() -> str:
    """Folder given on the command line, or by the environment variable; else empty."""
    entry = Path(__file__).with_name("main.py")
    started_here = bool(sys.argv[0]) and Path(sys.argv[0]).resolve() == entry
    if started_here and len(sys.argv) > 1:
        return sys.argv[1]
    return os.environ.get(VARIABLE, "")


def current() -> Opened:
    """The open study; where there is none, asks for one, says what is wrong, and ends the page."""
    folder = st.session_state.get("folder") or named_folder()
    try:
        opened = open_study(folder)
    except (InputError, ValueError) as error:
        _ask(folder, str(error))
        st.stop()
    st.sidebar.markdown(f"**{plain(opened.evidence.name)}**")
    model = opened.evidence.manifest.model
    st.sidebar.caption(plain(f"{model['name']}, {model['layer']}"))
    return opened


def _ask(folder: str, problem: str) -> None:
    st.title("Open a study")
    if folder:
        st.error(plain(problem))
    else:
        st.info(plain(problem))
    with st.form("open", border=False):
        typed = st.text_input("Folder of a study", value=folder)
        if st.form_submit_button("Open", type="primary"):
            st.session_state["folder"] = typed
            st.rerun()
    st.write("A study is made by `workbench demo`, or by `workbench new` and `workbench run`.")
