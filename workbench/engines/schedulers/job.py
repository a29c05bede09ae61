"""A batch job, and the script that runs it under any scheduler."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from workbench.interruption import EXIT
from workbench.study.config import JobConfig


@dataclass(frozen=True)
class Job:
    """One job, or one array of jobs.

    Attributes
    ----------
    name : str
        Shown in the queue.
    command : tuple of str
        Arguments of the workbench command line; in an array, ``{task}`` becomes the 0-based index.
    tasks : int
        Size of the array; 0 for a single job.
    gpus : int
        GPUs of each task.
    logs : Path
        Folder of what the tasks print.
    settings : JobConfig
    last : bool
        Whether nothing comes after it: its end is what a mail tells.
    """

    name: str
    command: tuple[str, ...]
    tasks: int
    gpus: int
    logs: Path
    settings: JobConfig
    last: bool = False


class Entry(NamedTuple):
    """A job, or one task of an array, as the queue shows it: ``state`` is pending, running or ending."""

    job: str
    task: int | None
    state: str
    reason: str


def seconds(time: str) -> int:
    """Seconds of ``[D-]H:MM[:SS]``."""
    days, _, clock = time.rpartition("-")
    parts = [int(p) for p in clock.split(":")] + [0]
    return int(days or 0) * 86400 + parts[0] * 3600 + parts[1] * 60 + parts[2]


def megabytes(memory: str) -> int:
    """MiB of ``32G``, rounded up."""
    factor = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}[memory[-1]]
    return max(1, -(-int(int(memory[:-1]) * factor * 1000) // 1000))


def command_line(job: Job, task: str) -> str:
    """The shell command of one task, inside its container if there is one."""
    settings = job.settings
    words = ["apptainer", "exec", "--nv", settings.container] if settings.container else []
    words += [settings.python or "python", "-P", "-m", "workbench", *job.command]
    quoted = [shlex.quote(w).replace("{task}", f"'{task}'") for w in words]
    if settings.container:
        # Of the node's folders Apptainer shows a few by itself.
        seen = [shlex.quote(job.command[1]), *(['"$TMPDIR"'] if settings.scratch else [])]
        quoted[2:2] = [word for folder in seen for word in ("--bind", folder)]
    return " ".join(quoted)


def scratch_lines(scratch: str) -> list[str]:
    """Shell lines that put temporary files into a folder, whose variables are expanded on the node."""
    if not scratch:
        return []
    value = f'"{scratch}"' if "$" in scratch else shlex.quote(scratch)
    return [
        f"export TMPDIR={value}",
        'if ! { mkdir -p "$TMPDIR" && [ -w "$TMPDIR" ]; }; then',
        '    echo "workbench: scratch folder $TMPDIR cannot be written on $(hostname)" >&2',
        "    exit 2",
        "fi",
    ]


def script(job: Job, directives: list[str], task: str, requeue: list[str]) -> str:
    """A bash script: directives, set-up, the command with the warning signal passed on, requeueing.

    The set-up comes before ``set -u``: scripts of modules and environments read variables that are not set.

    Parameters
    ----------
    job : Job
    directives : list of str
        Comment lines that the scheduler reads.
    task : str
        Shell expression of the 0-based array index.
    requeue : list of str
        Shell lines run when the command asks to be queued again (exit status 85).
    """
    settings = job.settings
    lines = ["#!/bin/bash", *directives, *settings.setup, "set -u"]
    lines += [
        f"export OMP_NUM_THREADS={settings.cpus} HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1",
        *scratch_lines(settings.scratch),
        "child= warned=",
        # The shell gets the warning; wait returns at once, so it waits again for the child to save.
        "trap 'warned=1; [ -n \"$child\" ] && kill -USR1 $child 2>/dev/null' USR1 USR2 TERM",
        f"{command_line(job, task)} &",
        "child=$!",
        '[ -n "$warned" ] && kill -USR1 $child 2>/dev/null',
        "wait $child; status=$?",
        "while kill -0 $child 2>/dev/null; do wait $child; status=$?; done",
        f"if [ $status -eq {EXIT} ]; then",
        *(f"    {line}" for line in requeue),
        "fi",
        "exit $status",
    ]
    return "\n".join(lines) + "\n"
