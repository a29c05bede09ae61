"""State of the browse page: from the address to a checked view, and from the canvas to the address."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from app import links
from app.canvas.component import last_event
from app.canvas.message import Client, View
from app.canvas.pane import Pane
from app.data.annotation import names, signals, tracks, variants
from app.data.own_files import own_tracks
from app.data.study import Opened
from workbench import InputError
from workbench.browse.places import read_place
from workbench.genome.interval import Interval
from workbench.study.feature_labels import judged
from workbench.study.locus import check_locus, move
from workbench.tracks.track import Track

MOST_FEATURES = 12
MOST_TRACKS = 6
FIRST_TRACKS = 4
FIRST_VIEW = 6000
AROUND = 3000
# Pixels assumed until the canvas has sent its own.
WIDTH = 900
GENES = ("gene", "CDS")
_FEATURE = re.compile(r"(?:feature\s*|f)(\d{1,9})", re.IGNORECASE)
_SPAN = re.compile(r"(\d{1,15})-(\d{1,15})")
_ADDRESS = re.compile(r"(.+):([\d,]{1,19})-([\d,]{1,19})")


def features_query(features: list[int]) -> dict[str, str]:
    """The part of the address that says which features are drawn."""
    return {"features": links.browse(features=features).query["features"]}


def on_moved(pane: Pane) -> None:
    """Take over a move, zoom or new width of the canvas."""
    event = last_event(pane.key, "moved")
    at = str(event.get("at", ""))
    # A locus typed in the meantime takes precedence over a move that was on its way.
    if at and event.get("token", 0) == st.session_state.get(pane.of("token"), 0):
        st.session_state[pane.of("at")] = at
        if event.get("rests") is False:
            st.session_state[pane.of("passed")] = at
        else:
            pane.take("passed")
            pane.put(at=at)
    _store_canvas_state(pane, event)


def on_brushed(pane: Pane) -> None:
    """Take over a region selected on the canvas, or its removal."""
    event = last_event(pane.key, "brushed")
    span: Any = event.get("span")
    at = str(event.get("view", ""))
    whole = isinstance(span, list) and len(span) == 2 and all(isinstance(n, int) for n in span)
    brush = f"{span[0]}-{span[1]}" if whole else ""
    pane.take("passed")
    if at:
        st.session_state[pane.of("at")] = at
    pane.put(brush=brush, **({"at": at} if at else {}))


def _store_canvas_state(pane: Pane, event: dict[str, object]) -> None:
    width = event.get("width")
    if isinstance(width, int | float) and 50 <= width <= 10_000:
        st.session_state[pane.of("width")] = int(width)
    coarse = event.get("coarse")
    if isinstance(coarse, list):
        st.session_state[pane.of("coarse")] = tuple(str(key) for key in coarse[:8])
    st.session_state[pane.of("sharp")] = event.get("sharp") is True


def client(view: View, pane: Pane) -> Client:
    """State of the canvas; a locus that it did not send is a jump that it has to follow."""
    state = st.session_state
    at, token = str(view.locus), pane.of("token")
    if state.get(pane.of("at")) != at:
        state[pane.of("at")] = at
        state[token] = state.get(token, 0) + 1
    coarse = state.get(pane.of("coarse"), ())
    # Valid once, for the view that was just moved: whatever reruns the page next may draw another.
    sharp = pane.take("sharp") is True
    return Client(state.get(pane.of("width"), WIDTH), coarse, state.get(token, 0), sharp)


def seen_view(opened: Opened, pane: Pane) -> View:
    """The view of the address where it can be drawn, else the last one of this session that could be.

    Else the default one.
    """
    for query in (pane.query(), st.session_state.get(pane.of("last"), {})):
        try:
            return requested_view(opened, links.parse_browse(query))
        except (InputError, ValueError):  # another study may have been opened since
            continue
    return requested_view(opened, links.BrowseView())


def requested_view(opened: Opened, request: links.BrowseView) -> View:
    """A view that was asked for, with defaults for what it leaves open.

    Raises ``InputError`` or ``ValueError``, a sentence, for what is not in the study.
    """
    features = _features(opened, request)
    locus = find_place(opened, request.at) if request.at else first_place(opened, features)
    brush = None
    if request.brush:
        span = _SPAN.fullmatch(request.brush)
        if span is None:
            raise InputError(f"brush {request.brush!r}: expected start-end, as in brush=100-900")
        brush = check_locus(opened.study, locus.chrom, int(span[1]), int(span[2]))
    drawn = _tracks(opened, request, features)
    sampled = variants(opened, request.variants)
    return View(locus, features, drawn, request, brush, sampled, own_tracks(opened))


def _features(opened: Opened, request: links.BrowseView) -> list[int]:
    if request.features is None:
        return first_features(opened)
    last = len(opened.evidence.catalog) - 1
    for feature in request.features:
        if feature > last:
            raise InputError(f"feature {feature}: expected a number from 0 to {last}")
    return list(request.features)[:MOST_FEATURES]


def first_features(opened: Opened) -> list[int]:
    """Default features: the best ones of the tracks with the best verdicts."""
    best = [int(f) for f in opened.evidence.shown["feature"] if f >= 0]
    alive = opened.evidence.catalog.query("not dead")["feature"].astype(int).tolist()
    return list(dict.fromkeys(best or alive))[:4]


def first_place(opened: Opened, features: list[int]) -> Interval:
    """Default locus: around the strongest base of the first feature."""
    for feature in features:
        if not opened.evidence.catalog.loc[feature, "dead"]:
            return strongest(opened, feature, FIRST_VIEW)
    chrom, length = next(iter(opened.evidence.manifest.contigs.items()))
    return Interval(chrom, 0, min(FIRST_VIEW, length))


def strongest(opened: Opened, feature: int, width: int) -> Interval:
    """The locus of ``width`` bases around a feature's strongest base."""
    row = opened.evidence.catalog.loc[feature]
    position = int(row["position"])
    return move(opened.study, Interval(str(row["chrom"]), position, position + 1), zoom=width)


def find_place(opened: Opened, text: str) -> Interval:
    """Locus of an address: ``contig:start-end``, 0-based half-open, cut to its contig; else `read_text`."""
    span = _ADDRESS.fullmatch(text.strip())
    if span is None:
        return read_text(opened, text)[0]
    chrom = opened.study.contigs.named(span[1])
    start, end = (int(number.replace(",", "") or 0) for number in span.groups()[1:])
    return check_locus(opened.study, chrom, start, min(end, opened.evidence.manifest.contigs[chrom]))


def read_text(opened: Opened, text: str, here: str = "") -> tuple[Interval, int | None]:
    """What a reader typed: a place as `read_place` has it, or a feature, which is found at its strongest
    base.

    Returns the locus, and the feature where one was named. Raises ``InputError``, a sentence.
    """
    number = _FEATURE.fullmatch(text.strip())
    exact = text.strip() in opened.evidence.manifest.contigs or ":" in text
    known = names(opened).iloc[:0] if exact else names(opened)
    if number is None or (known["word"] == text.strip().casefold()).any():
        return read_place(opened.study, text, known, here), None
    feature, last = int(number[1]), len(opened.evidence.catalog) - 1
    if feature > last:
        raise InputError(f"feature {feature}: expected a number from 0 to {last}")
    if opened.evidence.catalog.loc[feature, "position"] < 0:
        raise InputError(f"feature {feature} is dead: it is active nowhere")
    return strongest(opened, feature, AROUND), feature


def _tracks(opened: Opened, request: links.BrowseView, features: list[int]) -> list[Track]:
    ready = tracks(opened)
    if not ready.done():
        return []
    known = {track.name: track for track in ready.result()}
    for name, found in signals(opened).items():
        known.setdefault(name, found.track)
    if request.tracks is not None:
        unknown = [name for name in request.tracks if name not in known]
        if unknown:
            raise InputError(f"no track {unknown[0]!r}; this study has {', '.join(known)}")
        return [known[name] for name in request.tracks][:MOST_TRACKS]
    genes = [track.name for track in known.values() if track.type in GENES]
    best = [str(n) for f in features for n in judged(opened.evidence.tracks, f)["track"]]
    order = [name for name in dict.fromkeys([*genes, *best, *known]) if name in known]
    return [known[name] for name in order[:FIRST_TRACKS]]
