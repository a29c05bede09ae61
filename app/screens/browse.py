"""Features along the genome, over the annotation; the address holds all of it, a second view too."""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

import streamlit as st

from app import links
from app.canvas import modes
from app.canvas.browsing import client, features_query, on_brushed, on_moved, requested_view, seen_view
from app.canvas.component import canvas
from app.canvas.message import View, message
from app.canvas.pane import FIRST, Pane, panes
from app.canvas.panels import active_here, tables
from app.canvas.requests import Asking, on_asked
from app.canvas.work import on_worked, progress
from app.data.annotation import tracks
from app.data.own_files import KEY, MOST_BYTES, SUFFIXES, own_errors
from app.data.study import Opened, current, studies
from app.exports.downloads import (
    DATA,
    activations_file,
    downloads,
    equivalent_command,
    file_name,
    stem,
    too_long,
)
from app.exports.standalone import view_page
from app.navigation import show_in_sidebar
from app.verdict_text import plain
from workbench import InputError

# The canvas takes all of the page: its first line is beside Streamlit's button that unfolds the sidebar. What
# lies below is scrolled to. The canvas says itself that it waits; Streamlit would fade it and show a moving
# picture, for which the whole page is drawn again and again.
STYLE = """
[data-testid=stStatusWidget] {display: none}
[data-stale=true] {opacity: 1 !important; transition: none !important}
[data-testid=stMainBlockContainer] {padding: 0.55rem 0.75rem 2rem; max-width: none}
[data-testid=stHeader] {background: transparent; height: 2.8rem; min-height: 2.8rem}
[data-testid=stHeader], [data-testid=stHeader] * {pointer-events: none}
[data-testid=stHeader] button, [data-testid=stHeader] button * {pointer-events: auto}
[data-testid=stHeader] button {backdrop-filter: blur(8px)}
[class*=st-key-stage] {min-height: calc(100vh - 1.2rem)}
"""


# What the canvas asks for to have the view as a page by itself.
PAGE = "page"


def save(asking: Asking) -> dict[str, Any]:
    """The features in view, or one of them, as a file for the canvas to hand over."""
    view = asking.view
    if asking.text("format") == PAGE:
        data = base64.b64encode(view_page(asking.opened, view).encode()).decode()
        return {"file": {"name": f"{stem(view)}.html", "mime": "text/html", "data": data}}
    form = next((f for f in DATA if f.format == asking.text("format")), None)
    if form is None:
        raise InputError(f"format: expected one of {', '.join(f.format for f in DATA)}")
    if asking.event.get("feature") is not None:
        view = view._replace(features=[asking.number("feature")])
    if not view.features or too_long(view):
        raise InputError("no feature is drawn, or the view is too long for a file through the browser")
    data = base64.b64encode(activations_file(asking.opened, view, form)).decode()
    return {"file": {"name": file_name(view, form), "mime": form.mime, "data": data}}


def draw(opened: Opened, pane: Pane) -> None:
    """Draw everything that depends on a view; rerun alone when its canvas moves."""
    state, ready = st.session_state, tracks(opened)
    waited = state.get("waits_for_tracks", False)
    if (waited and ready.done()) or state.pop("panes_changed", False):
        state["waits_for_tracks"] = False
        st.rerun()
    error = ""
    try:
        view = requested_view(opened, links.parse_browse(pane.query()))
        state[pane.of("last")] = pane.query()
    except (InputError, ValueError) as fault:
        error = str(fault)
        view = seen_view(opened, pane)
    if pane is FIRST:
        show_in_sidebar({"at": str(view.locus), **features_query(view.features)})
    try:
        sent = message(opened, view, client(view, pane), more(pane, error))
    except InputError as fault:  # a file of features is damaged, or has gone
        st.error(plain(str(fault)))
        return
    asked = partial(on_asked, opened, pane, lambda kind: save if kind == "save" else modes.request(kind))
    worked = partial(on_worked, opened, pane, modes.work)
    modes.warm(opened, view)
    with st.container(key=f"stage{pane.name}"):
        canvas(sent, pane.key, partial(on_moved, pane), partial(on_brushed, pane), asked, worked)
    if not ready.done():
        st.caption("Reading the annotation for the first time; genes appear when it is done.")
    below(opened, view, pane)


def more(pane: Pane, error: str) -> dict[str, Any]:
    """What the canvas is told besides its view: the answer to its request, an error, studies to compare.

    Messages are numbered: one that equals the one before would not be sent, and the canvas take it for lost.
    """
    numbered = pane.of("messages")
    st.session_state[numbered] = st.session_state.get(numbered, 0) + 1
    return {
        "message": st.session_state[numbered],
        "answer": pane.take("answer"),
        "work": progress(pane),
        "error": error,
        "pane": pane.name,
        "linked": links.join_query({"study": pane.study}) + "&" if pane.study else "",
        "studies": [path.name for path in studies()[:20]],
        "formats": [[form.format, form.label] for form in DATA],
        "page": PAGE,
    }


def below(opened: Opened, view: View, pane: Pane) -> None:
    """Draw what stands below the canvas: the same view as tables and files."""
    active_here(opened, view, pane)
    tables(opened, view)
    if pane is FIRST:
        own_files(opened)
    downloads(opened, view, pane.key)
    equivalent_command(opened, view)


def own_files(opened: Opened) -> None:
    """Draw the box that takes a reader's own files, also those that are dropped on the canvas."""
    st.file_uploader(
        "Your own files beside it: BED, GFF3, bigWig, bedGraph, VCF. Dropped anywhere on this page, they are"
        " drawn for this session and are not stored in the study.",
        type=SUFFIXES,
        accept_multiple_files=True,
        key=KEY,
        max_upload_size=MOST_BYTES >> 20,
    )
    for said in own_errors(opened):
        st.error(plain(said))


st.set_page_config(initial_sidebar_state="collapsed")
st.html(f"<style>{STYLE}</style>")
opened = current()
waiting = not tracks(opened).done()
st.session_state["waits_for_tracks"] = waiting
shown = panes()
for place, pane in zip(st.columns(len(shown), gap="small"), shown, strict=True):
    pane.take("passed")
    with place:
        try:
            study = pane.opened(opened)
        except (InputError, ValueError) as error:  # of another study beside this one
            st.error(plain(str(error)))
            continue
        st.fragment(draw, run_every=0.7 if waiting else None)(study, pane)
