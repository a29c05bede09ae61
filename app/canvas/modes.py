"""The modes of the canvas: Read, and those registered here. Same locus, rows and keys in all of them.

A mode NAME is

* a word of `app.links.MODES`: the address says ``mode=NAME`` and, what the mode itself reads, ``ask=TEXT``.
  Both are kept by the history, by links and by pages by themselves;
* a module of this folder, ``NAME_mode.py``, with a `Mode`, which is put into `MODES` below;
* a script, ``assets/mode_NAME.js``, which puts a class into ``MODES`` of ``assets/modes.js``: there it says
  what such a class may do (lanes, marks over rows, side panel, clicks, drags, keys, menu).

A `Mode` has requests, which are answered at once as those of `app.canvas.requests`, and works, for which
the model is needed: a work checks an `Asking`, which raises ``InputError``, and returns a job that needs
neither the session nor Streamlit. Jobs of all sessions are done one after the other (`app.canvas.work`); the
canvas moves meanwhile, says "reading…", and a newer run takes the place of one that waits. The script calls
``modes.work(kind, more, done)``: ``more`` is in the event of the asking, what the job returns goes to
``done``. A run may be begun twice, so that what takes long is kept by its question. Names of requests and
works are unique.

``shown`` is what a page by itself holds of the mode for the ``ask`` of its view: a dictionary that the
script finds as ``head.shown``. Whatever comes from the browser, ``ask`` included, is checked by whoever
reads it. What models say is marked `workbench.wording.NOT_VALIDATED`, on the screen and in every file that
leaves; what stands beside it is shown by `app.canvas.evidence`, in the same way in all modes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from app.canvas import attribute_mode, paint_mode, rules_mode
from app.canvas.message import View
from app.canvas.requests import Request
from app.canvas.work import Work
from app.data.study import Opened


class Mode(NamedTuple):
    """What the server does for a mode, see above."""

    requests: Mapping[str, Request]
    works: Mapping[str, Work]
    shown: Callable[[Opened, View], dict[str, Any]]


# In the order of `app.links.MODES`, without Read.
MODES: dict[str, Mode] = {
    "attribute": Mode({}, attribute_mode.WORKS, attribute_mode.shown),
    "paint": Mode(paint_mode.REQUESTS, paint_mode.WORKS, paint_mode.shown),
    "rules": Mode(rules_mode.REQUESTS, rules_mode.WORKS, rules_mode.shown),
}


def requests() -> dict[str, Request]:
    """Requests of all modes by kind."""
    return {kind: request for mode in MODES.values() for kind, request in mode.requests.items()}


def works() -> dict[str, Work]:
    """Works of all modes by kind."""
    return {kind: work for mode in MODES.values() for kind, work in mode.works.items()}


def shown(opened: Opened, view: View) -> dict[str, Any]:
    """What a page by itself holds of the mode of a view; nothing in Read, and where nothing is asked."""
    mode = MODES.get(view.request.mode)
    return mode.shown(opened, view) if mode and view.request.ask else {}
