"""Tools of others: which version is installed, and running a program within limits."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from workbench.judges.judge import NotJudged

# Seconds that a program has for one sequence.
SECONDS = 120
EXTRA = "pip install 'genomics-workbench[judges]'"


def package_version(name: str, *besides: str) -> str:
    """Version of an installed package; empty where it, or one that it needs ``besides``, is missing."""
    try:
        for other in besides:
            version(other)
        return version(name)
    except PackageNotFoundError:
        return ""


@cache
def program_version(program: str, *arguments: str) -> str:
    """Version of an installed program, the first word with a digit of what it prints; empty without it."""
    if shutil.which(program) is None:
        return ""
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SECONDS
    )
    words = (done.stdout + done.stderr).split()
    return next((word.lstrip("v") for word in words if any(map(str.isdigit, word))), "unknown")


def run_program(command: Sequence[object], seconds: float = SECONDS) -> str:
    """What a program prints.

    Raises `NotJudged` where it does not end in time or ends with a status other than 0.
    """
    name = str(command[0])
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=os.environ | {"LC_ALL": "C"},
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise NotJudged(f"{name} took more than {seconds:,.0f} s") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise NotJudged(f"{name} ended with status {done.returncode}: {' '.join(said[-1:])}")
    return done.stdout
