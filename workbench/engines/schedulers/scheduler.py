"""What a scheduler can be asked; each is one module beside this one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from workbench.engines.schedulers.job import Entry, Job
from workbench.errors import InputError

# Seconds that a scheduler's command may take.
PATIENCE = 60


class Scheduler(Protocol):
    """A scheduler.

    Attributes
    ----------
    name : str
    program : str
        The command that submits; its presence says that the scheduler is here.
    """

    name: str
    program: str

    def render(self, job: Job) -> str:
        """The script of a job."""

    def avoid(self, hosts: Sequence[str]) -> list[str]:
        """Options that keep a job off these hosts; none where the scheduler has no such option."""

    def check(self, script: Path) -> None:
        """Have the scheduler judge a script without queueing it; ``InputError`` with its reason."""

    def limit(self) -> int | None:
        """The largest array, if the scheduler says."""

    def commands(
        self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()
    ) -> list[list[str]]:
        """The commands that queue the script of a job of this name.

        It starts when the jobs ``after`` have ended, however they ended; ``tasks`` limits an array to these
        indices.
        """

    def submit(self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()) -> str:
        """Run `commands`; the job's id."""

    def queue(self, jobs: Sequence[str]) -> list[Entry] | None:
        """Those of ``jobs`` that wait or run; None where the scheduler does not answer."""

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs, waiting or running."""

    def account(self, jobs: Sequence[str]) -> dict[str, str] | None:
        """How ended jobs ended, by ``JOB_TASK``, where there is accounting; else None."""


def ask(*command: str, given: str | None = None) -> str:
    """Run a scheduler's command; its standard output. ``InputError`` with what it said on failure."""
    if shutil.which(command[0]) is None:
        raise InputError(
            f"no `{command[0]}` on this machine; run this where jobs are submitted from, choose another"
            " --scheduler, or print the scripts with --dry-run"
        )
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"`{command[0]}` did not answer in {PATIENCE} s; try again later") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
        raise InputError(f"`{' '.join(command[:6])}` was refused: {said}")
    return done.stdout


def refuse_qos(name: str, qos: str) -> None:
    """Raise ``InputError`` where a quality of service is asked of a scheduler that has no such option."""
    if qos:
        raise InputError(f"[jobs]: qos is {qos!r}, for which {name} has no option; leave it out")


def ranges(numbers: Sequence[int]) -> str:
    """Indices as schedulers write them: ``0-3,7``."""
    parts: list[list[int]] = []
    for n in sorted(numbers):
        if parts and parts[-1][1] == n - 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)
