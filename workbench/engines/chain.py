"""The jobs of a study in the order in which they are queued: an array a stage, each followed by its merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.engines.schedulers.job import Job
from workbench.engines.shards import Work, fingerprint, pending, plan_work
from workbench.engines.survey import refuse_unready
from workbench.errors import InputError
from workbench.experiments.registry import as_stage, find_step
from workbench.stages.registry import STAGES
from workbench.stages.stage import Stage
from workbench.stages.tree import group_shards, groups_of, has_groups
from workbench.study.config import JobConfig
from workbench.study.study import Study


@dataclass(frozen=True)
class Step:
    """A job to be queued: its script, and which tasks of its array (none: all)."""

    job: Job
    stage: str
    kind: str
    tasks: tuple[int, ...] = ()


def _planned(study: Study, stage: Stage) -> Work | None:
    """All shards of a stage; None where they are not known before the stage ahead is done."""
    try:
        return plan_work(study, stage)
    except InputError:
        return None


def steps(
    study: Study,
    settings: JobConfig,
    largest: int | None = None,
    only: dict[str, set[int]] | None = None,
    until: str | None = None,
    experiment: str = "",
) -> list[Step]:
    """The jobs that are left to do, in order.

    Parameters
    ----------
    study : Study
        Planned.
    settings : JobConfig
    largest : int, optional
        Largest array the scheduler takes.
    only : dict of str to set of int, optional
        By stage, the shards to make; what else is missing is left to the reduction.
    until : str, optional
        The last stage.
    experiment : str
        An experiment of the study, in place of its stages.
    """
    most = min(settings.tasks, largest or settings.tasks)
    logs = study.folder / "logs" / "jobs"
    found: list[Step] = []
    for stage in _asked(study, only or {}, until, experiment):
        if study.ledger.done(stage.name, None, fingerprint(study, stage)):
            continue
        gpus = settings.gpus * stage.processes(study) if stage.model else 0
        work = _planned(study, stage)
        missing = None if work is None else [s.index for s in pending(study, work).shards]
        # A merge without a GPU cannot make what else is missing.
        if only is not None and missing is not None and not gpus:
            missing = [i for i in missing if i in only.get(stage.name, set())]
        alone = stage.ordered or (work is not None and len(work.shards) <= 1)
        if not alone and missing != []:
            tasks = most if work is None else min(most, len(work.shards))
            name = _job_name(stage)
            place = f"{{task}}/{tasks}"
            command = ("shard", str(study.folder), "--stage", stage.name, "--shard", place)
            used = () if missing is None else tuple(sorted({i % tasks for i in missing}))
            everything = len(used) in (0, tasks)
            found.append(
                Step(
                    Job(name, command, tasks, gpus, logs, settings),
                    stage.name,
                    "shards",
                    () if everything else used,
                )
            )
        if work is not None and has_groups(stage, len(work.shards)):
            found.append(_adding(study, work, most, logs, settings))
        merge = ("reduce", str(study.folder), "--stage", stage.name)
        job = Job(f"{_job_name(stage)}-reduce", merge, 0, gpus if alone else 0, logs, settings)
        found.append(Step(job, stage.name, "reduce"))
    if found:
        found[-1] = replace(found[-1], job=replace(found[-1].job, last=True))
    return found


def _asked(study: Study, only: Mapping[str, object], until: str | None, experiment: str) -> list[Stage]:
    """Stages of the study up to one, and experiments of which shards are named; or one experiment."""
    if experiment:
        stage = as_stage(study, experiment)
        refuse_unready(study, stage.name)
        return [stage]
    if until is not None and until not in STAGES:
        raise InputError(f"unknown stage {until!r}; expected one of {', '.join(STAGES)}")
    names = list(STAGES)
    wanted = names[1 : names.index(until) + 1 if until else None]
    found = [STAGES[name] for name in wanted if STAGES[name].wanted(study)]
    return found + [find_step(study, name) for name in only if name not in STAGES]


def _job_name(stage: Stage) -> str:
    return f"wb-{stage.name.replace('/', '-')}"


def _adding(study: Study, work: Work, most: int, logs: Path, settings: JobConfig) -> Step:
    """The array that adds the shards of a stage up in groups, so that its reduction has few to add."""
    groups = groups_of(work.stage)
    tasks = min(most, len(group_shards(len(work.shards))))
    command = ("shard", str(study.folder), "--stage", groups.name, "--shard", f"{{task}}/{tasks}")
    return Step(Job(f"wb-{groups.name}", command, tasks, 0, logs, settings), groups.name, "groups")
