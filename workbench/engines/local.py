"""Driving a study from this process: shards here, in worker processes, or where an executor has them."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from workbench.engines.shards import (
    ATTEMPTS,
    PLAN,
    Outcome,
    add_groups,
    check_outputs,
    describe_failure,
    fingerprint,
    finish,
    pending,
    run_shards,
)
from workbench.errors import InputError
from workbench.ledger import exclusive
from workbench.progress import Progress, Silent
from workbench.stages.registry import STAGES, find_stage
from workbench.stages.stage import Stage
from workbench.stages.tree import SUFFIX
from workbench.stop import Stopped, listening
from workbench.study import Study
from workbench.submission import refuse_live

Executor = Callable[[Study, Stage, Sequence[int], Progress], Outcome]
"""Runs the given shards of a stage somewhere, and says what came of them."""

_STUDIES: dict[Path, Study] = {}
_ONE = threading.Lock()


def opened(folder: Path) -> Study:
    """The study of this worker process, opened (and its model loaded) once."""
    if folder not in _STUDIES:
        _STUDIES[folder] = Study.open(folder)
    return _STUDIES[folder]


def work(folder: Path, stage: str, shard: int, threads: int) -> tuple[int, Outcome]:
    """One shard in a worker process: its size in units, and what came of it."""
    import scipy.linalg  # noqa: F401 (its own BLAS is loaded before it is limited)
    import torch
    from threadpoolctl import threadpool_limits

    # One shard at a time in a process: a Dask worker may have several threads. NumPy's BLAS is held to as
    # many as PyTorch: workers beside each other would fight for the cores, and sums change with the number.
    with _ONE, threadpool_limits(threads):
        torch.set_num_threads(threads)
        study, step = opened(folder), find_stage(stage)
        return step.size(study, shard), run_shards(study, step, [shard], Silent())


def here(study: Study, stage: Stage, shards: Sequence[int], progress: Progress) -> Outcome:
    """Shards one after another in this process."""
    return run_shards(study, stage, shards, progress)


def processes(workers: int, threads: int = 0) -> Executor:
    """Shards in worker processes of ``threads`` threads each; 0 shares the cores out.

    A pool that breaks (a worker was killed) is made anew, for what is left.
    """
    threads = threads or max(1, (os.cpu_count() or 1) // workers)

    def execute(study: Study, stage: Stage, shards: Sequence[int], progress: Progress) -> Outcome:
        context = multiprocessing.get_context("spawn")
        made, failed = 0, dict[int, str]()
        for _ in range(ATTEMPTS):
            if not shards:
                break
            pool = ProcessPoolExecutor(min(workers, len(shards)), mp_context=context)
            try:
                waiting = [pool.submit(work, study.folder, stage.name, i, threads) for i in shards]
                for finished in as_completed(waiting):
                    size, outcome = finished.result()
                    made += outcome.made
                    failed |= outcome.failed
                    progress.advance(size)
            except BrokenProcessPool:
                progress.say(f"{stage.name}: a worker process died; going on with what is left")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            pool.shutdown()
            shards = [i for i in pending(study, stage) if i not in failed]
        left = {i: "its worker process died again and again" for i in shards}
        return Outcome(made, failed | left, False)

    return execute


def run_stage(study: Study, stage: Stage, execute: Executor, progress: Progress) -> None:
    """Run what is missing of one stage, then its reduction.

    Raises ``InputError`` that names the shards that failed, ``Stopped`` after a warning signal.
    """
    mark = fingerprint(study, stage)
    if stage.name == PLAN:
        shards, total = [0], 1
    else:
        if study.ledger.done(stage.name, None, mark):
            return
        check_outputs(study, stage)
        shards = pending(study, stage)
        total = sum(stage.size(study, i) for i in shards)
    began = time.monotonic()
    progress.begin(stage.title, total, stage.unit)
    alone = len(shards) <= 1 or stage.ordered
    outcome = (here if alone else execute)(study, stage, shards, progress)
    if not outcome.stopped and not outcome.failed:
        outcome = add_groups(study, stage, Silent(), execute)
    if outcome.stopped:
        raise Stopped(0)
    if outcome.failed:
        raise InputError(describe_failure(study, stage, outcome.failed))
    # The plan writes the manifest that its own mark depends on no longer.
    finish(study, stage, mark, began)
    progress.end()


def run(
    study: Study,
    execute: Executor = here,
    until: str | None = None,
    force: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Run a study to its end, or to the stage ``until``; ``force`` runs that stage and all after anew.

    ``execute`` runs the shards of stages that have several; all else runs here.

    Raises ``InputError`` for an unknown stage, for inputs that do not belong to the study, for shards that
    fail, and where another driver holds it.
    """
    for name in (until, force):
        if name is not None and name not in STAGES:
            raise InputError(f"unknown stage {name!r}; expected one of {', '.join(STAGES)}")
    with exclusive(study.folder), listening():
        refuse_live(study)
        names = list(STAGES)
        if force:
            for name in names[names.index(force) :]:
                study.ledger.forget(name)
                study.ledger.forget(name + SUFFIX)
            if force == PLAN:
                study.unlock()
        if study.planned:
            study.verify()
        for name in names:
            done = name == PLAN and study.planned
            if not done and STAGES[name].wanted(study):
                run_stage(study, STAGES[name], execute, progress or Silent())
            if name == until:
                return
