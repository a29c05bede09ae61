"""Experiments: all of a study, one with its answer, or the form of a new one; the address says which."""

from __future__ import annotations

import streamlit as st

from app import links
from app.data.study import current
from app.experiments.answer import show_answer
from app.experiments.form import ask_new
from app.experiments.listing import list_all
from app.navigation import link
from app.verdict_text import plain
from workbench import InputError

opened = current()
name, kind = st.query_params.get("experiment", ""), st.query_params.get("new", "")
try:
    if name:
        show_answer(opened, name)
    elif kind:
        ask_new(opened, kind)
    else:
        list_all(opened)
except (InputError, OSError) as error:
    # Files of an experiment may go while it is shown.
    st.error(plain(str(error)))
    link(st.container(), links.experiments(), "All experiments", "arrow_back")
