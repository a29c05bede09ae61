"""Painting: the way from an experiment to the canvas that it was begun on, where its tables are drawn."""

from __future__ import annotations

import streamlit as st

from app import links
from app.data.study import Opened
from app.navigation import link
from app.verdict_text import plain
from workbench import InputError
from workbench.experiments.kind import Experiment
from workbench.study.history import read_history


def show_painting(opened: Opened, experiment: Experiment) -> None:
    """Draw a link to each node of the history whose experiment it is."""
    from workbench.experiments.brush import settings_of  # PyTorch

    study = opened.study
    try:
        nodes = read_history(study).nodes
    except InputError as error:
        st.caption(plain(str(error)))
        return
    line = st.container(horizontal=True)
    for node in nodes.values():
        # The node may have been given another experiment of this name since.
        if node.experiment == experiment.name and settings_of(study, node) == experiment.settings:
            ask = f"{node.number}:experiment"
            seen = links.browse("", str(node.place), mode="paint", ask=ask)
            link(line, seen, f"Node {node.number} on the canvas", "view_timeline")
