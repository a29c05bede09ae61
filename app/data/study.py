"""Which study is open, and its tables, read once and kept for all pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import streamlit as st

from app.navigation import put
from app.verdict_text import plain
from genomic_models.files import expanded
from workbench import InputError, Study
from workbench.browse.value_scale import ValueScale, read_scale
from workbench.report.context import Evidence, gather
from workbench.setup.uploads import is_study
from workbench.study.damage import refuse_damage

# Environment variable that names the folder of studies made here.
HOME = "WORKBENCH_STUDIES"
# Environment variable that names the study, where the command line does not.
VARIABLE = "WORKBENCH_STUDY"


class Opened(NamedTuple):
    """A finished study and its tables."""

    study: Study
    evidence: Evidence


@st.cache_resource(max_entries=4, show_spinner="Reading the study's tables")
def _read(folder: str, stamp: tuple[int, ...]) -> Opened:
    """``stamp`` makes a study that was run again a new one."""
    study = Study.open(folder)
    refuse_damage(study)
    return Opened(study, gather(study))


def open_study(folder: str) -> Opened:
    """Open a study whose tables are there. Raises ``InputError`` or ``ValueError`` with a sentence."""
    if not folder.strip():
        raise InputError("no study is open; choose one on the start page")
    path = expanded(folder.strip())
    try:
        files = [*path.glob("*.json"), *sorted((path / "tables").glob("*"))]
        stamp = tuple(file.stat().st_mtime_ns for file in files)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return _read(str(path.resolve()), stamp)


def key_of(opened: Opened) -> tuple[str, ...]:
    """Key of a study's cached values; a new run of the study changes it."""
    folder = opened.study.folder
    names = ("manifest.json", "tables/catalog.parquet", "tables/tracks.parquet")
    times = (str((folder / name).stat().st_mtime_ns) for name in names)
    return str(folder), opened.evidence.sae["hash"], *times


@st.cache_resource(max_entries=4, show_spinner=False)
def _table(_opened: Opened, key: tuple[str, ...], name: str) -> pd.DataFrame | None:
    try:
        return _opened.study.table(name)
    except InputError:
        return None


def table(opened: Opened, name: str) -> pd.DataFrame | None:
    """A table of the study, read once; None where the study has none of this name."""
    return _table(opened, key_of(opened), name)


@st.cache_resource(max_entries=4, show_spinner=False)
def _scale(_opened: Opened, key: tuple[str, ...]) -> ValueScale:
    return read_scale(_opened.study, _opened.evidence.catalog)


def scale(opened: Opened) -> ValueScale:
    """On what scale features' values are shown, read once."""
    return _scale(opened, key_of(opened))


def named_folder() -> str:
    """Folder given on the command line, or by the environment variable; else empty."""
    entry = Path(__file__).parents[1] / "main.py"
    started_here = bool(sys.argv[0]) and Path(sys.argv[0]).resolve() == entry
    if started_here and len(sys.argv) > 1:
        return sys.argv[1]
    return os.environ.get(VARIABLE, "")


def home() -> Path:
    """Where studies made here are kept."""
    given = os.environ.get(HOME)
    return Path(given).resolve() if given else Path.home() / "genomics-studies"


def roots() -> list[Path]:
    """Folders whose studies may be opened by name or address."""
    named = named_folder()
    beside = [expanded(named).resolve().parent] if named else []
    return list(dict.fromkeys([home().resolve(), *beside]))


def allowed(text: str) -> Path:
    """The folder of a study that a box or an address names.

    It must hold ``study.toml`` and lie directly in one of `roots` (links followed first); a name without
    slashes is looked up there. Raises ``InputError`` with the same sentence for whatever is elsewhere,
    there or not.
    """
    text = text.strip()
    given = expanded(text)
    places = [given] if given.is_absolute() else [root / given for root in roots()]
    for place in places:
        try:
            path = place.resolve()
            if path.parent in roots() and is_study(path):
                return path
        except (OSError, ValueError):
            continue
    listed = " and ".join(str(root) for root in roots())
    raise InputError(f"{text!r}: no study of this name; studies are opened from {listed}")


def studies() -> list[Path]:
    """Studies of `roots`, the last changed first."""
    found = [p for root in roots() if root.is_dir() for p in root.iterdir() if is_study(p)]
    return sorted(set(found), key=lambda p: -p.stat().st_mtime)


def chosen_folder() -> str:
    """The study of the address, else the session's, else the one that the command named.

    Raises ``InputError`` for an address that names none.
    """
    requested = st.query_params.get("study", "")
    if requested:
        st.session_state["folder"] = str(allowed(requested))
    return str(st.session_state.get("folder") or named_folder())


def choose_study(folder: Path) -> None:
    """Open a study for this session."""
    st.session_state["folder"] = str(folder)


def current() -> Opened:
    """The open study; where there is none, shows why and ends the page."""
    try:
        folder = chosen_folder()
        opened = open_study(folder)
    except (InputError, ValueError) as error:
        st.title("No study here yet")
        st.info(plain(str(error)))
        st.page_link("screens/start.py", label="Open or make a study", icon=":material/folder_open:")
        st.stop()
    if folder != named_folder():
        # Only where it changes: what is set is sent, and may reach the browser before the new page's path.
        put(study=opened.study.folder.name)
    st.sidebar.markdown(f"**{plain(opened.evidence.name)}**")
    model = opened.evidence.manifest.model
    st.sidebar.caption(plain(f"{model.shown_name}, {model.layer}"))
    return opened
