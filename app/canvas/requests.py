"""What the canvas asks of the server, one function a kind of request; all of it is checked.

A request is a dictionary with ``kind`` and ``number``, which the answer carries back. An answer may hold
``sheet`` (`app.canvas.sheets`), ``offers`` for a box that is being typed in, ``file``, or ``error``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import streamlit as st

from app import links
from app.canvas.browsing import MOST_FEATURES, features_query, read_text, requested_view, seen_view
from app.canvas.component import last_event
from app.canvas.message import View, around
from app.canvas.pane import SECOND, Pane
from app.canvas.sheets import (
    attribution_sheet,
    base_sheet,
    feature_sheet,
    fires_sheet,
    interval_sheet,
    sequence_sheet,
)
from app.data.annotation import names
from app.data.searches import find_features
from app.data.study import Opened, allowed, open_study
from app.verdict_text import short_label
from workbench import InputError
from workbench.browse.places import AROUND_NAME, suggest
from workbench.genome.interval import Interval
from workbench.study.bookmarks import Bookmark, read_bookmarks, write_bookmarks
from workbench.study.locus import check_features, check_locus
from workbench.wording import spoken

MOST_FOUND = 12
# Characters that are taken of a text typed on the canvas.
LONGEST = 2000
# Parts of the address that the canvas may set.
SETTINGS = (
    *("features", "tracks", "lanes", "draw", "strands", "threshold", "rows", "variants", "brush"),
    *("mode", "ask"),
)


class Asking(NamedTuple):
    """A request, and what it is asked of."""

    opened: Opened
    pane: Pane
    view: View
    event: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A text of the request."""
        return str(self.event.get(name, ""))[:LONGEST]

    def number(self, name: str) -> int:
        """A whole number of the request; ``InputError`` for anything else."""
        value = self.event.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise InputError(f"{name}: expected a whole number")
        return int(value)

    @property
    def span(self) -> Interval:
        """The stretch of the request on the contig in view."""
        chrom = self.view.locus.chrom
        return check_locus(self.opened.study, chrom, self.number("start"), self.number("end"))


Answer = dict[str, Any]
Request = Callable[[Asking], Answer | None]


def _suggest(asking: Asking) -> Answer:
    """Places that a reader may mean who is typing in the box of the locus."""
    opened, text = asking.opened, asking.text("text")
    lengths = opened.evidence.manifest.contigs
    offers = []
    for row in suggest(names(opened), text).itertuples():
        place = Interval(str(row.chrom), int(row.start), int(row.end))
        wide = spoken(*around(opened, place, AROUND_NAME))
        offers.append({"text": str(row.name), "more": spoken(*place), "value": wide})
    contigs = [name for name in lengths if text.casefold() in name.casefold()][:4] if text else []
    offers += [{"text": name, "more": f"{lengths[name]:,} bases", "value": name} for name in contigs]
    return {"offers": offers}


def _find(asking: Asking) -> Answer:
    """Features by whatever was typed in the box of features."""
    text = asking.text("text")
    hits = find_features(asking.opened, text).head(MOST_FOUND) if text.strip() else None
    if hits is None:
        best = [int(f) for f in asking.opened.evidence.shown["feature"] if f >= 0]
        found = [(f, "best feature of a track") for f in dict.fromkeys(best)][:MOST_FOUND]
    else:
        found = list(zip(hits["feature"].astype(int).tolist(), hits["found_by"].astype(str), strict=True))
    evidence = asking.opened.evidence
    return {
        "offers": [
            {"text": f"{f} · {short_label(evidence, f)}", "more": said, "value": f} for f, said in found
        ]
    }


def _go(asking: Asking) -> None:
    """Show a place or a feature that was typed."""
    view = asking.view
    at, feature = read_text(asking.opened, asking.text("text"), view.locus.chrom)
    drawn = {}
    if feature is not None and feature not in view.features:
        drawn = features_query([*view.features, feature][-MOST_FEATURES:])
    asking.pane.leave()
    asking.pane.put(at=str(at), brush="", **drawn)


def _set(asking: Asking) -> None:
    """Change features, tracks, lanes, the way they are drawn, rows or the selected region."""
    asked = asking.event.get("changes")
    given = asked if isinstance(asked, Mapping) else {}
    changes = {name: str(given[name])[:LONGEST] for name in SETTINGS if name in given}
    _check(asking, asking.pane.query() | changes)
    asking.pane.put(**changes)


def _show(asking: Asking) -> None:
    """Show a whole view again, as for undoing."""
    query = links.split_query(asking.text("query"))
    _check(asking, query)
    asking.pane.leave()
    asking.pane.replace(query)


def _check(asking: Asking, query: Mapping[str, str]) -> None:
    kept = {name: text for name, text in query.items() if text}
    requested_view(asking.opened, links.parse_browse(kept))


def _detail(asking: Asking) -> Answer:
    """What was clicked: a feature, an interval, or a base."""
    kind, study = asking.text("of"), asking.pane.study
    if kind == "feature":
        feature = asking.number("feature")
        check_features(asking.opened.study, [feature])
        return {"sheet": feature_sheet(asking.opened, asking.view, study, feature)}
    if kind == "interval":
        words = (asking.text(name) for name in ("strand", "name"))
        return {"sheet": interval_sheet(asking.opened, study, asking.text("track"), asking.span, *words)}
    return {"sheet": base_sheet(asking.opened, asking.view, asking.number("position"))}


def _fires(asking: Asking) -> Answer:
    """The features active in a stretch, which becomes the selected one."""
    span = asking.span
    asking.pane.put(brush=f"{span.start}-{span.end}")
    return {"sheet": fires_sheet(asking.opened, asking.view, span)}


def _sequence(asking: Asking) -> Answer:
    return {"sheet": sequence_sheet(asking.opened, asking.span, asking.text("strand"))}


def _attribute(asking: Asking) -> Answer:
    return {"sheet": attribution_sheet(asking.opened, asking.span)}


def _mark(asking: Asking) -> None:
    """Keep a bookmark; another note of its place is replaced."""
    folder = asking.opened.study.folder
    write_bookmarks(folder, [*read_bookmarks(folder), Bookmark(*asking.span, asking.text("note"))])


def _unmark(asking: Asking) -> None:
    folder, span = asking.opened.study.folder, asking.span
    write_bookmarks(folder, [mark for mark in read_bookmarks(folder) if mark.place != span])


def _beside(asking: Asking) -> None:
    """Open a second view of the same place beside the first, of this study or another one."""
    name = asking.text("study")
    query = {**asking.view.query, "study": name, "brush": ""}
    if name:
        other = open_study(str(allowed(name)))
        with suppress(InputError, ValueError):
            requested_view(other, links.parse_browse(query))
            name = ""
        # Features of another autoencoder have other numbers, and a contig may have another name.
        query = {"study": query["study"], **({} if name else {"at": query["at"]})}
    SECOND.leave()
    SECOND.replace({})
    SECOND.put(**query)
    st.session_state["panes_changed"] = True


def _alone(asking: Asking) -> None:
    """Close the second view."""
    st.query_params.pop(SECOND.name, None)
    st.session_state["panes_changed"] = True


REQUESTS: dict[str, Request] = {
    "suggest": _suggest, "find": _find, "go": _go, "set": _set, "show": _show, "detail": _detail,
    "fires": _fires, "sequence": _sequence, "attribute": _attribute, "mark": _mark, "unmark": _unmark,
    "beside": _beside, "alone": _alone,
}  # fmt: skip


def on_asked(opened: Opened, pane: Pane, more: Callable[[str], Request | None]) -> None:
    """Answer the last request of a canvas; the answer goes with the next message.

    ``more``: finds requests beside those of this module, by kind.
    """
    event = last_event(pane.key, "asked")
    kind = str(event.get("kind"))
    request = REQUESTS.get(kind) or more(kind)
    if request is None:
        return
    try:
        answer = request(Asking(opened, pane, seen_view(opened, pane), event)) or {}
    except (InputError, ValueError) as error:
        answer = {"error": str(error)}
    st.session_state[pane.of("answer")] = {"kind": kind, "number": event.get("number", 0), **answer}
