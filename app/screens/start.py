"""Open a study, create one from files, follow its run."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import replace
from pathlib import Path

import streamlit as st

from app import links
from app.data.study import allowed, choose_study, home, studies
from app.navigation import link
from app.setup.progress import watch
from app.setup.settings import settings
from app.setup.uploads import (
    check_uploads,
    describe,
    estimate_button,
    samples_columns,
    suggested_name,
    taken_names,
    upload_boxes,
)
from app.verdict_text import plain
from workbench import InputError
from workbench.engines import background
from workbench.setup.demo_archive import shipped, unpack
from workbench.setup.uploads import Handed, take
from workbench.study.config import StudyConfig

DEMO, WHOLE = "demo", "demo-whole"
MOST_LISTED = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


def finished(folder: Path) -> bool:
    """Whether a study has a feature catalogue."""
    return (folder / "tables" / "catalog.parquet").exists()


def watch_here(panel: str) -> None:
    """Draw the run that is watched, where the button is that began it; else beside the studies."""
    if st.session_state.get("begun_at", "recent") == panel and (folder := watched()) is not None:
        watch(folder)


def open_here(folder: Path) -> None:
    """Go to a study's overview, or to its run where it is not finished."""
    choose_study(folder)
    if finished(folder):
        st.switch_page("screens/overview.py", query_params={"study": folder.name})
    st.query_params["study"] = folder.name
    st.rerun()


def demo() -> None:
    """Draw the prepared demo study, and the full one, which runs here."""
    ready, whole = home() / DEMO, home() / WHOLE
    with st.container(border=True):
        st.subheader("The demo study")
        here = finished(ready) or shipped() is not None
        st.write(
            "The first 250,000 bases of E. coli K-12 MG1655 with their genes, and 240 simulated samples."
            + (" Computed beforehand with a small autoencoder, so it opens at once." if here else "")
        )
        if finished(ready):
            link(
                st.container(),
                links.Address("overview", {"study": ready.name}),
                "Open the demo",
                "play_arrow",
            )
        elif here and st.button("Open the demo", type="primary", key="demo", icon=":material/play_arrow:"):
            with st.spinner("Unpacking the demo study"):
                open_here(unpack(ready).folder)
        label = "Open the whole demo" if finished(whole) else "Run the whole demo here"
        if st.button(label, key="whole_demo", type="tertiary"):
            if not finished(whole):
                background.start_demo(whole)
                st.session_state["watched"], st.session_state["begun_at"] = str(whole), "demo"
            open_here(whole)
        st.caption("The whole demo takes minutes and shows a run: progress, stop, resume.")
        watch_here("demo")


def recent() -> None:
    """Draw the list of studies, the last changed first."""
    with st.container(border=True):
        st.subheader("Recent studies")
        found = studies()
        if not found:
            st.caption("None yet: open the demo, or make one of your own below.")
        for place, folder in enumerate(found[:MOST_LISTED]):
            try:
                running = background.held(folder)
            except InputError:
                running = False  # said where the study is opened
            words = "ready" if finished(folder) else "running" if running else "not finished"
            day = time.strftime("%Y-%m-%d %H:%M", time.localtime(folder.stat().st_mtime))
            name, about = st.columns([3, 2], vertical_alignment="center")
            if finished(folder):
                link(
                    name, links.Address("overview", {"study": folder.name}), plain(folder.name), "folder_open"
                )
            elif name.button(plain(folder.name), key=f"study{place}", type="tertiary"):
                st.session_state["begun_at"] = "recent"
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
        watch_here("recent")


def make() -> None:
    """Draw the form for a new study by upload."""
    st.subheader("A study of your own")
    uploads = upload_boxes()
    config = settings()
    given = replace(config.input, rename=taken_names(uploads))
    config = replace(config, input=given, cohort=samples_columns(uploads))
    wrong = check_uploads(uploads, config)
    name = st.text_input(
        "Name of the study",
        suggested_name(uploads),
        max_chars=60,
        help="Letters, digits, - and _; a folder of this name.",
    )
    line = st.container(horizontal=True)
    run = line.button("Check the files and run", type="primary", key="make", disabled=bool(wrong))
    estimate_button(uploads, config, line)
    if run:
        if not _NAME.fullmatch(name):
            raise InputError(f"name {name!r}: expected letters, digits, - and _, as in my-plasmid")
        with st.spinner("Checking the files"):
            study, found = take(home() / name, uploads.files, config)
        background.start(study.folder)
        choose_study(study.folder)
        st.session_state["watched"], st.session_state["begun_at"] = str(study.folder), "make"
        st.query_params["study"] = study.folder.name
        st.toast(plain(f"{describe(found)} It runs now."))
        st.rerun()
    watch_here("make")
    _command(uploads.files, config, name)


def _command(files: list[Handed], config: StudyConfig, name: str) -> None:
    """Draw the commands that make the same study, with the uploaded files' names."""
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
    chosen += [f"--rename {shlex.quote(f'{old}={new}')}" for old, new in config.input.rename.items()]
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
    with st.expander("Equivalent command"):
        made = " ".join([f"workbench new {at} {listed}", *chosen])
        st.code(f"{made}\n{edit}workbench run {at}", language="bash")


def watched() -> Path | None:
    """The study whose run is shown: the one of the address, else the one begun last here."""
    requested = st.query_params.get("study", "")
    if requested:
        try:
            return allowed(requested)
        except InputError as error:
            begun = Path(st.session_state.get("watched", ""))
            if begun.name == requested:
                # A run that was begun a moment ago has not written its settings yet.
                return begun
            st.error(plain(str(error)))
    last = st.session_state.get("watched")
    return Path(last) if last else None


st.title("Genomics workbench")
st.write("What a DNA language model has learnt about a genome, feature by feature.")
left, right = st.columns(2)
for box, panel in ((left, demo), (right, recent), (st.container(), make)):
    with box:
        try:
            panel()
        except InputError as error:
            st.error(plain(str(error)), icon=":material/error:")
