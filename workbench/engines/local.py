"""Driving a study from this process: shards here, in worker processes, or where an executor has them."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import scipy.linalg  # noqa: F401 (its own BLAS is loaded before it is limited)
import torch
from threadpoolctl import threadpool_limits

from genomic_models.files import remove_leftovers
from workbench.analysis.training import forget_checkpoints
from workbench.engines.shards import (
    ATTEMPTS,
    PLAN,
    Outcome,
    Work,
    add_groups,
    check_outputs,
    describe_failure,
    fingerprint,
    finish,
    pending,
    run_shards,
)
from workbench.engines.submission import refuse_live
from workbench.engines.survey import refuse_unready
from workbench.errors import InputError
from workbench.experiments.registry import as_stage, find_step
from workbench.interruption import listening, obey, requested, stopped
from workbench.progress import Progress, Silent
from workbench.stages.registry import STAGES
from workbench.stages.stage import Shard, Stage
from workbench.stages.tree import SUFFIX
from workbench.study.ledger import exclusive
from workbench.study.study import Study
from workbench.study.trust import foreign_owner

# Runs the given shards of a stage somewhere, and says what came of them.
Executor = Callable[[Study, Work, Progress], Outcome]

# Seconds between looks at whether a stop was asked for.
POLL = 0.2

_STUDIES: dict[Path, tuple[str, Study]] = {}
_ONE = threading.Lock()


def opened(folder: Path, run: str) -> Study:
    """The study of this worker process, opened (and its model loaded) once in a run.

    Before the next run, of the same Dask workers, its settings may be others.
    """
    if folder not in _STUDIES or _STUDIES[folder][0] != run:
        _STUDIES[folder] = run, Study.open(folder)
    return _STUDIES[folder][1]


def work_on(folder: Path, run: str, stage: str, mark: str, shard: Shard, threads: int) -> Outcome:
    """What came of one shard, made in a worker process; ``run`` is whatever names the run."""
    # One shard at a time in a process: a Dask worker may have several threads. NumPy's BLAS is held to as
    # many as PyTorch: workers beside each other would fight for the cores, and sums change with the number.
    with _ONE, threadpool_limits(threads):
        torch.set_num_threads(threads)
        study = opened(folder, run)
        return run_shards(study, Work(find_step(study, stage), mark, [shard]), Silent())


def here(study: Study, work: Work, progress: Progress) -> Outcome:
    """Shards one after another in this process."""
    return run_shards(study, work, progress)


def processes(workers: int, threads: int = 0) -> Executor:
    """Shards of one run in worker processes of ``threads`` threads each; 0 shares the cores out.

    Then a shard that is most of what is left, such as a training beside a sample, has as much of the cores.

    They are started once, and end with the executor. A pool that breaks (a worker was killed) is made anew,
    for what is left.
    """
    cores = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool: ProcessPoolExecutor | None = None
    others = set(multiprocessing.active_children())

    def execute(study: Study, work: Work, progress: Progress) -> Outcome:
        nonlocal pool
        name, shards = work.stage.name, work.shards
        made, failed = 0, dict[int, str]()
        for _ in range(ATTEMPTS):
            if not shards:
                break
            # It starts a process where none is idle, and no more than it has work for.
            pool = pool or ProcessPoolExecutor(workers, context, initializer=obey, initargs=(stop,))
            try:
                left, waiting = deque(shards), dict[Future[Outcome], int]()
                size = max(1, sum(shard.size for shard in shards))
                while left or waiting:
                    # No more at a time than keeps them busy: to wait for all of 100,000 costs each of them.
                    while left and len(waiting) < 2 * workers:
                        shard = left.popleft()
                        share = threads or max(1, cores // workers, round(cores * shard.size / size))
                        task = (study.folder, "", name, work.mark, shard, share)
                        waiting[pool.submit(work_on, *task)] = shard.size
                    if requested():
                        stop.set()
                        left.clear()
                    for future in wait(waiting, POLL, FIRST_COMPLETED).done:
                        outcome = future.result()
                        made += outcome.made
                        failed |= outcome.failed
                        progress.advance(waiting.pop(future) * outcome.made)
            except BrokenProcessPool:
                # Those that are left heed no signal but this one, and may wait for a lock of the dead one's.
                for process in set(multiprocessing.active_children()) - others:
                    process.kill()
                pool.shutdown()
                pool = None
                if not requested():
                    progress.say(f"{name}: a worker process died; going on with what is left")
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            if requested():
                if pool:
                    pool.shutdown()
                return Outcome(made, failed, True)
            shards = [s for s in pending(study, work).shards if s.index not in failed]
        lost = {s.index: "its worker process died again and again" for s in shards}
        return Outcome(made, failed | lost, False)

    return execute


def run_stage(study: Study, stage: Stage, execute: Executor, progress: Progress) -> None:
    """Run what is missing of one stage, then its reduction.

    Raises ``InputError`` that names the shards that failed, ``Stopped`` after a request to stop.
    """
    mark = fingerprint(study, stage)
    if stage.name != PLAN:
        check_outputs(study, stage, mark)
        if study.ledger.done(stage.name, None, mark):
            return
    work = Work(stage, mark, stage.shards(study))
    left = work if stage.name == PLAN else pending(study, work)
    began = time.monotonic()
    progress.begin(stage.title, sum(shard.size for shard in left.shards), stage.unit)
    alone = len(left.shards) <= 1 or stage.ordered
    outcome = (here if alone else execute)(study, left, progress)
    if not outcome.stopped and not outcome.failed:
        outcome = add_groups(study, work, Silent(), execute)
    if outcome.stopped:
        raise stopped()
    if outcome.failed:
        raise InputError(describe_failure(study, stage, len(work.shards), outcome.failed))
    # The plan writes the manifest that its own mark depends on no longer.
    finish(study, stage, mark, began)
    progress.end()


def run_experiment(
    study: Study, name: str, execute: Executor = here, progress: Progress | None = None
) -> None:
    """Run what is missing of an experiment of a finished study.

    Raises ``InputError`` where a stage that it needs is not done, and as ``run`` does.
    """
    with exclusive(study.folder), listening():
        refuse_live(study)
        remove_leftovers(study.folder)
        study.verify()
        stage = as_stage(study, name)
        refuse_unready(study, stage.name)
        run_stage(study, stage, execute, progress or Silent())


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
        remove_leftovers(study.folder)
        if foreign := foreign_owner(study.folder):
            (progress or Silent()).say(f"note: {study.folder} belongs to {foreign}, not to you")
        names = list(STAGES)
        if force:
            forced = names[names.index(force) :]
            for name in forced:
                study.ledger.forget(name)
                study.ledger.forget(name + SUFFIX)
            forget_checkpoints(study, forced)
            if force == PLAN:
                study.unlock()
        if study.planned:
            study.verify()
            if check_outputs(study, STAGES[PLAN], fingerprint(study, STAGES[PLAN])):
                study.unlock()
        if not study.planned:
            # What it wrote belongs together: a manifest that is gone is not made by a plan that is done.
            study.ledger.forget(PLAN)
        for name in names:
            done = name == PLAN and study.planned
            if not done and STAGES[name].wanted(study):
                run_stage(study, STAGES[name], execute, progress or Silent())
            if name == until:
                return
