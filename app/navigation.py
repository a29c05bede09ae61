"""Links from page to page, each one entry of the browser's history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import links

MOST_OPENED, MOST_DRAWN = 6, 12


def put(**changes: str) -> None:
    """Change parts of the address, all at once: one entry of the history; an empty text takes a part out."""
    now = st.query_params.to_dict()
    new = {key: value for key, value in (now | changes).items() if value}
    if new != now:
        st.query_params.from_dict(new)


def link(
    place: DeltaGenerator,
    address: links.Address,
    label: str,
    icon: str,
    width: Literal["content", "stretch"] = "content",
) -> None:
    """Draw a link to an address, of this study where it names none; ``icon``: of Material Symbols."""
    # Were the study put in the address by the page itself, each move would be two entries of the history.
    study = st.query_params.get("study", "")
    query = {key: value for key, value in ({"study": study} | address.query).items() if value}
    place.page_link(address.file, label=label, icon=f":material/{icon}:", query_params=query, width=width)


def feature_links(features: Sequence[int]) -> None:
    """Draw links to the pages of features, and to the browser with all of them."""
    line = st.container(horizontal=True)
    for feature in features[:MOST_OPENED]:
        link(line, links.feature("", feature), f"Open feature {feature}", "category")
    if features:
        link(line, links.browse("", "", features[:MOST_DRAWN]), "Draw them in the browser", "view_timeline")
