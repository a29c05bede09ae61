"""The modes of the canvas: Read, and others, with the same locus, rows and keys in all of them.

A mode NAME is

* a word of `app.links.MODES`: the address says ``mode=NAME`` and, what the mode itself reads, ``ask=TEXT``.
  Both are kept by the history, by links and by pages by themselves;
* a module of this folder, ``NAME_mode.py``, with ``REQUESTS``, ``WORKS`` and ``shown``, all kinds of which
  begin with ``NAME_``; it is imported when the mode is first used, as it may need PyTorch;
* a script, ``assets/mode_NAME.js``, which puts a class into ``MODES`` of ``assets/modes.js``: there it says
  what such a class may do (lanes, marks over rows, side panel, clicks, drags, keys, menu).

A `Mode` has requests, which are answered at once as those of `app.canvas.requests`, and works, for which
the model is needed: a work checks an `Asking`, which raises ``InputError``, and returns a job that needs
neither the session nor Streamlit. Jobs of all sessions are done one after the other (`app.canvas.work`); the
canvas moves meanwhile, says "reading…", and a newer run takes the place of one that waits. The script calls
``modes.work(kind, more, done)``: ``more`` is in the event of the asking, what the job returns goes to
``done``. A run may be begun twice, so that what takes long is kept by its question.

``shown`` is what a page by itself holds of the mode for the ``ask`` of its view: a dictionary that the
script finds as ``head.shown``. Whatever comes from the browser, ``ask`` included, is checked by whoever
reads it. What models say is marked `workbench.wording.NOT_VALIDATED`, on the screen and in every file that
leaves; what stands beside it is shown by `app.canvas.evidence`, in the same way in all modes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from app import links
from app.canvas.message import View
from app.canvas.requests import Answer, Request
from app.canvas.work import Work, submit
from app.data.study import Opened, key_of
from genomic_models.errors import ModelError
from workbench import InputError


class Mode(NamedTuple):
    """What the server does for a mode, see above."""

    requests: Mapping[str, Request]
    works: Mapping[str, Work]
    shown: Callable[[Opened, View], dict[str, Any]]


@cache
def mode(name: str) -> Mode | None:
    """A mode by its name; None for Read, and for what is none."""
    if name not in links.MODES[1:]:
        return None
    found = import_module(f"app.canvas.{name}_mode")
    return Mode(found.REQUESTS, found.WORKS, found.shown)


def request(kind: str) -> Request | None:
    """The request of a mode that is of this kind."""
    found = mode(kind.partition("_")[0])
    return found.requests.get(kind) if found else None


def work(kind: str) -> Work | None:
    """The work of a mode that is of this kind."""
    found = mode(kind.partition("_")[0])
    return found.works.get(kind) if found else None


def shown(opened: Opened, view: View) -> dict[str, Any]:
    """What a page by itself holds of the mode of a view; nothing in Read, and where nothing is asked."""
    found = mode(view.request.mode) if view.request.ask else None
    return found.shown(opened, view) if found else {}


_WARM: set[tuple[str, ...]] = set()


def warm(opened: Opened, view: View) -> None:
    """Load what a mode needs beside the page, so that the first click need not wait for it."""
    name, key = view.request.mode, (view.request.mode, *key_of(opened))

    def load() -> Answer:
        from app.canvas.ready_model import ready_model  # PyTorch

        with suppress(InputError, ModelError, OSError):  # said where somebody asks
            mode(name)
            ready_model(opened.study, "")
        return {}

    if name != links.MODES[0] and key not in _WARM:
        _WARM.add(key)
        submit(load)
