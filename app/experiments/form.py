"""The page that asks something new: a form of one kind's settings, a check, and the run."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import links
from app.data.study import Opened
from app.experiments.command import asking, run_question
from app.experiments.fields import Box, Refusal, boxes, draw, read
from app.exports import commands
from app.navigation import link
from app.verdict_text import plain
from workbench import InputError
from workbench.engines import background
from workbench.experiments.question import FOLDER, folder_of
from workbench.wording import plural

COLUMNS = 3
# Settings that an address fills in under another name: the feature that is looked at goes along.
_ALONG = {"features": "feature"}


def ask_new(opened: Opened, kind: str) -> None:
    """Draw the form of a kind. Raises ``InputError`` for a kind that there is not."""
    from workbench.experiments.registry import KINDS  # PyTorch

    if kind not in KINDS:
        raise InputError(f"kind of experiment {kind!r}: expected one of {', '.join(KINDS)}")
    asked = KINDS[kind]
    link(st.container(), links.experiments(), "All experiments", "arrow_back")
    st.title(f"New: {asked.title}")
    on_top = st.empty()
    name = st.text_input(
        "name", _free_name(opened, kind), key=f"{kind}/name", max_chars=80, width=360,
        help="Name of the experiment, a folder in experiments/ of the study.",
    )  # fmt: skip
    # What has no default, and so has to be chosen, first.
    listed = sorted(boxes(asked.settings), key=lambda box: box.default not in ("", []))
    held: dict[str, Any] = {}
    below: dict[str, DeltaGenerator] = {}
    for begin in range(0, len(listed), COLUMNS):
        row = listed[begin : begin + COLUMNS]
        for place, box in zip(st.columns(COLUMNS), row, strict=False):
            begun = st.query_params.get(_ALONG.get(box.key, box.key))
            held[box.key] = draw(place, box, opened, f"{kind}/{box.key}", begun)
            below[box.key] = place.empty()
    line = st.container(horizontal=True)
    check = line.button("Check", key="check", icon=":material/fact_check:")
    start = line.button("Check and start", key="start", type="primary", icon=":material/play_arrow:")
    try:
        settings = asked.settings(**_read_all(listed, held, opened))
        if start:
            _start(opened, kind, name, settings)
        if check:
            _say_size(opened, kind, name, settings)
        _command(opened, kind, name, settings)
    except InputError as error:
        if start or check:
            key = error.key if isinstance(error, Refusal) else _named(str(error), kind)
            below.get(key, on_top).error(plain(str(error)))


def _read_all(listed: list[Box], held: dict[str, Any], opened: Opened) -> dict[str, Any]:
    values: dict[str, Any] = {}
    # Those that are made of others last.
    for box in sorted(listed, key=lambda box: box.of == "plan"):
        values[box.key] = read(box, held[box.key], opened, values)
    return values


def _named(text: str, kind: str) -> str:
    """The setting that a sentence of a check begins with; empty where it begins otherwise."""
    found = re.match(rf"{kind}: ([a-z_]+) ", text)
    return found[1] if found else ""


def _free_name(opened: Opened, kind: str) -> str:
    taken, number, name = opened.study.folder / FOLDER, 1, kind
    while (taken / name).exists():
        number += 1
        name = f"{kind}-{number}"
    return name


def _say_size(opened: Opened, kind: str, name: str, settings: Any) -> None:
    from workbench.experiments.registry import KINDS, propose  # PyTorch

    with st.spinner("Checking it against the study"):
        _, shards = propose(opened.study, name, kind, settings)
    size = sum(shard.size for shard in shards)
    st.success(f"It can be asked: {plural(len(shards), 'piece')} of work, about {size:,} {KINDS[kind].unit}.")


def _start(opened: Opened, kind: str, name: str, settings: Any) -> None:
    from workbench.experiments.registry import create_experiment  # PyTorch

    with st.spinner("Checking it against the study"):
        create_experiment(opened.study, name, kind, settings)
    background.start_experiment(opened.study, name)
    address = links.experiments(name=name)
    st.switch_page(address.file, query_params=address.query)


def _command(opened: Opened, kind: str, name: str, settings: Any) -> None:
    folder_of(opened.study, name)
    words = asking(opened.study, kind, name, settings)
    folder = opened.study.folder
    note = (
        f"The last one runs what experiments/{name}/question.toml asks, which the form, or --later, writes."
    )
    commands.show(*([words] if words else []), run_question(folder, name), note=plain(note))
