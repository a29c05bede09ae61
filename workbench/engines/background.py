"""A run that goes on by itself: a process of its own, known by a small file in the study's logs.

It is the same command that is typed, and outlives who started it: a page, its server, a session. One at a
time runs of a study.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.experiments.question import FOLDER, QUESTION, folder_of
from workbench.files.atomic import open_own, refuse_links, write_atomic
from workbench.files.text import read_text
from workbench.study.study import Study

RECORD, OUTPUT, LOCK = "background.json", "background.log", "background.lock"
# Bytes at the end of a run's output that are read.
LAST = 4000
# Runs begun by this process, so that ended ones are collected.
_children: dict[int, subprocess.Popen[bytes]] = {}


class Run(NamedTuple):
    """A run in the background.

    Attributes
    ----------
    running : bool
        Whether it goes on.
    pid : int
        Its process.
    output : str
        The end of what it printed.
    step : str
        ``experiments/NAME`` where it is one; empty for a run of the study.
    """

    running: bool
    pid: int
    output: str
    step: str = ""


def start(folder: Path) -> int:
    """Run a study in a process that outlives this one; gives its number.

    Raises ``InputError`` where a run holds the study already.
    """
    return _launch(folder, ["run", str(folder)])


def start_demo(folder: Path) -> int:
    """Make the demo study in a process that outlives this one."""
    return _launch(folder, ["demo", "--out", str(folder)])


def start_experiment(study: Study, name: str) -> int:
    """Run what is missing of an experiment in a process that outlives this one; gives its number.

    Raises ``InputError`` where there is no such question, and where a run holds the study already.
    """
    if not (folder_of(study, name) / QUESTION).is_file():
        raise InputError(f"{name}: the study has no experiment of this name")
    return _launch(study.folder, ["experiments", str(study.folder), "--run", name], f"{FOLDER}/{name}")


def start_scan(study: Study, name: str, out: Path) -> int:
    """Run the detector of an experiment along the study's genome, as `start_experiment` does.

    ``out`` is a file of calls in the experiment's folder.
    """
    detector = folder_of(study, name) / "detector.json"
    words = ["detect", "scan", str(study.folder), "--detector", str(detector), "--out", str(out)]
    return _launch(study.folder, words, f"{FOLDER}/{name}")


def _launch(folder: Path, words: list[str], step: str = "") -> int:
    refuse_links(folder.resolve())
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    # Of two that begin at once, by whichever server, the second finds the record of the first.
    with open_own(logs / LOCK, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = state(folder)
        if run.running or held(folder):
            what = f"{run.step} of it " if run.running and run.step else ""
            raise InputError(f"{folder.name}: {what}runs already; wait for it, or stop it")
        with open_own(logs / OUTPUT, "wb") as out:
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "workbench", *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _children[child.pid] = child
        with write_atomic(logs / RECORD) as temporary:
            temporary.write_text(json.dumps({"pid": child.pid, "folder": str(folder), "step": step}))
    return child.pid


def state(folder: Path) -> Run:
    """The study's last run in the background."""
    logs = folder / "logs"
    try:
        record = json.loads(read_text(logs / RECORD))
        pid, step = int(record["pid"]), str(record.get("step", ""))
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        return Run(False, 0, "")
    return Run(_alive(pid, folder), pid, _tail(logs / OUTPUT), step)


def stop(folder: Path) -> None:
    """Ask the run to stop: SIGTERM to that process alone. What is finished is kept."""
    run = state(folder)
    if run.running:
        os.kill(run.pid, signal.SIGTERM)


def held(folder: Path) -> bool:
    """Whether any run, from here or a command line, holds the study.

    Raises ``InputError`` where the lock is no file.
    """
    path = folder / "run.lock"
    if not path.exists():
        return False
    with open_own(path, "r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _alive(pid: int, folder: Path) -> bool:
    """Whether the process is still the run that was begun: its number may have gone to another since."""
    child = _children.get(pid)
    if child is not None:
        return child.poll() is None
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"workbench" in words and str(folder).encode() in words


def _tail(path: Path) -> str:
    try:
        with open_own(path, "rb") as handle:
            handle.seek(max(0, path.stat().st_size - LAST))
            return handle.read().decode("utf-8", "replace").replace("\r", "\n")
    except (OSError, InputError):
        return ""
