"""The canvas of the browser as a Streamlit component; its files lie in ``assets``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.links import MODES

_FILES = Path(__file__).with_name("assets")
_SCRIPTS = (
    *("codec.js", "rows.js", "paint.js", "lanes.js", "svg.js", "dom.js", "suggestions.js", "overview.js"),
    *("toolbar.js", "menu.js", "sheet.js", "gutter.js", "drop.js", "alone.js", "modes.js", "browser.js"),
    *("evidence.js", "requests.js", "pictures.js", "hands.js", "tip.js", "paint_panel.js"),
    *(f"mode_{name}.js" for name in MODES[1:]),
)


def asset(name: str) -> str:
    """The text of a file of the canvas."""
    return (_FILES / name).read_text(encoding="utf-8")


def scripts() -> str:
    """All scripts of the canvas as one; ``mount(component)`` draws and is drawn again with each message."""
    return "\n".join(asset(name) for name in _SCRIPTS)


_mount = st.components.v2.component(
    "workbench_browser",
    html=asset("browser.html"),
    css=asset("browser.css"),
    js=f"{scripts()}\nexport default mount;",
)


def canvas(
    data: bytes,
    key: str,
    on_moved: Callable[[], None],
    on_brushed: Callable[[], None],
    on_asked: Callable[[], None],
    on_worked: Callable[[], None],
) -> None:
    """Draw a message of `app.canvas.message`.

    ``st.session_state[key]`` then holds, inside the callbacks, ``moved`` (``at``, ``width``, ``coarse``),
    ``brushed`` (``chrom``, ``span`` of two numbers or None, ``view``), ``asked`` (``kind``, ``number`` and
    what a request of `app.canvas.requests` needs) or ``worked`` (``kind``, ``run`` and what a work of
    `app.canvas.work` needs). All of it comes from the browser and is to be checked.
    """
    _mount(
        data=data, key=key, on_moved_change=on_moved, on_brushed_change=on_brushed, on_asked_change=on_asked,
        on_worked_change=on_worked,
    )  # fmt: skip


def last_event(key: str, event: str) -> dict[str, Any]:
    """Last event of one kind that the canvas sent; empty where there is none."""
    state = st.session_state.get(key)
    value = state.get(event) if isinstance(state, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}
