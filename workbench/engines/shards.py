"""One shard of one stage: made once, retried when it may help, known by its files and their hashes."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from genomic_models.errors import ModelError
from genomic_models.registry import check_device
from workbench.engines.memory import keep_freed_memory
from workbench.errors import InputError
from workbench.experiments.question import FOLDER
from workbench.experiments.registry import experiments
from workbench.files.atomic import recording, refusal
from workbench.files.settings import stated
from workbench.interruption import Interruptible, Stopped, requested
from workbench.progress import Progress
from workbench.stages.registry import STAGES
from workbench.stages.stage import Shard, Stage
from workbench.stages.tree import SUFFIX, groups_of, has_groups
from workbench.study.damage import Damage, find_damage
from workbench.study.failures import kind_of, worth_retrying
from workbench.study.study import Study
from workbench.wording import listed

PLAN = "plan"
# How often one shard is tried before it counts as failed.
ATTEMPTS = 3
# Seconds before the second try; four times as long before each next one.
BACK_OFF = 2.0


def fingerprint(study: Study, stage: Stage) -> str:
    """Hash of the settings a stage depends on, its own and those of all stages before it."""
    return _fingerprint(study, stage, {})


def _fingerprint(study: Study, stage: Stage, known: dict[str, str]) -> str:
    if stage.name not in known:
        sections = {name: said for name in stage.sections if (said := _stated(study, name))}
        upstream = {name: _fingerprint(study, STAGES[name], known) for name in stage.needs}
        manifest = "" if stage.name == PLAN else study.manifest.hash
        facts = [stage.name, sections, upstream, manifest]
        # Stages without further inputs keep the mark they always had.
        if inputs := stage.inputs(study):
            facts.append(inputs)
        text = json.dumps(facts, sort_keys=True)
        known[stage.name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return known[stage.name]


def _stated(study: Study, name: str) -> dict[str, Any]:
    """Settings of a section that are not the usual ones.

    The model of a planned study is its weights, which are compared by their hash: the name that they are
    loaded by may have changed since.
    """
    section = getattr(study.config, name)
    if name == "model" and study.planned:
        section = replace(section, name=study.manifest.model.name)
    return stated(section)


class Work(NamedTuple):
    """Shards of a stage that are to be made, and the stage's fingerprint: both found once a run."""

    stage: Stage
    mark: str
    shards: list[Shard]


def plan_work(study: Study, stage: Stage) -> Work:
    """All shards of a stage."""
    return Work(stage, fingerprint(study, stage), stage.shards(study))


def pending(study: Study, work: Work) -> Work:
    """What of some work is not done."""
    done = {index for index, _ in study.ledger.finished(work.stage.name, work.mark)}
    return work._replace(shards=[s for s in work.shards if s.index not in done])


def run_shard(study: Study, stage: Stage, mark: str, shard: Shard, progress: Progress) -> None:
    """Make one shard of a stage unless it is there, and record it with the hashes of its files.

    Where the device's memory is too small the batch is halved and the shard begun again. Raises what the
    stage raises, after noting it; ``ValueError`` and a disk that is full become ``InputError``.
    """
    index = shard.index
    if study.ledger.done(stage.name, index, mark):
        return
    keep_freed_memory()
    study.ledger.begin(stage.name, index)
    began, used = time.monotonic(), time.process_time()
    attempt = Interruptible(progress)
    while True:
        try:
            with recording() as written:
                bases = stage.run(study, shard, attempt)
            break
        except Stopped as stop:
            cause = f"stopped by signal {stop.number}"
            study.ledger.fail(stage.name, index, mark, "preempted", cause)
            raise
        except Exception as error:
            attempt.undo()
            if kind_of(error) == "oom" and study.halve_batch():
                study.ledger.event("batch halved", stage.name, index, batch=study.batch)
                continue
            full = refusal(error) if isinstance(error, OSError) else ""
            cause = full or f"{type(error).__name__}: {error}"
            trace = traceback.format_exc()
            study.ledger.fail(stage.name, index, mark, kind_of(error), cause, trace)
            if isinstance(error, ValueError):
                raise InputError(f"{study.folder}: stage {stage.name}: {error}") from error
            if full:
                raise InputError(full) from error
            raise
    seconds, cpu = time.monotonic() - began, time.process_time() - used
    if study.ledger.mark(stage.name, index, mark, seconds, bases, written, cpu):
        forget_after(study, stage)


def forget_after(study: Study, stage: Stage) -> None:
    """Forget every stage that reads what this one writes, through others too: it has written other bytes.

    Experiments read what stages write, and are forgotten with them.
    """
    changed = {stage.name}
    for other in STAGES.values():  # in the order in which they run
        if changed.intersection(other.needs):
            changed.add(other.name)
            study.ledger.forget(other.name)
            study.ledger.forget(other.name + SUFFIX)
    for name in experiments(study):
        study.ledger.forget(f"{FOLDER}/{name}")
    study.ledger.event("changed", stage.name)


class Outcome(NamedTuple):
    """What came of a list of shards: how many were made, which failed (with the last error), stopped."""

    made: int
    failed: dict[int, str]
    stopped: bool


def run_shards(
    study: Study,
    work: Work,
    progress: Progress,
    attempts: int = ATTEMPTS,
    wait: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Run shards one after another; one that fails is tried again later, the others go on.

    Errors of the input are not retried: the next try would end alike.
    """
    waiting = deque((shard, 1) for shard in work.shards)
    failed: dict[int, str] = {}
    made = 0
    while waiting:
        shard, attempt = waiting.popleft()
        if requested():
            return Outcome(made, failed, True)
        if attempt > 1:
            wait(BACK_OFF * 4 ** (attempt - 2))
        try:
            run_shard(study, work.stage, work.mark, shard, progress)
            made += 1
        except Stopped:
            return Outcome(made, failed, True)
        except Exception as error:
            if attempt < attempts and worth_retrying(error):
                waiting.append((shard, attempt + 1))
            else:
                known = isinstance(error, InputError)
                failed[shard.index] = str(error) if known else f"{type(error).__name__}: {error}"
    return Outcome(made, failed, False)


def check_outputs(study: Study, stage: Stage, mark: str, thorough: bool = False) -> list[Damage]:
    """Forget finished shards whose files are missing or changed, so that they run again; returns them.

    What is changed is removed: a training would go on from a damaged checkpoint.
    """
    damaged = list(find_damage(study, stage.name, mark, thorough))
    for found in damaged:
        if record := study.ledger.done(stage.name, found.shard, mark):
            record.remove_damaged(study.folder)
        study.ledger.drop(stage.name, found.shard)
        study.ledger.event("damaged", stage.name, found.shard, cause=found.cause)
    return damaged


def reduce(study: Study, stage: Stage, progress: Progress) -> Outcome:
    """Finish a stage: check its shards' files, run what is missing, then merge. Nothing if it is done.

    The way out of every fault: a lost worker, a killed node, a damaged file leave missing shards, and the
    reduction makes them. Shards that fail again stay failed, and nothing is merged.
    """
    work = plan_work(study, stage)
    check_outputs(study, stage, work.mark)
    if study.ledger.done(stage.name, None, work.mark):
        return Outcome(0, {}, False)
    began = time.monotonic()
    left = pending(study, work)
    if left.shards and len(work.shards) > 1 and stage.model:
        _refuse_without_device(study, work, left)
    # What failed has been tried by its task already: once more, elsewhere, is enough.
    outcome = run_shards(study, left, progress, attempts=1)
    if outcome.stopped or outcome.failed:
        return outcome
    outcome = add_groups(study, work, progress)
    if outcome.stopped or outcome.failed:
        return outcome
    finish(study, stage, work.mark, began)
    return outcome


def _refuse_without_device(study: Study, work: Work, left: Work) -> None:
    """A merging job on a cluster has no GPU: what it cannot make is named, and nothing is tried."""
    device = study.config.model.device
    try:
        check_device(device)
    except ModelError:
        missing = listed([str(shard.index) for shard in left.shards], 6)
        raise InputError(
            f"{study.folder}: stage {work.stage.name}: {len(left.shards)} of {len(work.shards)} shards are"
            f" missing ({missing}), and there is no {device} here to make them; queue them with"
            f" `workbench retry {study.folder}` or `workbench submit {study.folder}`"
        ) from None


def add_groups(
    study: Study,
    work: Work,
    progress: Progress,
    execute: Callable[[Study, Work, Progress], Outcome] = run_shards,
) -> Outcome:
    """Add up the groups of a stage's shards that are not there yet; nothing for a stage without.

    ``work`` is all of the stage.
    """
    if not has_groups(work.stage, len(work.shards)):
        return Outcome(0, {}, False)
    groups = plan_work(study, groups_of(work.stage))
    check_outputs(study, groups.stage, groups.mark)
    return execute(study, pending(study, groups), progress)


def finish(study: Study, stage: Stage, mark: str, began: float) -> None:
    """Merge the shards of a stage, and record the stage as done, with the seconds since it ``began``."""
    used = time.process_time()
    try:
        with recording() as written:
            stage.finish(study)
    except ValueError as error:
        trace = traceback.format_exc()
        study.ledger.fail(stage.name, None, mark, kind_of(error), str(error), trace)
        raise InputError(f"{study.folder}: stage {stage.name}: {error}") from error
    seconds, cpu = time.monotonic() - began, time.process_time() - used
    if study.ledger.mark(stage.name, None, mark, seconds, 0, written, cpu):
        forget_after(study, stage)


def describe_failure(study: Study, stage: Stage, shards: int, failed: dict[int, str]) -> str:
    """One sentence on the shards of a stage, of so many, that failed."""
    first, cause = next(iter(sorted(failed.items())))
    cause = cause.removeprefix(f"{study.folder}: stage {stage.name}: ")
    if shards == 1:
        return f"{study.folder}: stage {stage.name}: {cause}"
    return (
        f"{study.folder}: stage {stage.name}: {len(failed)} of {shards} shards failed, the first"
        f" is {first}: {cause}; see `workbench logs {study.folder} --failed`"
    )
