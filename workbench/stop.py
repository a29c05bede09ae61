"""Being asked to stop: the scheduler's warning before it ends a job, or a polite kill.

The first SIGTERM or SIGUSR1 only sets a flag. Work that can save its state asks ``requested``; everything
else ends at the next report of progress, which ``Interruptible`` turns into ``Stopped``. What was finished
before stays finished.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from workbench.progress import Progress

EXIT = 85
"""Exit status of a task that was stopped and wants to be queued again."""

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

_received: list[int] = []


class Stopped(Exception):
    """Raised inside a shard after the warning; carries the signal's number."""


def requested() -> bool:
    """Whether the process has been asked to stop."""
    return bool(_received)


def _note(number: int, frame: FrameType | None) -> None:
    _received.append(number)


@contextmanager
def listening() -> Iterator[None]:
    """Take the warning signals as requests to stop for the length of the block.

    Only the main thread of a process can; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _note) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


class Interruptible:
    """Progress that raises ``Stopped`` once a stop was requested."""

    def __init__(self, inner: Progress) -> None:
        self.inner = inner

    def begin(self, title: str, total: float, unit: str) -> None:
        self.inner.begin(title, total, unit)

    def advance(self, amount: float, note: str = "") -> None:
        self.inner.advance(amount, note)
        if _received:
            raise Stopped(_received[0])

    def end(self, note: str = "") -> None:
        self.inner.end(note)

    def say(self, text: str) -> None:
        self.inner.say(text)
