"""Open a study, make one from files, watch it run."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import replace
from pathlib import Path

import streamlit as st

from app.data import allowed, choose_study, home, studies
from app.progress import watch
from app.settings import settings
from app.uploads import boxes, said, samples_columns, suggested_name, verdict
from app.words import plain
from workbench import InputError, background
from workbench.config import StudyConfig
from workbench.demo_study import shipped, unpack
from workbench.intake import Handed, take

DEMO, WHOLE = "demo", "demo-whole"
MOST_LISTED = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


def finished(folder: Path) -> bool:
    """Whether a study's features can be looked at."""
    return (folder / "tables" / "catalog.parquet").exists()


def open_here(folder: Path) -> None:
    """Go to a study's overview, or to its run where it is not finished."""
    choose_study(folder)
    if finished(folder):
        st.switch_page("screens/overview.py", query_params={"study": folder.name})
    st.query_params["study"] = folder.name
    st.rerun()


def demo() -> None:
    """The study of the sample genome, ready; and the whole one, which runs here."""
    ready, whole = home() / DEMO, home() / WHOLE
    with st.container(border=True):
        st.subheader("The demo study")
        here = finished(ready) or shipped() is not None
        st.write(
            "The chloroplast genome of Arabidopsis with its genes, and 240 simulated samples."
            + (
                " Computed beforehand with a small autoencoder, so it opens at once."
                if here
                else ""
            )
        )
        if here and st.button(
            "Open the demo", type="primary", key="demo", icon=":material/play_arrow:"
        ):
            with st.spinner("Unpacking the demo study"):
                open_here(ready if finished(ready) else unpack(ready).folder)
        label = "Open the whole demo" if finished(whole) else "Run the whole demo here"
        if st.button(label, key="whole_demo", type="tertiary"):
            if not finished(whole):
                background.start_demo(whole)
                st.session_state["watched"] = str(whole)
            open_here(whole)
        st.caption("The whole demo takes minutes and shows a run: progress, stop, go on.")


def recent() -> None:
    """Studies that are here, the last changed first."""
    with st.container(border=True):
        st.subheader("Recent studies")
        found = studies()
        if not found:
            st.caption("None yet: open the demo, or make one of your own below.")
        for place, folder in enumerate(found[:MOST_LISTED]):
            running = background.held(folder)
            words = "ready" if finished(folder) else "running" if running else "not finished"
            day = time.strftime("%Y-%m-%d %H:%M", time.localtime(folder.stat().st_mtime))
            name, about = st.columns([3, 2], vertical_alignment="center")
            if name.button(plain(folder.name), key=f"study{place}", type="tertiary"):
                open_here(folder)
            about.caption(f"{words}, {day}")
        with st.form("open", border=False):
            typed = st.text_input(
                "Name or path of a study",
                help="Only folders with a study.toml that lie in the folder of studies, or beside the study"
                " that the app was started with.",
            )
            if st.form_submit_button("Open"):
                open_here(allowed(typed))


def make() -> None:
    """A new study by upload."""
    st.subheader("A study of your own")
    given = boxes()
    config = settings()
    config = replace(config, cohort=samples_columns(given))
    wrong = verdict(given, config)
    name = st.text_input(
        "Name of the study",
        suggested_name(given),
        max_chars=60,
        help="Letters, digits, - and _; a folder of this name.",
    )
    if st.button("Check the files and run", type="primary", key="make", disabled=bool(wrong)):
        if not _NAME.fullmatch(name):
            raise InputError(f"name {name!r}: expected letters, digits, - and _, as in my-plasmid")
        with st.spinner("Checking the files"):
            study, found = take(home() / name, given.files, config)
        background.start(study.folder)
        choose_study(study.folder)
        st.session_state["watched"] = str(study.folder)
        st.query_params["study"] = study.folder.name
        st.toast(plain(f"{said(found)} It runs now."))
        st.rerun()
    _command(given.files, config, name)


def _command(files: list[Handed], config: StudyConfig, name: str) -> None:
    """The commands that make the same study, with the names of the files as they were given."""
    at = shlex.quote(str(home() / (name if _NAME.fullmatch(name) else "my-study")))
    words = {"genome": "--genome", "track": "--tracks", "variants": "--variants"}
    words |= {"phenotypes": "--phenotypes"}
    listed = " ".join(f"{words[f.kind]} {shlex.quote(f.name)}" for f in files)
    listed = listed or "--genome genome.fa --tracks genes.gff3"
    usual, chosen = StudyConfig(), []
    if config.model.layer:
        chosen.append(f"--layer {config.model.layer}")
    if config.model.name != usual.model.name:
        chosen.append(f"--model {config.model.name}")
    for key in ("width", "k", "tokens", "seeds"):
        if getattr(config.sae, key) != getattr(usual.sae, key):
            chosen.append(f"--{key} {getattr(config.sae, key)}")
    by_hand = [
        f"{section}.{key} = {getattr(ours, key)}"
        for section, ours, theirs, keys in (
            ("windows", config.windows, usual.windows, ("window", "warmup")),
            ("sae", config.sae, usual.sae, ("batch",)),
            ("controls", config.controls, usual.controls, ("random_weights",)),
            ("cohort", config.cohort, usual.cohort, ("phenotype", "covariates", "groups")),
        )
        for key in keys
        if getattr(ours, key) != getattr(theirs, key)
    ]
    edit = f"# in {at}/study.toml: {'; '.join(by_hand)}\n" if by_hand else ""
    with st.expander("The command that makes this"):
        made = " ".join([f"workbench new {at} {listed}", *chosen])
        st.code(f"{made}\n{edit}workbench run {at}", language="bash")


def watched() -> Path | None:
    """The study whose run is shown: the one of the address, else the one begun last here."""
    asked = st.query_params.get("study", "")
    if asked:
        try:
            return allowed(asked)
        except InputError as error:
            begun = Path(st.session_state.get("watched", ""))
            if begun.name == asked:
                # A run that was begun a moment ago has not written its settings yet.
                return begun
            st.error(plain(str(error)))
    last = st.session_state.get("watched")
    return Path(last) if last else None


st.title("Genomics workbench")
st.write("What a DNA language model has learnt about a genome, feature by feature.")
place = st.container()
left, right = st.columns(2)
for box, panel in ((left, demo), (right, recent), (st.container(), make)):
    with box:
        try:
            panel()
        except InputError as error:
            st.error(plain(str(error)), icon=":material/error:")
with place:
    folder = watched()
    if folder is not None:
        watch(folder)
