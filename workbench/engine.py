"""Running stages here: in this process, or in several worker processes on this machine.

Every engine calls the same ``run_shard`` and believes the same ledger, so a run may be stopped anywhere
and taken up by another engine.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.ledger import exclusive
from workbench.progress import Progress, Silent
from workbench.stages.registry import STAGES
from workbench.stages.stage import Stage
from workbench.study import Study

PLAN = "plan"


def fingerprint(study: Study, stage: Stage) -> str:
    """Hash of the settings a stage depends on, its own and those of all stages before it."""
    sections = {name: asdict(getattr(study.config, name)) for name in stage.sections}
    upstream = {name: fingerprint(study, STAGES[name]) for name in stage.needs}
    manifest = "" if stage.name == PLAN else study.manifest.hash
    facts = [stage.name, sections, upstream, manifest]
    # Stages without further inputs keep the mark they always had.
    if inputs := stage.inputs(study):
        facts.append(inputs)
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_shard(study: Study, stage: Stage, shard: int, progress: Progress) -> None:
    """Make one shard of a stage unless it is there, and record it."""
    mark = fingerprint(study, stage)
    if study.ledger.done(stage.name, shard, mark):
        return
    began = time.monotonic()
    try:
        bases = stage.run(study, shard, progress)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        study.ledger.fail(stage.name, shard, cause, traceback.format_exc())
        if isinstance(error, ValueError):
            raise InputError(f"{study.folder}: stage {stage.name}: {error}") from error
        raise
    study.ledger.mark(stage.name, shard, mark, time.monotonic() - began, bases)


def _worker(folder: Path, stage: str, shard: int, threads: int) -> int:
    import torch

    torch.set_num_threads(threads)
    study = _worker_study(folder)
    run_shard(study, STAGES[stage], shard, Silent())
    return STAGES[stage].size(study, shard)


_STUDIES: dict[Path, Study] = {}


def _worker_study(folder: Path) -> Study:
    """The study of this worker process, opened (and its model loaded) once."""
    if folder not in _STUDIES:
        _STUDIES[folder] = Study.open(folder)
    return _STUDIES[folder]


def pending(study: Study, stage: Stage) -> list[int]:
    """Shards of a stage that are not done."""
    mark = fingerprint(study, stage)
    return [i for i in range(stage.count(study)) if study.ledger.done(stage.name, i, mark) is None]


def run_stage(study: Study, stage: Stage, workers: int, progress: Progress) -> None:
    """Run what is missing of one stage, then its reduction."""
    if stage.name != PLAN:
        mark = fingerprint(study, stage)
        if study.ledger.done(stage.name, None, mark):
            return
        shards = pending(study, stage)
        total = sum(stage.size(study, i) for i in shards)
    else:
        mark, shards, total = fingerprint(study, stage), [0], 1
    began = time.monotonic()
    progress.begin(stage.title, total, stage.unit)
    if workers > 1 and len(shards) > 1 and not stage.ordered:
        threads = max(1, (os.cpu_count() or 1) // workers)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(shards)), mp_context=context) as pool:
            waiting = [pool.submit(_worker, study.folder, stage.name, i, threads) for i in shards]
            try:
                for finished in as_completed(waiting):
                    progress.advance(finished.result())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    else:
        for i in shards:
            run_shard(study, stage, i, progress)
    stage.finish(study)
    study.ledger.mark(stage.name, None, mark, time.monotonic() - began)
    progress.end()


def run(
    study: Study,
    workers: int = 1,
    until: str | None = None,
    force: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Run a study to its end, or to the stage ``until``; ``force`` runs that stage and all after anew.

    Raises ``InputError`` for an unknown stage, for inputs that do not belong to the study, and where
    another driver holds it.
    """
    for name in (until, force):
        if name is not None and name not in STAGES:
            raise InputError(f"unknown stage {name!r}; expected one of {', '.join(STAGES)}")
    with exclusive(study.folder):
        names = list(STAGES)
        if force:
            for name in names[names.index(force) :]:
                study.ledger.forget(name)
            if force == PLAN:
                study.unlock()
        if study.planned:
            study.verify()
        for name in names:
            done = name == PLAN and study.planned
            if not done and STAGES[name].wanted(study):
                run_stage(study, STAGES[name], workers, progress or Silent())
            if name == until:
                return


class Standing(NamedTuple):
    """Where one stage stands: counts of shards, seconds and units a second of those done, causes."""

    stage: str
    state: str
    done: int
    shards: int
    seconds: float
    rate: float
    seconds_left: float
    failures: dict[str, int]


def survey(study: Study) -> list[Standing]:
    """Standing of every stage, read from the ledger's files alone."""
    standings = []
    for stage in STAGES.values():
        if not stage.wanted(study):
            continue
        if not study.planned:
            standings.append(Standing(stage.name, "waiting", 0, 0, 0.0, 0.0, 0.0, {}))
            continue
        mark = fingerprint(study, stage)
        causes: dict[str, int] = {}
        for cause in study.ledger.failures(stage.name).values():
            causes[cause] = causes.get(cause, 0) + 1
        try:
            shards = stage.count(study)
        except InputError:
            shards = 0
        records = [study.ledger.done(stage.name, i, mark) for i in range(shards)]
        finished = [r for r in records if r is not None]
        seconds = sum(r.seconds for r in finished)
        bases = sum(r.bases for r in finished)
        rate = bases / seconds if seconds else 0.0
        whole = study.ledger.done(stage.name, None, mark) is not None
        state = "done" if whole else "failed" if causes else "running" if finished else "waiting"
        left = 0.0 if whole or not finished else seconds / len(finished) * (shards - len(finished))
        standings.append(
            Standing(stage.name, state, len(finished), shards, seconds, rate, left, causes)
        )
    return standings
