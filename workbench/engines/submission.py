"""A study as batch jobs: one array a stage, each followed by its reduction, queued in one go.

A stage's array starts when the reduction before it has ended; the reduction when its array has ended,
however it ended. It checks that every shard is there and whole, makes what is missing, and merges. What
was queued is noted in ``jobs/submissions.json``; what is done is known by the ledger alone.
"""

from __future__ import annotations

import json
import platform
import re
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from workbench.engines.chain import Step, steps
from workbench.engines.schedulers.job import Entry
from workbench.engines.schedulers.registry import SCHEDULERS, find_scheduler
from workbench.engines.schedulers.scheduler import Scheduler
from workbench.engines.workers import check_scratch, check_workers
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.facts import make_record
from workbench.files.text import read_text
from workbench.study.config import JobConfig
from workbench.study.ledger import exclusive
from workbench.study.study import Study
from workbench.study.trust import accept, risky_jobs

_JOB = re.compile(r"\w[\w.:@\[\]-]*")


@dataclass(frozen=True)
class Queued:
    """A job in the queue: its id, the stage, whether it makes shards or reduces, size of its array."""

    job: str
    stage: str
    kind: str
    tasks: int


@dataclass(frozen=True)
class Submission:
    """Jobs queued together, and with what settings."""

    scheduler: str
    time: float
    host: str
    settings: JobConfig
    jobs: list[Queued]


def _folder(study: Study) -> Path:
    return study.folder / "jobs"


def submissions(study: Study) -> list[Submission]:
    """All submissions of a study, the newest last."""
    path = _folder(study) / "submissions.json"
    if not path.exists():
        return []
    try:
        values = json.loads(read_text(path))
        made = [_submission(each) for each in values]
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: damaged record of submitted jobs ({error}); see that none of them is in the queue, then"
            " remove it"
        ) from None
    return [each for each in made if each.scheduler in SCHEDULERS]


def _submission(values: object) -> Submission:
    """A record; ``ValueError`` where it is none, or names jobs that a scheduler would take for options."""
    if isinstance(values, dict) and isinstance(values.get("jobs"), list):
        jobs = [make_record(Queued, each) for each in values["jobs"]]
        settings = make_record(JobConfig, values.get("settings"))
        made = make_record(Submission, values | {"settings": settings, "jobs": jobs})
        if made and all(job and _JOB.fullmatch(job.job) for job in jobs):
            return made
    raise ValueError(f"found {str(values)[:60]}")


class Rendered(NamedTuple):
    """A script that would be queued, and the commands that queue it; jobs are JOB1, JOB2, ... in order."""

    name: str
    script: str
    commands: list[str]


def render(
    study: Study, settings: JobConfig, until: str | None = None, experiment: str = ""
) -> list[Rendered]:
    """Every script that ``submit`` would queue, in order; asks no scheduler."""
    scheduler = SCHEDULERS.get(settings.scheduler) or find_scheduler(settings.scheduler)
    found = []
    for i, step in enumerate(steps(study, filled(settings), until=until, experiment=experiment)):
        after = [f"JOB{i}"] if i else []
        commands = scheduler.commands(_script(study, step), step.job.name, after, step.tasks)
        lines = [" ".join(map(shlex.quote, command)) for command in commands]
        found.append(Rendered(step.job.name, scheduler.render(step.job), lines))
    return found


def filled(settings: JobConfig) -> JobConfig:
    """Settings with this Python where none is named."""
    return settings if settings.python else replace(settings, python=sys.executable)


def submit(
    study: Study,
    settings: JobConfig,
    only: dict[str, set[int]] | None = None,
    until: str | None = None,
    away: Sequence[str] = (),
    experiment: str = "",
) -> Submission | None:
    """Queue what is left of a planned study, or of an experiment of it, not on the hosts ``away``.

    None if nothing is left.

    Raises ``InputError``, before anything is queued, where the scheduler, the queue, the workers' Python
    or the scratch folder will not do, and where jobs of this study are in the queue already.
    """
    scheduler = find_scheduler(settings.scheduler)
    largest = scheduler.limit()
    settings = filled(settings)
    if re.search(r"\s", str(study.folder)):
        raise InputError(
            f"{study.folder}: the path holds a space, at which schedulers cut their options; move the study"
        )
    with exclusive(study.folder):
        refuse_live(study)
        # Whoever calls this has the settings; those of the study's file were asked about before.
        accept(study.folder, risky_jobs(settings))
        check_scratch(settings)
        check_workers(settings)
        placed = replace(settings, extra=[*settings.extra, *scheduler.avoid(away)])
        todo = steps(study, placed, largest, only, until, experiment)
        if not todo:
            return None
        _folder(study).mkdir(exist_ok=True)
        todo[0].job.logs.mkdir(parents=True, exist_ok=True)
        scripts = [_write(study, scheduler, step) for step in todo]
        scheduler.check(scripts[0])
        queued: list[Queued] = []
        try:
            for step, script in zip(todo, scripts, strict=True):
                after = [queued[-1].job] if queued else []
                job = scheduler.submit(script, step.job.name, after, step.tasks)
                queued.append(Queued(job, step.stage, step.kind, step.job.tasks))
        except InputError:
            # Half a chain would end in nothing: all or none.
            if queued:
                scheduler.cancel([q.job for q in queued])
            raise
        made = Submission(scheduler.name, time.time(), platform.node(), settings, queued)
        values = [asdict(s) for s in [*submissions(study), made]]
        with write_atomic(_folder(study) / "submissions.json") as temporary:
            temporary.write_text(json.dumps(values, indent=1))
    return made


def _script(study: Study, step: Step) -> Path:
    return _folder(study) / f"{step.job.name}.sh"


def _write(study: Study, scheduler: Scheduler, step: Step) -> Path:
    path = _script(study, step)
    with write_atomic(path) as temporary:
        temporary.write_text(scheduler.render(step.job))
    return path


def live(study: Study) -> list[Entry] | None:
    """Jobs of the study that wait or run; None where the scheduler does not answer."""
    found: list[Entry] = []
    for submission in submissions(study):
        entries = SCHEDULERS[submission.scheduler].queue([q.job for q in submission.jobs])
        if entries is None:
            return None
        found += entries
    return found


def refuse_live(study: Study) -> None:
    """Raise ``InputError`` where jobs of this study are in the queue, or nobody can say."""
    if not submissions(study):
        return
    entries = live(study)
    if entries is None:
        raise InputError(
            f"{study.folder}: jobs were submitted for this study and the scheduler does not answer; run"
            " where it does"
        )
    if entries:
        jobs = ", ".join(sorted({e.job for e in entries}))
        raise InputError(
            f"{study.folder}: jobs of this study are in the queue ({jobs}); watch them with `workbench"
            f" status {study.folder} --watch`, or end them with `workbench cancel {study.folder}`"
        )


def cancel(study: Study) -> list[str]:
    """End all jobs of the study; the ids that were in the queue."""
    ended: list[str] = []
    for submission in submissions(study):
        scheduler = SCHEDULERS[submission.scheduler]
        entries = scheduler.queue([q.job for q in submission.jobs])
        if entries is None:
            raise InputError(f"{submission.scheduler} does not answer; nothing was cancelled")
        jobs = sorted({e.job for e in entries})
        if jobs:
            scheduler.cancel(jobs)
            ended += jobs
    return ended
