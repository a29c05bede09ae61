"""Features along the genome, over the annotation; the address holds the whole view."""

from __future__ import annotations

import streamlit as st

from app.browsing import KEY, asked, client, on_brushed, on_moved, write_address
from app.canvas import canvas
from app.data import Opened, current
from app.downloads import downloads
from app.lanes import tracks
from app.panels import command, fires_here, tables
from app.room import keep_room
from app.scene import SIDES, Shown, message
from app.toolbar import controls, place_box
from app.words import plain
from workbench import InputError

# Pixels that the boxes take on a wide screen, a canvas with nothing on it, and a track at least.
BOXES, STAGE, LANE = 250, 107, 24


def least_stage(shown: Shown) -> int:
    """Pixels that the canvas has at least, as ``component/paint.js`` lays it out."""
    half = 14 if shown.view.draw == "heat" else 23
    strip = half * len(SIDES[shown.view.strands]) + 7
    return STAGE + LANE * len(shown.tracks) + strip * len(shown.features)


def view(opened: Opened) -> None:
    """Everything that follows the view; runs by itself when the canvas moves."""
    ready = tracks(opened)
    waited = st.session_state.get("waits_for_tracks", False)
    if waited and ready.done():
        st.session_state["waits_for_tracks"] = False
        st.rerun()
    try:
        shown = asked(opened)
    except (InputError, ValueError) as error:
        place_box(opened, None)
        st.error(plain(str(error)))
        return
    boxes, stage = st.container(key="boxes"), st.container(key="stage")
    keep_room("boxes", BOXES)
    keep_room("stage", least_stage(shown))
    # What is written first is on its way first.
    with stage:
        canvas(message(opened, shown, client(shown)), KEY, on_moved, on_brushed)
    with boxes:
        controls(opened, shown)
        if not ready.done():
            st.caption("Reading the annotation for the first time; genes appear when it is done.")
    if not shown.features:
        st.info("No feature is drawn. Add one above, or select a stretch to see what fires there.")
    fires_here(opened, shown)
    tables(opened, shown)
    downloads(opened, shown)
    command(opened, shown)


opened = current()
st.title("Browse")
waiting = not tracks(opened).done()
st.session_state["waits_for_tracks"] = waiting
write_address()
st.fragment(view, run_every=0.7 if waiting else None)(opened)
