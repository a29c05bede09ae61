"""All experiments of a study, the last asked first, and what else can be asked."""

from __future__ import annotations

import time

import streamlit as st

from app import links
from app.data.study import Opened
from app.experiments.standing import state_of
from app.exports import commands
from app.navigation import link
from app.verdict_text import plain
from workbench.experiments.question import QUESTION, folder_of
from workbench.wording import plural

MOST_LISTED = 60
_WIDTHS = [3, 3, 2, 2]


def list_all(opened: Opened) -> None:
    """Draw the list, and a link to the form of every kind."""
    from workbench.experiments.registry import KINDS, experiments  # PyTorch

    study = opened.study
    st.title("Experiments")
    st.caption("Questions put to the model of this study. Each is kept in its folder experiments.")
    asked = {name: folder_of(study, name) / QUESTION for name in experiments(study)}
    when = {name: path.stat().st_mtime for name, path in asked.items()}
    names = sorted(asked, key=lambda name: -when[name])
    if not names:
        st.info("None yet. Ask one:", icon=":material/help:")
    else:
        for place, title in zip(st.columns(_WIDTHS), ("name", "kind", "state", "asked"), strict=True):
            place.caption(title)
    for name in names[:MOST_LISTED]:
        state = state_of(study, name)
        called, of, how, day = st.columns(_WIDTHS, vertical_alignment="center")
        link(called, links.experiments(name=name), name, "experiment")
        of.markdown(plain(state.kind.name) if state.kind else "?")
        how.markdown(state.word, help=plain(state.said) or None)
        day.markdown(time.strftime("%Y-%m-%d %H:%M", time.localtime(when[name])))
    if len(names) > MOST_LISTED:
        st.caption(f"The last {MOST_LISTED} of {plural(len(names), 'experiment')}; the command lists all.")
    st.subheader("Ask")
    columns = st.columns(2)
    for number, kind in enumerate(KINDS.values()):
        label = f"{kind.name}: {kind.title}"
        link(columns[number % 2], links.experiments(new=kind.name), plain(label), "add")
    commands.show(["workbench", "experiments", str(study.folder)])
