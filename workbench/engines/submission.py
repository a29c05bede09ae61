"""A study as batch jobs: one array a stage, each followed by its reduction, queued in one go.

A stage's array starts when the reduction before it has ended; the reduction when its array has ended,
however it ended. It checks that every shard is there and whole, makes what is missing, and merges. What
was queued is noted in ``jobs/submissions.json``; what is done is known by the ledger alone.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from workbench.engines.schedulers.job import Entry, Job
from workbench.engines.schedulers.registry import SCHEDULERS, find_scheduler
from workbench.engines.schedulers.scheduler import Scheduler
from workbench.engines.shards import Work, fingerprint, pending, plan_work
from workbench.engines.survey import refuse_unready
from workbench.errors import InputError
from workbench.experiments.question import FOLDER
from workbench.experiments.registry import as_stage, experiments, find_step
from workbench.files.atomic import write_atomic
from workbench.files.facts import make_record
from workbench.files.text import read_text
from workbench.stages.registry import STAGES
from workbench.stages.stage import Stage
from workbench.stages.tree import group_shards, groups_of, has_groups
from workbench.study.config import JobConfig
from workbench.study.failures import ENDINGS, HOST_KINDS
from workbench.study.ledger import exclusive
from workbench.study.manifest import installed
from workbench.study.study import Study
from workbench.study.trust import accept, refuse_untrusted, risky_jobs

_JOB = re.compile(r"\w[\w.:@\[\]-]*")
_HOST = re.compile(r"\w[\w.-]*")
# Bytes that must be free in the scratch folder.
ROOM = 1 << 30


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


@dataclass(frozen=True)
class Step:
    """A job to be queued: its script, and which tasks of its array (none: all)."""

    job: Job
    stage: str
    kind: str
    tasks: tuple[int, ...] = ()


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
        if only is not None and missing is not None:
            missing = [i for i in missing if i in only.get(stage.name, set())]
        if not stage.ordered and missing != [] and (work is None or len(work.shards) > 1):
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
        job = Job(f"{_job_name(stage)}-reduce", merge, 0, gpus, logs, settings)
        found.append(Step(job, stage.name, "reduce"))
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


def render(
    study: Study, settings: JobConfig, until: str | None = None, experiment: str = ""
) -> list[tuple[str, str]]:
    """Name and text of every script that ``submit`` would queue, in order; asks no scheduler."""
    scheduler = SCHEDULERS.get(settings.scheduler) or find_scheduler(settings.scheduler)
    todo = steps(study, filled(settings), until=until, experiment=experiment)
    return [(s.job.name, scheduler.render(s.job)) for s in todo]


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
                job = scheduler.submit(script, after, step.tasks)
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


def _write(study: Study, scheduler: Scheduler, step: Step) -> Path:
    path = _folder(study) / f"{step.job.name}.sh"
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


def check_scratch(settings: JobConfig) -> None:
    """Raise ``InputError`` where the scratch folder is missing, not writable, or nearly full."""
    if not settings.scratch:
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


def lost(study: Study) -> dict[str, dict[int, str]]:
    """Shards that were begun and are in no living process, by stage; with the kind of failure.

    A shard is believed to be alive while its job is in the queue; one that was begun outside any job,
    while its process is here. A process on another host is believed to live.
    """
    entries = live(study) or []
    queued = {_label(e.job, e.task) for e in entries}
    endings = accounts(study)
    found: dict[str, dict[int, str]] = {}
    for name in _all_names(study):
        for shard, begun in study.ledger.begun(name).items():
            here = begun.host == platform.node()
            if begun.job not in queued and (begun.job or (here and not _running(begun.pid))):
                kind = ENDINGS.get(endings.get(begun.job, ""), "lost")
                found.setdefault(name, {})[shard] = kind
    return found


def _all_names(study: Study) -> list[str]:
    return [*STAGES, *(f"{FOLDER}/{name}" for name in experiments(study))]


def _label(job: str, task: int | None) -> str:
    """A job as the ledger names it: ``JOB`` or ``JOB_TASK``."""
    number = re.match(r"\d+", job)
    base = number.group() if number else job
    return base if task is None else f"{base}_{task}"


def accounts(study: Study) -> dict[str, str]:
    """How ended jobs ended, where the scheduler keeps accounts."""
    found: dict[str, str] = {}
    for submission in submissions(study):
        ids = [q.job for q in submission.jobs]
        found |= SCHEDULERS[submission.scheduler].account(ids) or {}
    return found


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def retry(study: Study, kinds: Sequence[str] = ()) -> Submission | None:
    """Queue the shards that failed or were lost again, with the settings of the last submission.

    Hosts on which shards were lost, or met a failing disk, are avoided where the scheduler can be told to
    and has others.

    Parameters
    ----------
    kinds : sequence of str
        Only failures of these kinds (``failures.KINDS``); all if empty.
    """
    before = submissions(study)
    if not before:
        raise InputError(
            f"{study.folder}: nothing was submitted; run it here with `workbench run {study.folder}`"
        )
    only: dict[str, set[int]] = {name: set(shards) for name, shards in failed(study, kinds).items()}
    if not any(only.values()):
        return None
    settings, away = before[-1].settings, suspects(study, only)
    # The record lies in the study's folder, and could come from elsewhere with it.
    replace(study.config, jobs=settings).check()
    refuse_untrusted(study.folder, risky_jobs(settings))
    if away:
        try:
            return submit(study, settings, only, away=away)
        except InputError:
            # The scheduler has no other host, or something else is wrong: then the next line says what.
            pass
    return submit(study, settings, only)


def suspects(study: Study, shards: dict[str, set[int]]) -> list[str]:
    """Hosts on which shards among these were lost, or failed for the host's sake."""
    found = set()
    for name, wanted in shards.items():
        found |= {b.host for i, b in study.ledger.begun(name).items() if i in wanted}
        for i, failure in study.ledger.failures(name, fingerprint(study, find_step(study, name))).items():
            if i in wanted and failure.kind in HOST_KINDS:
                found.add(failure.host)
    return sorted(host for host in found if _HOST.fullmatch(host))


def failed(study: Study, kinds: Sequence[str] = ()) -> dict[str, dict[int, str]]:
    """Failed and lost shards by stage, with their kind."""
    found = lost(study)
    for name in _all_names(study):
        stage = find_step(study, name)
        if not stage.wanted(study):
            continue
        for shard, failure in study.ledger.failures(name, fingerprint(study, stage)).items():
            if shard is not None:
                found.setdefault(name, {})[shard] = failure.kind
    if kinds:
        found = {s: {i: k for i, k in each.items() if k in kinds} for s, each in found.items()}
    return {stage: each for stage, each in found.items() if each}
