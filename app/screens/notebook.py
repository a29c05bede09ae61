"""All that readers wrote in the study, and a session: saved as one file, and restored from it."""

from __future__ import annotations

from functools import partial

import pandas as pd
import streamlit as st

from app import links
from app.canvas.pane import FIRST
from app.data.study import Opened, current
from app.exports import commands
from app.navigation import feature_links, link
from app.verdict_text import plain, short_label
from workbench import InputError
from workbench.study.session_file import (
    MOST,
    Session,
    parse_session,
    read_session,
    restore_session,
    session_text,
)
from workbench.wording import spoken

MOST_LINKS = 12


def saved(opened: Opened) -> Session:
    """What is written in the study, with the view that was looked at last."""
    now = {**st.session_state.get(FIRST.of("last"), {}), **FIRST.query()}
    kept = {key: text for key, text in now.items() if key not in ("study", "feature")}
    views = {"browse": links.join_query(kept)} if kept else {}
    return read_session(opened.study, views)


def written(opened: Opened, session: Session) -> None:
    """Draw notes, lists and bookmarks as tables."""
    notes = [
        (f, short_label(opened.evidence, f), n.name, n.rating, n.pinned, n.text, n.time)
        for f, n in sorted(session.notes.items())
        if f < len(opened.evidence.catalog)
    ]
    st.subheader("Names, ratings and notes of features")
    if notes:
        columns = ["feature", "label", "name", "rating", "pinned", "note", "written"]
        st.dataframe(pd.DataFrame(notes, columns=columns), hide_index=True, height="content")
        feature_links([row[0] for row in notes])
    else:
        st.info("None yet: they are written on the page of a feature.")
    st.subheader("Lists of features")
    if session.lists:
        rows = [
            (name, len(features), ", ".join(map(str, features))) for name, features in session.lists.items()
        ]
        table = pd.DataFrame(rows, columns=["list", "features", "numbers"])
        st.dataframe(table, hide_index=True, height="content")
    else:
        st.info("None yet: they are made on the page Atlas.")
    st.subheader("Bookmarks")
    if session.bookmarks:
        marks = [(spoken(*mark.place), mark.note) for mark in session.bookmarks]
        st.dataframe(pd.DataFrame(marks, columns=["place", "note"]), hide_index=True, height="content")
        line = st.container(horizontal=True)
        for mark in session.bookmarks[:MOST_LINKS]:
            words = plain(mark.note[:30] or spoken(*mark.place))
            link(line, links.browse("", str(mark.place)), words, "bookmark")
    else:
        st.info("None yet: they are made on the page Browse.")


def restore(opened: Opened) -> None:
    """Draw the box that takes a session file."""
    file = st.file_uploader(
        "Restore a session: what it holds is added; where both have a note or a list, the file's stays.",
        type=["json"], key="session_file", max_upload_size=MOST >> 20,
    )  # fmt: skip
    if file is None:
        return
    state = st.session_state
    if state.get("session_read") != file.file_id:
        state["session_read"], state["session_found"] = (
            file.file_id,
            _restored(opened, file.name, file.getvalue()),
        )
    found = state["session_found"]
    if isinstance(found, str):
        st.error(plain(found))
        return
    st.success(f"Restored: {found}.")
    if view := found.views.get("browse"):
        query = {key: text for key, text in links.split_query(view).items() if key != "study"}
        link(st.container(), links.Address("browse", query), "Open the view that was saved", "view_timeline")


def _restored(opened: Opened, name: str, data: bytes) -> Session | str:
    """The session of a file once it is in the study; a sentence where it cannot be."""
    try:
        found = parse_session(opened.study, data.decode("utf-8", "replace"), name)
        restore_session(opened.study, found)
    except InputError as error:
        return str(error)
    return found


opened = current()
st.title("Notebook")
try:
    left, right = st.columns([5, 2], vertical_alignment="bottom")
    with left:
        restore(opened)
    session = saved(opened)
    right.download_button(
        "Save session", partial(session_text, opened.study, session), mime="application/json",
        file_name=f"{opened.evidence.name}.session.json", key="save_session", icon=":material/save:",
        help="Names, ratings, notes, lists, bookmarks and the view that was looked at last, as one file.",
        on_click="ignore",
    )  # fmt: skip
    written(opened, session)
except InputError as error:
    st.error(plain(str(error)))
commands.show(commands.session(opened.study.folder))
