"""Shards that failed or were lost, and queueing them again."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import replace

from workbench.engines.schedulers.registry import SCHEDULERS
from workbench.engines.shards import fingerprint
from workbench.engines.submission import Submission, live, submissions, submit
from workbench.errors import InputError
from workbench.experiments.question import FOLDER
from workbench.experiments.registry import experiments, find_step
from workbench.stages.registry import STAGES
from workbench.study.failures import ENDINGS, HOST_KINDS
from workbench.study.study import Study
from workbench.study.trust import refuse_untrusted, risky_jobs

_HOST = re.compile(r"\w[\w.-]*")


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
