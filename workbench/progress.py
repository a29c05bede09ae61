"""Showing how far long work is: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
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
    """One line when a step ends, and one every ``every`` seconds while it runs."""

    def __init__(self, every: float = 30.0) -> None:
        self.every = every
        self.title, self.unit, self.total, self.done = "", "", 0.0, 0.0
        self.began = self.spoke = time.monotonic()

    def begin(self, title: str, total: float, unit: str) -> None:
        self.title, self.total, self.unit, self.done = title, total, unit, 0.0
        self.began = self.spoke = time.monotonic()

    def advance(self, amount: float, note: str = "") -> None:
        self.done += amount
        now = time.monotonic()
        if now - self.spoke < self.every or not self.done:
            return
        self.spoke = now
        rate = self.done / (now - self.began)
        of, left = "", ""
        # More than was expected: nothing is known of what is left.
        if self.done <= self.total:
            of = f" of {self.total:,.0f}"
            left = f", {(self.total - self.done) / rate:,.0f} s left"
        self.say(
            f"{self.title}: {self.done:,.0f}{of} {self.unit}, {rate:,.0f}/s{left}"
            f"{'; ' + note if note else ''}"
        )

    def end(self, note: str = "") -> None:
        seconds = time.monotonic() - self.began
        self.say(f"{self.title}: done in {seconds:.1f} s{'; ' + note if note else ''}")

    def say(self, text: str) -> None:
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
        self.task = self.bar.add_task("", total=None, unit="", rate="", note="", visible=False)
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
        self.bar.update(self.task, visible=False)
        took = f" {seconds:.1f} s", "dim"
        self.bar.console.print(Text.assemble(("✓", "green"), f" {self.title}", took, "  ", note))

    def say(self, text: str) -> None:
        self.bar.console.print(visible(text), markup=False)


@contextmanager
def showing() -> Iterator[Progress]:
    """The right kind of progress for standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    bar = Bar(console)
    with bar.bar:
        yield bar
