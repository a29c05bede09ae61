"""Small hostile inputs, each read in a process that may die: none may end by a signal or a traceback.

Those of ``tests/fuzz``, damaged in ways that a seed fixes, and those that ended readers before, where the
folder ``../shared/faults/hostile`` is beside the checkout.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from pathlib import Path
from random import Random

from genomic_models.errors import ModelError
from tests.fuzz.inputs import put, read_sequence_file, read_track, read_variants
from tests.fuzz.limits import PATIENCE, TooLong, within_limits
from tests.fuzz.targets import TARGETS, damage
from workbench.errors import InputError

READERS = {
    ".bw": read_track,
    ".gtf": read_track,
    ".bed": read_track,
    ".vcf": read_variants,
    ".bcf": read_variants,
    ".fa": read_sequence_file,
}


@cache
def _fine(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    TARGETS[name].make(folder)
    return folder


def _damaged(name: str, number: int) -> str:
    """Read files of a kind, damaged; what ended it where that is no refusal."""
    with tempfile.TemporaryDirectory() as top:
        folder = shutil.copytree(_fine(name), Path(top) / "files")
        damage(TARGETS[name], folder, Random(f"{name} {number}"))
        return ended(partial(TARGETS[name].read, folder))


def _known(path: Path) -> str:
    """Read a file that ended a reader before."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        put(path.name, "", folder)
        shutil.copy(path, folder)
        return ended(partial(READERS[path.suffix], path.name, folder))


def ended(read: Callable[[], object]) -> str:
    """What reading ended in: a traceback, or nothing where it was fine or refused in a sentence."""
    try:
        with within_limits():
            read()
    except (InputError, ModelError):
        pass
    except (Exception, TooLong) as error:
        return "".join(traceback.format_exception(error))
    return ""


def crashes(each: int, hostile: Path) -> tuple[int, dict[str, str]]:
    """How many inputs were read, ``each`` of every kind; and by input what ended by anything else."""
    tasks = {f"{name} {i}": partial(_damaged, name, i) for name in TARGETS for i in range(each)}
    files = sorted(hostile.rglob("*")) if hostile.is_dir() else []
    tasks |= {p.name: partial(_known, p) for p in files if p.suffix in READERS and p.is_file()}
    found, pool = {}, _pool()
    for name, task in tasks.items():
        try:
            # Longer than a limit that Python can hold: such a one hangs in a library.
            said = pool.submit(task).result(2 * PATIENCE)
        except (BrokenProcessPool, TimeoutError) as error:
            for process in multiprocessing.active_children():
                process.kill()
            said, pool = f"its process ended: {type(error).__name__}", _pool()
        if said:
            found[name] = said
    pool.shutdown(wait=False, cancel_futures=True)
    return len(tasks), found


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
