"""Links from page to page, each one entry of the browser's history; what is looked at goes along.

The place and the features of a view, and the feature of a page, are in the address of every page, so that
each page knows them, going back finds them, and an address that is sent holds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import links

MOST_OPENED, MOST_DRAWN = 6, 12
# Parts of an address that go along.
KEPT = ("study", "at", "features", "feature")
_SIDEBAR = "sidebar"


class Entry(NamedTuple):
    """A page in the sidebar: the file of its script, title and icon; ``alone``: it is of no study."""

    page: str
    title: str
    icon: str
    alone: bool = False


def put(**changes: str) -> None:
    """Change parts of the address, all at once: one entry of the history; an empty text takes a part out."""
    now = st.query_params.to_dict()
    new = {key: value for key, value in (now | changes).items() if value}
    if new != now:
        st.query_params.from_dict(new)


def kept(address: links.Address) -> dict[str, str]:
    """The query of an address with what goes along; nothing but the study where it is another one's."""
    now = st.query_params.to_dict()
    here = now.get("study", "")
    own = {key: now[key] for key in KEPT if key in now}
    if address.query.get("study", here) != here:
        own = {}
    return {key: value for key, value in (own | address.query).items() if value}


def link(
    place: DeltaGenerator,
    address: links.Address,
    label: str,
    icon: str,
    width: Literal["content", "stretch"] = "content",
) -> None:
    """Draw a link to an address, of this study where it names none; ``icon``: of Material Symbols."""
    # Were the study put in the address by the page itself, each move would be two entries of the history.
    place.page_link(
        address.file, label=label, icon=f":material/{icon}:", query_params=kept(address), width=width
    )


def sidebar(sections: Iterable[tuple[str, Sequence[Entry]]]) -> None:
    """Draw the links of the sidebar under the headings of their sections."""
    drawn: list[tuple[DeltaGenerator, Entry]] = []
    for heading, entries in sections:
        if heading:
            st.sidebar.caption(heading)
        drawn += [(st.sidebar.empty(), entry) for entry in entries]
    st.session_state[_SIDEBAR] = drawn
    show_in_sidebar({})


def show_in_sidebar(now: dict[str, str]) -> None:
    """Draw the links of the sidebar once more, with parts of the address that it does not have yet.

    A page whose view changes without the rest of the page does so, so that its links know the view.
    """
    for place, entry in st.session_state.get(_SIDEBAR, []):
        query = dict.fromkeys(KEPT, "") if entry.alone else now
        link(place, links.Address(entry.page, query), entry.title, entry.icon, "stretch")


def feature_links(features: Sequence[int]) -> None:
    """Draw links to the pages of features, and to the browser with all of them."""
    line = st.container(horizontal=True)
    for feature in features[:MOST_OPENED]:
        link(line, links.feature("", feature), f"Open feature {feature}", "category")
    if features:
        link(line, links.browse("", "", features[:MOST_DRAWN]), "Draw them in the browser", "view_timeline")
