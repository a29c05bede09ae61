"""Boxes above the canvas: the place, the features, tracks, threshold, strands and drawing."""

from __future__ import annotations

import streamlit as st

from app.browsing import (
    MOST_FEATURES,
    MOST_TRACKS,
    feature_of,
    leave_canvas,
    parse,
    show_features,
    show_tracks,
    write_address,
)
from app.data import Opened
from app.lanes import tracks
from app.links import DRAWN, STRANDS
from app.scene import Shown, words_of
from workbench.carried import COHORT

FOUND = 20
"""Features that a search shows at most."""
_STRAND_WORDS = {"both": "both strands", "+": "plus", "-": "minus"}


def place_box(opened: Opened, shown: Shown | None) -> None:
    """The box for a place; a feature's number is drawn as well."""
    at = shown.locus if shown else None
    words = f"{at.chrom}:{at.start:,}-{at.end:,}" if at else st.query_params.get("at", "")
    state = st.session_state
    # Only where the view has moved: what someone is typing just now must stay.
    if "place" not in state or state.get("place_said") != words:
        state["place"] = state["place_said"] = words
    st.text_input(
        "Place",
        key="place",
        on_change=_typed,
        args=(opened,),
        help="contig:start-end (0-based, end not included), a contig, the name of a gene or another"
        " interval, or a feature, as in: feature 12",
    )


def _typed(opened: Opened) -> None:
    text = st.session_state["place"]
    st.session_state["place_said"] = ""
    leave_canvas()
    write_address(at=text, brush="")
    feature = feature_of(text, opened)
    shown = parse().features
    if feature is not None and shown is not None and feature not in shown:
        show_features([*shown, feature][-MOST_FEATURES:])
    elif feature is not None and shown is None:
        show_features([feature])


def controls(opened: Opened, shown: Shown) -> None:
    """Where, which features and tracks are drawn, and how."""
    place, features, find = st.columns([4, 6, 3], vertical_alignment="top")
    with place:
        place_box(opened, shown)
    words = find.text_input(
        "Find features",
        key="find_features",
        placeholder="number, track, consensus",
        help="By number, by the track it marks, or by letters of its consensus. What is found can be chosen"
        " in the box on the left.",
    )
    found = search(opened, words)
    with features:
        _feature_box(opened, shown, found)
    if words and not found:
        find.caption("No feature has this number, track or consensus.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        _track_box(opened, shown)
        st.session_state["draw"] = shown.view.draw
        st.segmented_control(
            "Draw", DRAWN, key="draw", on_change=_set, args=("draw", "signal"), width="content"
        )
        st.session_state["strands"] = shown.view.strands
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
        st.session_state["threshold"] = shown.view.threshold
        st.slider(
            "Hide below",
            0.0,
            1.0,
            step=0.05,
            key="threshold",
            format="percent",
            on_change=_set,
            args=("threshold", 0.0),
            help="Share of a feature's largest value on the genome.",
            width=150,
        )
        _variant_box(opened, shown)


def _variant_box(opened: Opened, shown: Shown) -> None:
    """Whether variants of samples are drawn; a candidate of the address stays while it is on."""
    if not (opened.study.folder / "tables" / "haplotypes.parquet").exists():
        return
    st.session_state["variants"] = bool(shown.view.variants)
    st.toggle(
        "Variants",
        key="variants",
        on_change=lambda: write_address(variants=COHORT if st.session_state["variants"] else ""),
        help="What the study's samples carry. A candidate of the page Phenotypes opens here with the variants"
        " that drive it.",
        width="content",
    )


def search(opened: Opened, words: str) -> list[int]:
    """Features by number, closest track or letters of the consensus, best lift first."""
    text = words.strip()
    if not text:
        return []
    table = opened.evidence.catalog
    if text.isdecimal():
        return [int(text)] if int(text) < len(table) else []
    hit = table["best_track"].str.contains(text, case=False, regex=False)
    hit |= table["consensus"].str.contains(text.upper(), regex=False)
    rows = table[hit & ~table["dead"]].sort_values("best_ap_lift", ascending=False, kind="stable")
    return [int(f) for f in rows["feature"].head(FOUND)]


def _feature_box(opened: Opened, shown: Shown, found: list[int]) -> None:
    st.session_state["shown_features"] = shown.features
    options = list(dict.fromkeys([*shown.features, *found, *_led(opened)]))
    st.multiselect(
        f"Features (at most {MOST_FEATURES})",
        options,
        key="shown_features",
        max_selections=MOST_FEATURES,
        format_func=lambda f: f"{f} · {words_of(opened, f).label}",
        on_change=lambda: show_features(st.session_state["shown_features"]),
        help="? after a track: the closest one, with no verdict that backs it",
    )


def _led(opened: Opened) -> list[int]:
    return [int(f) for f in opened.evidence.shown["feature"] if f >= 0][:FOUND]


def _track_box(opened: Opened, shown: Shown) -> None:
    ready = tracks(opened)
    names = [track.name for track in ready.result()] if ready.done() else []
    st.session_state["shown_tracks"] = [track.name for track in shown.tracks]
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
    write_address(**{name: "" if value in (None, usual) else f"{value}"})
