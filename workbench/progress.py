"""Showing how far long work is: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from workbench.wording import visible

# Seconds in which whoever began something looks on.
MINUTE = 60.0


class Progress(Protocol):
    """What long work is given to report to."""

    def begin(self, title: str, total: float, unit: str) -> None:
        """Start a step of ``total`` units."""

    def advance(self, amount: float, note: str = "") -> None:
        """Say that ``amount`` more units are done."""

    def end(self, note: str = "") -> None:
        """Finish the step."""

    def say(self, text: str) -> None:
        """Print a line."""


class Silent:
    """Reports nothing."""

    def begin(self, title: str, total: float, unit: str) -> None: ...

    def advance(self, amount: float, note: str = "") -> None: ...

    def end(self, note: str = "") -> None: ...

    def say(self, text: str) -> None: ...


class Lines:
    """One line when a step ends, and one now and then while it runs.

    Every ``soon`` seconds in the first minute, in which whoever began it looks; then every ``every`` seconds.
    As a context it speaks up by itself where nothing is told, as while a library or a model is loaded.
    """

    def __init__(self, every: float = 30.0, soon: float = 5.0) -> None:
        self.every, self.soon = every, soon
        self.title, self.unit, self.total, self.done, self.note = "starting", "", 0.0, 0.0, ""
        self.started = self.began = self.spoke = time.monotonic()
        self._ended = threading.Event()

    def __enter__(self) -> Lines:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self.soon / 10):
            self.remind()

    def remind(self) -> None:
        """Say how far it is, if nothing was said for long enough."""
        now = time.monotonic()
        if now - self.spoke >= (self.soon if now - self.started < MINUTE else self.every):
            self.spoke = now
            self.say(f"{self.title}: {self._far(now)}")

    def _far(self, now: float) -> str:
        if self.done <= 0:
            return f"{now - self.began:,.0f} s so far"
        rate = self.done / (now - self.began)
        of, left = "", ""
        # More than was expected: nothing is known of what is left.
        if self.done <= self.total:
            of = f" of {self.total:,.0f}"
            left = f", {(self.total - self.done) / rate:,.0f} s left"
        note = f"; {self.note}" if self.note else ""
        return f"{self.done:,.0f}{of} {self.unit}, {rate:,.0f}/s{left}{note}"

    def begin(self, title: str, total: float, unit: str) -> None:
        self.title, self.total, self.unit, self.done, self.note = title, total, unit, 0.0, ""
        self.began = time.monotonic()

    def advance(self, amount: float, note: str = "") -> None:
        self.done, self.note = self.done + amount, note
        self.remind()

    def end(self, note: str = "") -> None:
        seconds = time.monotonic() - self.began
        self.say(f"{self.title}: done in {seconds:.1f} s{'; ' + note if note else ''}")
        self.title, self.done, self.began = "going on", 0.0, time.monotonic()

    def say(self, text: str) -> None:
        self.spoke = time.monotonic()
        print(visible(text), file=sys.stderr, flush=True)


class Bar:
    """A live bar on a terminal."""

    def __init__(self, console: Console) -> None:
        self.bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]} {task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
        )
        # Something moves from the first moment on, while libraries and models are loaded.
        self.task = self.bar.add_task("starting", total=None, unit="", rate="", note="")
        self.began, self.total, self.done, self.title = 0.0, 0.0, 0.0, ""

    def begin(self, title: str, total: float, unit: str) -> None:
        self.began, self.total, self.done, self.title = time.monotonic(), total, 0.0, title
        self.bar.reset(
            self.task, total=int(total), description=title, unit=unit, rate="", note="", visible=True
        )

    def advance(self, amount: float, note: str = "") -> None:
        self.done += amount
        rate = self.done / max(1e-9, time.monotonic() - self.began)
        done = int(self.done)
        total = max(int(self.total), done)
        self.bar.update(self.task, completed=done, total=total, rate=f"{rate:,.0f}/s", note=note)

    def end(self, note: str = "") -> None:
        seconds = time.monotonic() - self.began
        self.bar.reset(self.task, total=None, description="going on", unit="", rate="", note="")
        took = f" {seconds:.1f} s", "dim"
        self.bar.console.print(Text.assemble(("✓", "green"), f" {self.title}", took, "  ", note))

    def say(self, text: str) -> None:
        self.bar.console.print(visible(text), markup=False)


@contextmanager
def showing() -> Iterator[Progress]:
    """The right kind of progress for standard error.

    Commands load what is heavy under it, so that something moves meanwhile.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        with Lines() as lines:
            yield lines
        return
    bar = Bar(console)
    with bar.bar:
        try:
            yield bar
        finally:
            bar.bar.update(bar.task, visible=False)
