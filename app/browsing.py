"""State of the browse page: from the address to a checked view, and from the canvas back to the address."""

from __future__ import annotations

import re

import streamlit as st

from app import links
from app.canvas import said
from app.data import Opened
from app.lanes import tracks, variants
from app.scene import Client, Shown
from app.words import judged
from workbench import InputError
from workbench.tracks.track import Track
from workbench.views import Locus, check_locus, find_locus, move

KEY = "genome_canvas"
MOST_FEATURES = 12
MOST_TRACKS = 6
FIRST_TRACKS = 4
FIRST_VIEW = 6000
AROUND = 3000
WIDTH = 900
"""Pixels assumed until the canvas has said its own."""
GENES = ("gene", "CDS")
_FEATURE = re.compile(r"(?:feature\s*|f)?(\d{1,9})", re.IGNORECASE)


def parse() -> links.BrowseView:
    """The address as a view, unchecked. Raises ``ValueError`` with a sentence."""
    return links.parse_browse({key: str(value) for key, value in st.query_params.items()})


def write_address(**changes: str) -> None:
    """Put parts of the view in the address; an empty text takes a part out."""
    for key, value in changes.items():
        if value:
            st.query_params[key] = value
        elif key in st.query_params:
            del st.query_params[key]


def show_features(features: list[int]) -> None:
    """Put the features to draw in the address."""
    write_address(features=links.browse(features=features).query["features"])


def show_tracks(names: list[str]) -> None:
    """Put the tracks to draw in the address."""
    write_address(tracks=links.browse(tracks=names).query["tracks"])


def on_moved() -> None:
    """The canvas was moved or zoomed, or has a new width."""
    event = said(KEY, "moved")
    at = str(event.get("at", ""))
    # A place typed in the meantime counts for more than a move that was on its way.
    if at and event.get("token", 0) == st.session_state.get("canvas_token", 0):
        st.session_state["canvas_at"] = at
        write_address(at=at)
    _note_client(event)


def leave_canvas() -> None:
    """The view is no longer what the canvas said last: the next one is a jump for it to follow."""
    st.session_state.pop("canvas_at", None)
    st.session_state["canvas_token"] = st.session_state.get("canvas_token", 0) + 1


def on_brushed() -> None:
    """A stretch was selected on the canvas, or the selection taken away."""
    event = said(KEY, "brushed")
    span = event.get("span")
    at = str(event.get("view", ""))
    if at:
        st.session_state["canvas_at"] = at
        write_address(at=at)
    if isinstance(span, list | tuple) and len(span) == 2:
        write_address(brush=f"{int(span[0])}-{int(span[1])}")
    else:
        write_address(brush="")


def _note_client(event: dict[str, object]) -> None:
    width = event.get("width")
    if isinstance(width, int | float) and 50 <= width <= 10_000:
        st.session_state["canvas_width"] = int(width)
    coarse = event.get("coarse")
    if isinstance(coarse, list):
        st.session_state["canvas_coarse"] = tuple(str(key) for key in coarse[:8])
    st.session_state["canvas_sharp"] = event.get("sharp") is True


def client(shown: Shown) -> Client:
    """What is known of the canvas; a place that did not come from it is a jump for it to follow."""
    state = st.session_state
    at = str(shown.locus)
    if state.get("canvas_at") != at:
        state["canvas_at"] = at
        state["canvas_token"] = state.get("canvas_token", 0) + 1
    coarse = state.get("canvas_coarse", ())
    # Said once, of the view that was just moved: whatever runs the page next may draw something else.
    sharp = state.pop("canvas_sharp", False)
    return Client(state.get("canvas_width", WIDTH), coarse, state.get("canvas_token", 0), sharp)


def asked(opened: Opened) -> Shown:
    """The view of the address, what it leaves open filled in.

    Raises ``InputError`` or ``ValueError``, a sentence, for what is not in the study.
    """
    view = parse()
    features = _features(opened, view)
    locus = find_place(opened, view.at) if view.at else first_place(opened, features)
    brush = None
    if view.brush:
        left, _, right = view.brush.partition("-")
        if not (left.isdecimal() and right.isdecimal()):
            raise InputError(f"brush {view.brush!r}: expected start-end, as in brush=100-900")
        brush = check_locus(opened.study, locus.chrom, int(left), int(right))
    drawn = _tracks(opened, view, features)
    return Shown(locus, features, drawn, view, brush, variants(opened, view.variants))


def _features(opened: Opened, view: links.BrowseView) -> list[int]:
    if view.features is None:
        return first_features(opened)
    last = len(opened.evidence.catalog) - 1
    for feature in view.features:
        if feature > last:
            raise InputError(f"feature {feature}: expected a number from 0 to {last}")
    return list(view.features)[:MOST_FEATURES]


def first_features(opened: Opened) -> list[int]:
    """The best features of the first tracks, those with the best verdicts."""
    led = [int(f) for f in opened.evidence.shown["feature"] if f >= 0]
    alive = opened.evidence.catalog.query("not dead")["feature"].astype(int).tolist()
    return list(dict.fromkeys(led or alive))[:4]


def first_place(opened: Opened, features: list[int]) -> Locus:
    """Round the strongest base of the first feature."""
    for feature in features:
        if not opened.evidence.catalog.loc[feature, "dead"]:
            return strongest(opened, feature, FIRST_VIEW)
    chrom, length = next(iter(opened.evidence.manifest.contigs.items()))
    return Locus(chrom, 0, min(FIRST_VIEW, length))


def strongest(opened: Opened, feature: int, width: int) -> Locus:
    """A stretch round a feature's strongest base."""
    row = opened.evidence.catalog.loc[feature]
    position = int(row["position"])
    return move(opened.study, Locus(str(row["chrom"]), position, position + 1), zoom=width)


def find_place(opened: Opened, text: str) -> Locus:
    """A place by coordinates, by a contig's or an interval's name, or by a feature's number.

    A feature is found at its strongest base. Names of contigs and intervals go before numbers.
    """
    number = _FEATURE.fullmatch(text.strip())
    exact = ":" in text or text.strip() in opened.evidence.manifest.contigs
    try:
        found = [] if exact else _known_tracks(opened)
        return find_locus(opened.study, text, found)
    except InputError:
        catalog = opened.evidence.catalog
        if number is None or int(number[1]) >= len(catalog):
            raise
        if catalog.loc[int(number[1]), "dead"]:
            raise InputError(f"feature {number[1]} is dead: it fires nowhere") from None
        return strongest(opened, int(number[1]), AROUND)


def _known_tracks(opened: Opened) -> list[Track]:
    ready = tracks(opened)
    if not ready.done():
        with st.spinner("Reading the annotation for the first time, to look up the name"):
            return ready.result()
    return ready.result()


def feature_of(text: str, opened: Opened) -> int | None:
    """The feature that a place is named by, if it is named by one."""
    number = _FEATURE.fullmatch(text.strip())
    if number is None or int(number[1]) >= len(opened.evidence.catalog):
        return None
    return int(number[1])


def _tracks(opened: Opened, view: links.BrowseView, features: list[int]) -> list[Track]:
    ready = tracks(opened)
    if not ready.done():
        return []
    known = {track.name: track for track in ready.result()}
    if view.tracks is not None:
        strange = [name for name in view.tracks if name not in known]
        if strange:
            raise InputError(f"no track {strange[0]!r}; this study has {', '.join(known)}")
        return [known[name] for name in view.tracks][:MOST_TRACKS]
    genes = [track.name for track in known.values() if track.type in GENES]
    led = [str(n) for f in features for n in judged(opened.evidence, f)["track"]]
    order = [name for name in dict.fromkeys([*genes, *led, *known]) if name in known]
    return [known[name] for name in order[:FIRST_TRACKS]]
