"""How far a training is: a bar with rate and time left on a terminal or in a notebook, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from feature_mining.sae.training.training_run import Metrics

_EVERY = 10.0


@contextmanager
def shown(steps: int, batch: int) -> Iterator[Callable[[int, Metrics], None]]:
    """What a trainer is given to tell how far it is, on standard error."""
    console = Console(stderr=True)
    began = spoke = time.monotonic()

    def told(step: int, metrics: Metrics) -> tuple[float, str]:
        rate = step * batch / max(1e-9, time.monotonic() - began)
        note = f"explained {1 - metrics['mse']:.3f}, L0 {metrics['l0']:.1f}, dead {metrics['dead']:.0f}"
        return rate, note

    if not (console.is_terminal or console.is_jupyter):

        def line(step: int, metrics: Metrics) -> None:
            nonlocal spoke
            now = time.monotonic()
            if now - spoke < _EVERY and step < steps:
                return
            spoke = now
            rate, note = told(step, metrics)
            left = (steps - step) * batch / rate
            print(
                f"training: {step:,} of {steps:,} steps, {rate:,.0f} rows/s, {left:,.0f} s left; {note}",
                file=sys.stderr,
                flush=True,
            )

        yield line
        return
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps, {task.fields[rate]:,.0f} rows/s, left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=steps, rate=0.0, note="")

        def moved(step: int, metrics: Metrics) -> None:
            rate, note = told(step, metrics)
            bar.update(task, completed=step, rate=rate, note=note)

        yield moved
