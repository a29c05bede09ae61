"""What is checked of the workers' Python and folders before anything is queued."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from workbench.errors import InputError
from workbench.study.config import JobConfig
from workbench.study.manifest import installed

# Bytes that must be free in the scratch folder.
ROOM = 1 << 30


def check_scratch(settings: JobConfig) -> None:
    """Raise ``InputError`` where the scratch folder is missing, not writable, or nearly full.

    One with a variable in its name is that of a node, and is not looked for here.
    """
    if not settings.scratch or "$" in settings.scratch:
        return
    path = Path(settings.scratch)
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise InputError(f"scratch folder {path} is not a folder that can be written; choose another")
    free = shutil.disk_usage(path).free
    if free < ROOM:
        raise InputError(
            f"scratch folder {path} has {free / 1e9:.2f} GB free, expected at least {ROOM / 1e9:.1f} GB;"
            " free space or choose another with --scratch"
        )


def check_workers(settings: JobConfig) -> None:
    """Run the workers' set-up and Python here, and compare what they import with this process.

    Raises ``InputError`` where the Python does not start, lacks the workbench, or has other versions of
    what numbers depend on.
    """
    inside = ["apptainer", "exec", settings.container] if settings.container else []
    program = [*inside, settings.python, "-P", "-m", "workbench", "versions"]
    text = "\n".join([*settings.setup, 'exec "$@"'])
    try:
        done = subprocess.run(
            ["bash", "-c", text, "bash", *program], capture_output=True, text=True, timeout=300
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"the workers' Python {settings.python} did not answer ({error})") from None
    try:
        theirs = json.loads(done.stdout.strip().splitlines()[-1])
    except (json.JSONDecodeError, IndexError):
        said = (done.stderr or done.stdout).strip().splitlines()
        raise InputError(
            f"the workers' Python {settings.python} cannot run the workbench"
            f" ({said[-1] if said else 'no output'}); set --python, or --setup lines that make it"
        ) from None
    for name, mine in installed().items():
        if theirs.get(name) != mine:
            raise InputError(
                f"{name} is {theirs.get(name, 'not installed')} on the workers and {mine} here; use one"
                " environment for both (--python, --setup, --container)"
            )
