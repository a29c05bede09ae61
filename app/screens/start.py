"""Open a study, make one from files, watch it run."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from app.data import allowed, choose_study, home, studies
from app.progress import watch
from app.words import plain
from workbench import InputError, background
from workbench.config import ModelConfig, SAEConfig, StudyConfig, WindowConfig
from workbench.intake import KINDS, MOST_BYTES, MOST_UNPACKED, Handed, take

DEMO = "demo"
MOST_LISTED = 12
MOST_TRACKS = 20
_MIB = 1 << 20


def open_here(folder: Path) -> None:
    """Go to a study's overview, or to its run where it is not finished."""
    choose_study(folder)
    if (folder / "tables" / "catalog.parquet").exists():
        st.switch_page("screens/overview.py", query_params={"study": folder.name})
    st.query_params["study"] = folder.name


def demo() -> None:
    """The study of the sample genome."""
    folder = home() / DEMO
    with st.container(border=True):
        st.subheader("The demo study")
        st.write(
            "The chloroplast genome of Arabidopsis with its genes, and a simulated cohort of 240 samples."
        )
        if (folder / "tables" / "catalog.parquet").exists():
            if st.button("Open the demo", type="primary", key="demo"):
                open_here(folder)
        elif st.button("Make the demo", type="primary", key="demo"):
            background.start_demo(folder)
            choose_study(folder)
            st.session_state["watched"] = str(folder)
            st.rerun()
        else:
            st.caption("Made once on this machine, in some minutes; then it opens at once.")


def recent() -> None:
    """Studies that are here."""
    with st.container(border=True):
        st.subheader("Studies here")
        found = studies()
        if not found:
            st.caption("None yet: make the demo, or one of your own below.")
        for place, folder in enumerate(found[:MOST_LISTED]):
            ready = (folder / "tables" / "catalog.parquet").exists()
            words = folder.name if ready else f"{folder.name} (not finished)"
            if st.button(plain(words), key=f"study{place}", type="tertiary"):
                open_here(folder)
        with st.form("open", border=False):
            typed = st.text_input(
                "Name or path of a study",
                help="Only folders with a study.toml that lie in the folder of studies, or beside the study"
                " that the app was started with.",
            )
            if st.form_submit_button("Open"):
                try:
                    open_here(allowed(typed))
                except InputError as error:
                    st.error(plain(str(error)))


def _settings() -> tuple[str, StudyConfig]:
    name = st.text_input(
        "Name of the study", max_chars=60, help="Letters, digits, - and _; a folder of this name."
    )
    with st.expander("Model and settings"):
        model = st.text_input(
            "Model", "mini", help="mini ships with the project; `workbench models` lists others."
        )
        layer = st.text_input("Layer", "", help="Tap of the model; empty for its default.")
        left, middle, right = st.columns(3)
        width = left.number_input(
            "Features", 0, 65536, 0, help="Width of the autoencoder; 0 for 8 times the layer."
        )
        k = middle.number_input("Active a base (k)", 1, 256, 16)
        tokens = right.number_input(
            "Training bases", 20_000, 100_000_000, 4_000_000, step=100_000,
            help="Bases that the autoencoder sees; more is better and slower.",
        )  # fmt: skip
        window = left.number_input("Window", 128, 1_000_000, 2048, help="Bases read together.")
        warmup = middle.number_input(
            "Warm-up", 0, 100_000, 512, help="First bases of a window, thrown away."
        )
        random = right.checkbox(
            "Control: random weights",
            value=True,
            help="The same recipe on an untrained network. Without it, verdicts say less.",
        )
    config = StudyConfig()
    return name, replace(
        config,
        model=ModelConfig(name=model, layer=layer),
        windows=WindowConfig(window=int(window), warmup=int(warmup)),
        sae=replace(SAEConfig(), width=int(width), k=int(k), tokens=int(tokens)),
        controls=replace(config.controls, random_weights=random),
    )


def _uploads() -> list[Handed]:
    limit = MOST_BYTES // _MIB
    given: list[Handed] = []
    left, right = st.columns(2)
    # Endings are checked by the intake, with the sentence of the command line.
    genome: Any = left.file_uploader(
        f"Genome: {KINDS['genome'].words}", key="genome", max_upload_size=limit
    )
    tracks: Any = right.file_uploader(
        f"Annotation: {KINDS['track'].words}",
        accept_multiple_files=True,
        key="tracks",
        max_upload_size=limit,
    )
    variants: Any = left.file_uploader(
        "Variants of samples (VCF; optional)", key="variants", max_upload_size=limit
    )
    phenotypes: Any = right.file_uploader(
        "Phenotypes (table with a column sample; optional)",
        key="phenotypes",
        max_upload_size=limit,
    )
    for kind, file in (("genome", genome), ("variants", variants), ("phenotypes", phenotypes)):
        if file is not None:
            given.append(Handed(kind, file.name, file))
    given += [Handed("track", file.name, file) for file in tracks[:MOST_TRACKS]]
    st.caption(
        f"Plain or gzipped; at most {limit:,} MiB a file, {MOST_UNPACKED // _MIB:,} MiB unpacked,"
        f" {MOST_TRACKS} annotation files. Larger genomes: workbench new."
    )
    return given


def make() -> None:
    """A new study by upload."""
    st.subheader("A study of your own")
    given = _uploads()
    name, config = _settings()
    if not st.button("Check the files and run", type="primary", key="make"):
        return
    try:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name):
            raise InputError(f"name {name!r}: expected letters, digits, - and _, as in my-plasmid")
        with st.spinner("Checking the files"):
            study, found = take(home() / name, given, config)
        background.start(study.folder)
    except InputError as error:
        st.error(plain(str(error)))
        return
    choose_study(study.folder)
    st.query_params["study"] = study.folder.name
    bases = sum(found.contigs.values())
    listed = ", ".join(f"{track} ({count:,})" for track, count in found.tracks.items())
    st.success(
        plain(
            f"{len(found.contigs):,} contigs, {bases:,} bases. Tracks: {listed or 'none'}. It runs now."
        )
    )
    st.session_state["watched"] = str(study.folder)


def watched() -> Path | None:
    """The study whose run is shown: the one of the address, else the one begun last here."""
    asked = st.query_params.get("study", "")
    if asked:
        try:
            return allowed(asked)
        except InputError as error:
            if not st.session_state.get("watched"):
                st.error(plain(str(error)))
    begun = st.session_state.get("watched")
    return Path(begun) if begun else None


st.title("Genomics workbench")
st.write("What a DNA language model has learnt about a genome, feature by feature.")
place = st.container()
left, right = st.columns(2)
with left:
    demo()
with right:
    recent()
make()
with place:
    folder = watched()
    if folder is not None:
        watch(folder)
with st.expander("The command that makes this"):
    at = shlex.quote(str(home() / "my-study"))
    st.code(
        f"workbench new {at} --genome genome.fa --tracks genes.gff3\nworkbench run {at}",
        language="bash",
    )
