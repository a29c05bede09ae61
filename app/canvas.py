"""The canvas of the browser as a Streamlit component; its files lie in ``component``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

_FILES = Path(__file__).with_name("component")
_SCRIPTS = ("codec.js", "paint.js", "browser.js")


def _text(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


_mount = st.components.v2.component(
    "workbench_browser",
    html=_text("browser.html"),
    css=_text("browser.css"),
    js="\n".join(_text(name) for name in _SCRIPTS),
)


def canvas(
    data: bytes, key: str, on_moved: Callable[[], None], on_brushed: Callable[[], None]
) -> None:
    """Draw a message of `app.scene`.

    ``st.session_state[key]`` then holds, inside the callbacks, ``moved`` (``at``, ``width``, ``coarse``)
    or ``brushed`` (``chrom``, ``span`` of two numbers or None, ``view``). All of it is the browser's word,
    to be checked.
    """
    _mount(data=data, key=key, on_moved_change=on_moved, on_brushed_change=on_brushed)


def said(key: str, event: str) -> dict[str, Any]:
    """What the canvas said last, of one kind; empty where it said nothing."""
    state = st.session_state.get(key)
    value = state.get(event) if isinstance(state, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}
