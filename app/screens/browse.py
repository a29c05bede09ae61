"""Features along the genome, over the annotation; the address holds the whole view."""

from __future__ import annotations

import streamlit as st

from app.canvas.browsing import KEY, client, last_view, on_brushed, on_moved, requested_view
from app.canvas.component import canvas
from app.canvas.message import SIDES, View, message
from app.canvas.panels import active_here, tables
from app.canvas.toolbar import controls
from app.data.annotation import tracks
from app.data.study import Opened, current
from app.exports.downloads import downloads, equivalent_command
from app.reserve_height import reserve_height
from app.verdict_text import plain
from workbench import InputError

# Pixels that the boxes take on a wide screen, a canvas with nothing on it, and a track at least.
BOXES, STAGE, LANE = 250, 107, 24


def least_stage(view: View) -> int:
    """Pixels that the canvas has at least, as ``canvas/assets/paint.js`` lays it out."""
    half = 14 if view.request.draw == "heat" else 23
    strip = half * len(SIDES[view.request.strands]) + 7
    return STAGE + LANE * len(view.tracks) + strip * len(view.features)


def draw(opened: Opened) -> None:
    """Draw everything that depends on the view; rerun alone when the canvas moves."""
    ready = tracks(opened)
    waited = st.session_state.get("waits_for_tracks", False)
    if waited and ready.done():
        st.session_state["waits_for_tracks"] = False
        st.rerun()
    try:
        view = requested_view(opened)
        st.session_state["last_query"] = st.query_params.to_dict()
    except (InputError, ValueError) as error:
        st.error(plain(str(error)))
        view = last_view(opened)
    boxes, stage = st.container(key="boxes"), st.container(key="stage")
    reserve_height("boxes", BOXES)
    reserve_height("stage", least_stage(view))
    # What is written first is on its way first.
    with stage:
        canvas(message(opened, view, client(view)), KEY, on_moved, on_brushed)
    with boxes:
        controls(opened, view)
        if not ready.done():
            st.caption("Reading the annotation for the first time; genes appear when it is done.")
    if not view.features:
        st.info("No feature is drawn. Add one above, or select a region to list the features active in it.")
    active_here(opened, view)
    tables(opened, view)
    downloads(opened, view)
    equivalent_command(opened, view)


opened = current()
st.title("Browse")
waiting = not tracks(opened).done()
st.session_state["waits_for_tracks"] = waiting
st.fragment(draw, run_every=0.7 if waiting else None)(opened)
