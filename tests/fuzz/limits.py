"""What reading a small file may take, however wrong it is: 10 seconds and 2 GB.

Seconds are those of this process on a processor, so that other work on the machine does not count; a wait
without an end is ended all the same.
"""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECONDS = 10
PATIENCE = 12 * SECONDS
MEMORY = 2 << 30
_PAGE = resource.getpagesize()


class TooLong(BaseException):
    """It took longer; no ``Exception``, so that nothing takes it for a fault of the file."""


def _stop(number: int, frame: object) -> None:
    raise TooLong(f"more than {SECONDS} s")


TIMERS = {signal.SIGPROF: (signal.ITIMER_PROF, SECONDS), signal.SIGALRM: (signal.ITIMER_REAL, PATIENCE)}


@contextmanager
def within_limits() -> Iterator[None]:
    """Raise ``TooLong`` after ``SECONDS``, and ``MemoryError`` for ``MEMORY`` more than there is now.

    In the main thread alone.
    """
    size = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
    allowed = resource.getrlimit(resource.RLIMIT_AS)
    before = {number: signal.signal(number, _stop) for number in TIMERS}
    for timer, seconds in TIMERS.values():
        signal.setitimer(timer, seconds)
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, allowed[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, allowed)
        for number, (timer, _) in TIMERS.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
