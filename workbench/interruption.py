"""Being asked to stop: Ctrl-C, the scheduler's warning before it ends a job, or a polite kill.

The first of these signals only sets a flag. Work that can save its state asks ``requested``; everything else
ends at the next report of progress, which ``Interruptible`` turns into ``Stopped``, or where it asks ``heed``
(hashing and reading, which report nothing). What was finished before stays finished. A second Ctrl-C ends at
once. After SIGTERM, which SIGKILL often follows, the process is gone within 5 seconds, whatever it does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from types import FrameType
from typing import Protocol

from workbench.progress import Progress

# Exit status of a task that was stopped and wants to be queued again.
EXIT = 85

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
# Seconds that work has for a good end of its own after SIGTERM.
PATIENCE = 4.0

_received: list[int] = []
_told: list[Flag] = []


class Flag(Protocol):
    """What one process sets to stop others."""

    def is_set(self) -> bool: ...


class Stopped(BaseException):
    """Raised once a stop was asked for; ``number`` is the signal's.

    No ``Exception``: nothing may take it for a fault of a file or of a shard.
    """

    def __init__(self, number: int) -> None:
        super().__init__("stopped; run the same command again to go on")
        self.number = number

    @property
    def status(self) -> int:
        """Exit status: a task that its scheduler stops wants to be queued again, not so one after Ctrl-C."""
        return 128 + signal.SIGINT if self.number == signal.SIGINT else EXIT


def requested() -> bool:
    """Whether the process has been asked to stop."""
    return bool(_received) or any(flag.is_set() for flag in _told)


def stopped() -> Stopped:
    """What to raise after a request to stop."""
    return Stopped(_received[0] if _received else signal.SIGTERM)


def heed() -> None:
    """Raise ``Stopped`` after a request to stop; for long loops that report no progress and hold no state."""
    if requested():
        raise stopped()


def _note(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGINT:
        if number in _received:
            raise KeyboardInterrupt
        # Not `print`: the handler may have come in the middle of one.
        os.write(2, b"\nstopping when it is safe; Ctrl-C again to end at once\n")
    _received.append(number)


@contextmanager
def listening() -> Iterator[None]:
    """Take the signals as requests to stop for the length of the block.

    Only the main thread of a process can; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _note) for number in SIGNALS}
    # The system writes numbers of signals there also while the main thread is deep in a library.
    numbers, noted = os.pipe()
    os.set_blocking(noted, False)
    woken = signal.set_wakeup_fd(noted, warn_on_full_buffer=False)
    over = threading.Event()
    threading.Thread(target=_insist, args=(numbers, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(woken)
        os.close(noted)
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def _insist(numbers: int, over: threading.Event) -> None:
    """End this process ``PATIENCE`` seconds after SIGTERM, unless what listened is over by then."""
    with os.fdopen(numbers, "rb", buffering=0) as pipe:
        while number := pipe.read(1):
            if number[0] == signal.SIGTERM and not over.wait(PATIENCE):
                os.write(2, b"workbench: stopped in the middle; run the same command again to go on\n")
                os._exit(EXIT)


def obey(flag: Flag) -> None:
    """Make this process, one that another started, leave the signals to that one and stop at its ``flag``.

    It ends with that process, however that ends.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _told.append(flag)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(EXIT)


class Interruptible:
    """Progress of one attempt at a shard: raises ``Stopped`` once a stop was requested.

    ``undo`` takes back what it reported, for an attempt that comes to nothing.
    """

    def __init__(self, inner: Progress) -> None:
        self.inner = inner
        self.done = 0.0

    def begin(self, title: str, total: float, unit: str) -> None:
        self.inner.begin(title, total, unit)

    def advance(self, amount: float, note: str = "") -> None:
        self.done += amount
        self.inner.advance(amount, note)
        heed()

    def undo(self) -> None:
        """Take back what was reported."""
        self.inner.advance(-self.done)
        self.done = 0.0

    def end(self, note: str = "") -> None:
        self.inner.end(note)

    def say(self, text: str) -> None:
        self.inner.say(text)
