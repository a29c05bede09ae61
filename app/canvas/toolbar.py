"""Boxes above the canvas: locus, features, tracks, threshold, strands and drawing style."""

from __future__ import annotations

import streamlit as st

from app.canvas.browsing import (
    MOST_FEATURES,
    MOST_TRACKS,
    features_query,
    leave_canvas,
    read_text,
    show_features,
    show_tracks,
)
from app.canvas.message import View
from app.data.annotation import tracks
from app.data.searches import find_features
from app.data.study import Opened
from app.links import DRAWN, STRANDS
from app.navigation import put
from app.verdict_text import plain, short_label
from workbench import InputError
from workbench.browse.variant_tracks import COHORT
from workbench.wording import plural, spoken

# Features that a search shows at most.
FOUND = 20
_STRAND_WORDS = {"both": "both strands", "+": "plus", "-": "minus"}


def place_box(opened: Opened, view: View) -> None:
    """Draw the box for a locus; a feature typed there is added to the canvas."""
    words = spoken(*view.locus)
    state = st.session_state
    # Only where the view has moved: what someone is typing just now must stay.
    if "place" not in state or state.get("place_shown") != words:
        state["place"] = state["place_shown"] = words
    st.text_input(
        "Locus",
        key="place",
        on_change=_typed,
        args=(opened, view),
        help="contig:first-last or first..last, a single position (the first base is number 1), a contig, a"
        " gene, locus tag or product, or the beginning of one, or a feature, as in: feature 12",
    )
    if error := state.get("place_error"):
        st.error(plain(error))


def _typed(opened: Opened, view: View) -> None:
    state = st.session_state
    try:
        at, feature = read_text(opened, state["place"], view.locus.chrom)
    except InputError as error:
        state["place_error"] = str(error)
        return
    state.pop("place_error", None)
    state["place_shown"] = ""
    leave_canvas()
    drawn = {}
    if feature is not None and feature not in view.features:
        drawn = features_query([*view.features, feature][-MOST_FEATURES:])
    put(at=str(at), brush="", **drawn)


def controls(opened: Opened, view: View) -> None:
    """Draw the boxes for the locus, features, tracks and drawing style."""
    place, features, find = st.columns([4, 6, 3], vertical_alignment="top")
    with place:
        place_box(opened, view)
    words = find.text_input(
        "Find features",
        key="find_features",
        placeholder="stop, TATAAT, rpoB, 12",
        help="By any track that a feature goes with, its label or your note, IUPAC letters of a motif, a"
        " gene, locus tag or product where it is active, or its number. The box on the left offers it.",
    )
    hits = find_features(opened, words).head(FOUND) if words.strip() else None
    found = [] if hits is None else hits["feature"].astype(int).tolist()
    with features:
        _feature_box(opened, view, found)
    if words and not found:
        find.caption("No feature is found by this number, track, motif or gene.")
    elif hits is not None:
        find.caption(
            plain(f"{plural(len(found), 'feature')}; the best: {found[0]}, {hits['found_by'].iloc[0]}")
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        _track_box(opened, view)
        st.session_state["draw"] = view.request.draw
        st.segmented_control(
            "Draw", DRAWN, key="draw", on_change=_set, args=("draw", "signal"), width="content"
        )
        st.session_state["strands"] = view.request.strands
        st.segmented_control(
            "Strand read",
            STRANDS,
            key="strands",
            format_func=lambda s: _STRAND_WORDS[s],
            on_change=_set,
            args=("strands", "both"),
            help="The strand that the model read; both are drawn unless one is chosen.",
            width="content",
        )
        st.session_state["threshold"] = view.request.threshold
        st.slider(
            "Hide below",
            0.0,
            1.0,
            step=0.05,
            key="threshold",
            format="percent",
            on_change=_set,
            args=("threshold", 0.0),
            help="Share of a feature's full scale: the value that 99.9 % of its active bases do not reach.",
            width=150,
        )
        _variant_box(opened, view)


def _variant_box(opened: Opened, view: View) -> None:
    """Draw the switch for variants of samples; a candidate of the address stays while it is on."""
    if not (opened.study.folder / "tables" / "haplotypes.parquet").exists():
        return
    st.session_state["variants"] = bool(view.request.variants)
    st.toggle(
        "Variants",
        key="variants",
        on_change=lambda: put(variants=COHORT if st.session_state["variants"] else ""),
        help="Variants of the study's samples. A candidate of the page Phenotypes opens here with its driving"
        " variants.",
        width="content",
    )


def _feature_box(opened: Opened, view: View, found: list[int]) -> None:
    st.session_state["shown_features"] = view.features
    options = list(dict.fromkeys([*view.features, *found, *_best_features(opened)]))
    st.multiselect(
        f"Features (at most {MOST_FEATURES})",
        options,
        key="shown_features",
        max_selections=MOST_FEATURES,
        format_func=lambda f: f"{f} · {short_label(opened.evidence, f)}",
        on_change=lambda: show_features(st.session_state["shown_features"]),
        help="A feature is called by the name that you gave it, else by the track that it marks with a"
        " verdict of learnt, else by the letters of its logo and where it is active.",
    )


def _best_features(opened: Opened) -> list[int]:
    return [int(f) for f in opened.evidence.shown["feature"] if f >= 0][:FOUND]


def _track_box(opened: Opened, view: View) -> None:
    ready = tracks(opened)
    names = [track.name for track in ready.result()] if ready.done() else []
    st.session_state["shown_tracks"] = [track.name for track in view.tracks]
    st.multiselect(
        "Tracks",
        names,
        key="shown_tracks",
        max_selections=MOST_TRACKS,
        disabled=not ready.done(),
        on_change=lambda: show_tracks(st.session_state["shown_tracks"]),
        width=420,
    )


def _set(name: str, usual: object) -> None:
    value = st.session_state[name]
    put(**{name: "" if value in (None, usual) else f"{value}"})
