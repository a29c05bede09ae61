"""One shard of one stage: made once, retried when it may help, known by its files and their hashes."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import NamedTuple

from workbench.atomic import recording
from workbench.errors import InputError
from workbench.failures import InvalidShard, kind_of, worth_retrying
from workbench.progress import Progress
from workbench.stages.registry import STAGES
from workbench.stages.stage import Stage
from workbench.stages.tree import groups_of, has_groups
from workbench.stop import Interruptible, Stopped, requested
from workbench.study import Study

PLAN = "plan"
ATTEMPTS = 3
"""How often one shard is tried before it counts as failed."""
BACK_OFF = 2.0
"""Seconds before the second try; four times as long before each next one."""


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
    """Make one shard of a stage unless it is there, and record it with the hashes of its files.

    Where the device's memory is too small the batch is halved and the shard begun again. Raises what the
    stage raises, after noting it; ``ValueError`` becomes ``InputError``.
    """
    mark = fingerprint(study, stage)
    if study.ledger.done(stage.name, shard, mark):
        return
    study.ledger.begin(stage.name, shard)
    began = time.monotonic()
    while True:
        try:
            with recording() as written:
                bases = stage.run(study, shard, Interruptible(progress))
            break
        except Stopped as stop:
            study.ledger.fail(stage.name, shard, "preempted", f"stopped by signal {stop}")
            raise
        except Exception as error:
            if kind_of(error) == "oom" and study.halve_batch():
                study.ledger.event("batch halved", stage.name, shard, batch=study.batch)
                continue
            cause = f"{type(error).__name__}: {error}"
            study.ledger.fail(stage.name, shard, kind_of(error), cause, traceback.format_exc())
            if isinstance(error, ValueError):
                raise InputError(f"{study.folder}: stage {stage.name}: {error}") from error
            raise
    study.ledger.mark(stage.name, shard, mark, time.monotonic() - began, bases, written)


def pending(study: Study, stage: Stage) -> list[int]:
    """Shards of a stage that are not done."""
    mark = fingerprint(study, stage)
    done = {shard for shard, _ in study.ledger.finished(stage.name, mark)}
    return [i for i in range(stage.count(study)) if i not in done]


class Outcome(NamedTuple):
    """What came of a list of shards: how many were made, which failed (with the last error), stopped."""

    made: int
    failed: dict[int, str]
    stopped: bool


def run_shards(
    study: Study,
    stage: Stage,
    shards: Sequence[int],
    progress: Progress,
    attempts: int = ATTEMPTS,
    wait: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Run shards one after another; one that fails is tried again later, the others go on.

    Errors of the input are not retried: the next try would end alike.
    """
    waiting = [(shard, 1) for shard in shards]
    failed: dict[int, str] = {}
    made = 0
    while waiting:
        shard, attempt = waiting.pop(0)
        if requested():
            return Outcome(made, failed, True)
        if attempt > 1:
            wait(BACK_OFF * 4 ** (attempt - 2))
        try:
            run_shard(study, stage, shard, progress)
            made += 1
        except Stopped:
            return Outcome(made, failed, True)
        except Exception as error:
            if attempt < attempts and worth_retrying(error):
                waiting.append((shard, attempt + 1))
            else:
                failed[shard] = f"{type(error).__name__}: {error}"
    return Outcome(made, failed, False)


def check_outputs(study: Study, stage: Stage) -> list[int]:
    """Compare every finished shard's files with the hashes noted for them.

    A shard whose files are missing or changed is forgotten, so that it runs again. Returns those shards.
    """
    mark = fingerprint(study, stage)
    damaged = []
    for shard, record in study.ledger.finished(stage.name, mark):
        try:
            record.verify(study.folder)
        except InvalidShard as error:
            study.ledger.drop(stage.name, shard)
            study.ledger.event("damaged", stage.name, shard, cause=str(error))
            damaged.append(shard)
    return sorted(damaged)


def reduce(study: Study, stage: Stage, progress: Progress) -> Outcome:
    """Finish a stage: check its shards' files, run what is missing, then merge. Nothing if it is done.

    The way out of every fault: a lost worker, a killed node, a damaged file leave missing shards, and the
    reduction makes them. Shards that fail again stay failed, and nothing is merged.
    """
    mark = fingerprint(study, stage)
    if study.ledger.done(stage.name, None, mark):
        return Outcome(0, {}, False)
    began = time.monotonic()
    check_outputs(study, stage)
    # What failed has been tried by its task already: once more, elsewhere, is enough.
    outcome = run_shards(study, stage, pending(study, stage), progress, attempts=1)
    if outcome.stopped or outcome.failed:
        return outcome
    outcome = add_groups(study, stage, progress)
    if outcome.stopped or outcome.failed:
        return outcome
    finish(study, stage, mark, began)
    return outcome


def add_groups(
    study: Study,
    stage: Stage,
    progress: Progress,
    execute: Callable[[Study, Stage, Sequence[int], Progress], Outcome] = run_shards,
) -> Outcome:
    """Add up the groups of a stage's shards that are not there yet; nothing for a stage without."""
    if not has_groups(study, stage):
        return Outcome(0, {}, False)
    groups = groups_of(stage)
    check_outputs(study, groups)
    return execute(study, groups, pending(study, groups), progress)


def finish(study: Study, stage: Stage, mark: str, began: float) -> None:
    """Merge the shards of a stage, and record the stage as done."""
    try:
        with recording() as written:
            stage.finish(study)
    except ValueError as error:
        study.ledger.fail(stage.name, None, kind_of(error), str(error), traceback.format_exc())
        raise InputError(f"{study.folder}: stage {stage.name}: {error}") from error
    study.ledger.mark(stage.name, None, mark, time.monotonic() - began, 0, written)


def describe_failure(study: Study, stage: Stage, failed: dict[int, str]) -> str:
    """One sentence on the shards of a stage that failed."""
    first, cause = next(iter(sorted(failed.items())))
    cause = cause.removeprefix("InputError: ").removeprefix(f"{study.folder}: stage {stage.name}: ")
    if not study.planned or stage.count(study) == 1:
        return f"{study.folder}: stage {stage.name}: {cause}"
    return (
        f"{study.folder}: stage {stage.name}: {len(failed)} of {stage.count(study)} shards failed, the first"
        f" is {first}: {cause}; see `workbench logs {study.folder} --failed`"
    )
