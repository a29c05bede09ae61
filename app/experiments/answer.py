"""The page of one experiment: its run, pictures of its kind, tables, files, its own page, the command."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from app import links
from app.data.study import Opened
from app.experiments.command import asking, run_question
from app.experiments.page_frame import page_frame
from app.experiments.standing import offer_removal, state_of, watch
from app.experiments.views import VIEWS
from app.exports import commands
from app.figures import table_file
from app.navigation import link
from app.tables import COLUMNS
from app.verdict_text import plain
from workbench import InputError
from workbench.experiments.kind import Experiment
from workbench.experiments.question import QUESTION, folder_of
from workbench.files.atomic import open_own
from workbench.files.parquet import read_parquet
from workbench.wording import NOT_VALIDATED, plural

MOST_ROWS = 500
# Bytes of a page that is shown here, and of a file that is handed over.
MOST_SHOWN, MOST_BYTES = 20 << 20, 200 << 20
MOST_FILES = 40


def show_answer(opened: Opened, name: str) -> None:
    """Draw an experiment. Raises ``InputError`` for a name that none has."""
    from workbench.experiments.registry import open_experiment  # PyTorch

    folder = folder_of(opened.study, name)
    link(st.container(), links.experiments(), "All experiments", "arrow_back")
    if not (folder / QUESTION).is_file():
        raise InputError(f"{name}: the study has no experiment of this name")
    st.title(plain(name))
    state = state_of(opened.study, name)
    if state.kind is not None:
        said = NOT_VALIDATED.capitalize()
        st.caption(f"{plain(state.kind.title.capitalize())}. {said}.")
    if state.word != "done":
        watch(opened, name, state.word == "running")
    if state.kind is None:
        offer_removal(opened, name)
        return
    experiment = open_experiment(opened.study, name)
    if state.word == "done":
        view = VIEWS.get(state.kind.name)
        if view:
            view(opened, experiment)
        _tables(experiment)
        _page(experiment)
        _files(experiment)
    _question(opened, experiment)
    if state.word != "running":
        offer_removal(opened, name)


def _tables(experiment: Experiment) -> None:
    """Draw the tables of the answer, each in a tab."""
    paths = sorted(experiment.folder.glob("*.parquet"))
    if not paths:
        return
    st.subheader("Tables")
    for tab, path in zip(st.tabs([path.stem.replace("_", " ") for path in paths]), paths, strict=True):
        with tab:
            table = read_parquet(path)
            _say_rows(table)
            order = [column for column in table if column not in _lists(table)]
            st.dataframe(table[order].head(MOST_ROWS), hide_index=True, height=300, column_config=COLUMNS)
            if len(table) > MOST_ROWS:
                st.caption(f"The first {MOST_ROWS:,} rows; the files hold all.")
            table_file(table, f"{experiment.name}_{path.stem}", f"{NOT_VALIDATED}; {_origin(experiment)}")


def _lists(table: pd.DataFrame) -> list[str]:
    """Columns whose cells are arrays: they are in the files alone."""
    objects = table.select_dtypes("object")
    return [
        str(name) for name in objects if any(hasattr(cell, "__array__") for cell in objects[name].head(1))
    ]


def _say_rows(table: pd.DataFrame) -> None:
    said = [plural(len(table), "row")]
    if {"place", "position", "start"} & set(table):
        said.append("Places count from 0, an end is not included")
    if lists := _lists(table):
        said.append(f"In the files also {', '.join(lists)}")
    st.caption(plain(". ".join([*said, NOT_VALIDATED.capitalize()]) + "."))


def _origin(experiment: Experiment) -> str:
    """What an answer is of, on one line."""
    subject = experiment.question.subject
    words = [f"experiment {experiment.name}", f"model {subject.model}", f"layer {subject.layer}"]
    return ", ".join(words + ([f"autoencoder {subject.autoencoder}"] if subject.autoencoder else []))


def _bytes(path: Path) -> bytes:
    with open_own(path, "rb") as handle:
        found: bytes = handle.read()
    return found


def _page(experiment: Experiment) -> None:
    """Draw the page that opens anywhere, shut off from the app, and its file."""
    path = experiment.folder / "page.html"
    if not path.is_file():
        return
    st.subheader("Page")
    name = f"{experiment.study.folder.name}.{experiment.name}.html"
    st.download_button(
        "Download the page", partial(_bytes, path), file_name=name, mime="text/html",
        icon=":material/download:", on_click="ignore", key="page_file",
    )  # fmt: skip
    if path.stat().st_size <= MOST_SHOWN:
        page_frame(_bytes(path).decode("utf-8", "replace"), f"page/{experiment.name}")
    else:
        st.caption("It is too large to be shown here.")


def _files(experiment: Experiment) -> None:
    """Draw what else the experiment left, to be handed over."""
    known = {QUESTION, "page.html"}
    paths = [p for p in sorted(experiment.folder.iterdir()) if p.is_file() and p.name not in known]
    paths = [p for p in paths if p.suffix != ".parquet" and not p.name.startswith(".")]
    if not paths:
        return
    with st.expander("Other files"):
        line = st.container(horizontal=True)
        for path in paths[:MOST_FILES]:
            if path.stat().st_size > MOST_BYTES:
                st.caption(plain(f"{path.name} is large: take it from {path.parent}"))
                continue
            line.download_button(
                plain(path.name), partial(_bytes, path), file_name=path.name, type="tertiary",
                icon=":material/download:", on_click="ignore", key=f"file/{path.name}",
            )  # fmt: skip


def _question(opened: Opened, experiment: Experiment) -> None:
    """Draw the question's file, and the commands that answer it."""
    name, folder = experiment.name, opened.study.folder
    with st.expander("Question"):
        text = _bytes(experiment.folder / QUESTION)
        st.code(text.decode("utf-8", "replace"), language="toml")
        st.download_button(
            QUESTION, text, file_name=f"{name}.{QUESTION}", on_click="ignore", type="tertiary",
            icon=":material/download:", key="question_file",
        )  # fmt: skip
    words = asking(opened.study, experiment.question.kind, name, experiment.settings)
    note = f"The last one runs what experiments/{name}/question.toml asks; copied to another study, there."
    commands.show(*([words] if words else []), run_question(folder, name), note=plain(note))
