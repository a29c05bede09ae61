"""What modes of the canvas have the model compute: beside the page, one computation at a time.

A canvas sends ``worked`` with ``run``, a name of its own for what it asks, and ``kind``, again and again
until it is told the answer: what got lost on the way is begun anew. Each look waits for the answer a moment,
in which the computation has the machine. A newer run of the same canvas takes the place of an older one that
still waits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import streamlit as st

from app.canvas.browsing import seen_view
from app.canvas.component import last_event
from app.canvas.pane import Pane
from app.canvas.requests import Answer, Asking
from app.data.study import Opened
from genomic_models.errors import ModelError
from workbench import InputError

Job = Callable[[], Answer]
# Checks what is asked, at once, and gives what is then computed by another thread.
Work = Callable[[Asking], Job]
# Seconds that a look waits for the answer; a move that needs the server waits behind it.
PATIENCE = 0.5
# One: the models of all sessions share the machine.
_BENCH = ThreadPoolExecutor(1, "model")


class Task(NamedTuple):
    """What a canvas has computed; ``run`` is the canvas' name for it."""

    run: str
    future: Future[Answer]


def submit(job: Job) -> Future[Answer]:
    """Have a job done after those that were handed in before it."""
    return _BENCH.submit(job)


def on_worked(opened: Opened, pane: Pane, find: Callable[[str], Work | None]) -> None:
    """Begin what a canvas asks to be computed, unless it is under way; ``find`` gives a work by its kind."""
    event, state, key = last_event(pane.key, "worked"), st.session_state, pane.of("task")
    work, run = find(str(event.get("kind"))), str(event.get("run"))[:80]
    held: Task | None = state.get(key)
    if work is None:
        return
    if held is None or held.run != run:
        if held is not None:
            held.future.cancel()
        try:
            future = submit(work(Asking(opened, pane, seen_view(opened, pane), event)))
        except (InputError, ValueError) as error:
            future = Future()
            future.set_exception(error)
        state[key] = Task(run, future)
    wait([state[key].future], PATIENCE)


def progress(pane: Pane) -> dict[str, Any] | None:
    """What the canvas is told of its task: that it waits, or what came out, once. None where it has none."""
    task: Task | None = st.session_state.get(pane.of("task"))
    if task is None:
        return None
    if not task.future.done():
        return {"run": task.run, "waits": not task.future.running()}
    pane.take("task")
    try:
        return {"run": task.run, "done": True, "answer": task.future.result()}
    except (InputError, ModelError, ValueError) as error:
        return {"run": task.run, "done": True, "error": str(error)}
