"""Where a study stands, read from the ledger's files alone."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from workbench.engines.shards import PLAN, fingerprint
from workbench.errors import InputError
from workbench.experiments.registry import find_step
from workbench.stages.registry import STAGES
from workbench.stages.stage import Stage
from workbench.study.damage import find_damage
from workbench.study.records import Begun
from workbench.study.study import Study


class Standing(NamedTuple):
    """Where one stage stands.

    Attributes
    ----------
    stage, state : str
        ``state`` is waiting, running, failed or done.
    done, shards : int
        Finished shards, and all (0 while not yet known).
    seconds : float
        Work of the finished shards, added up over workers.
    rate : float
        Units a second of one worker.
    seconds_left : float
        Work that is left, for one worker.
    failures : dict of str to int
        Failed shards by kind (``failures.KINDS``) and cause.
    begun : dict of int to Begun
        Shards that were begun and have not ended: in work, or lost.
    repeated : int
        Starts beyond the first of shards that were finished since.
    """

    stage: str
    state: str
    done: int
    shards: int
    seconds: float
    rate: float
    seconds_left: float
    failures: dict[str, int]
    begun: dict[int, Begun]
    repeated: int


def survey(study: Study) -> list[Standing]:
    """Standing of every stage."""
    return [stand(study, stage) for stage in STAGES.values() if stage.wanted(study)]


def stand(study: Study, stage: Stage) -> Standing:
    """Standing of one stage, or of an experiment as one."""
    if not study.planned:
        return Standing(stage.name, "waiting", 0, 0, 0.0, 0.0, 0.0, {}, {}, 0)
    mark = fingerprint(study, stage)
    failures = study.ledger.failures(stage.name, mark).values()
    causes = Counter(f"{f.kind}: {f.cause}" for f in failures)
    done, seconds, bases, repeated = 0, 0.0, 0, 0
    for _, record in study.ledger.finished(stage.name, mark):
        done += 1
        seconds += record.seconds
        bases += record.bases
        repeated += record.attempts - 1
    begun = study.ledger.begun(stage.name)
    whole = study.ledger.done(stage.name, None, mark) is not None
    try:
        # To count them may mean to look for places all over a genome.
        shards = done if whole else len(stage.shards(study))
    except InputError:
        shards = 0
    state = "done" if whole else "failed" if causes else "waiting"
    if state == "waiting" and (done or begun):
        state = "running"
    left = 0.0 if whole or not done else seconds / done * (shards - done)
    return Standing(
        stage.name,
        state,
        done,
        shards,
        seconds,
        bases / seconds if seconds else 0.0,
        left,
        dict(causes),
        begun,
        repeated,
    )


def refuse_unready(study: Study, stage: str) -> None:
    """Raise ``InputError`` for an unknown stage, and where one that it needs is not done or is damaged."""
    step = find_step(study, stage)
    if not study.planned:
        raise InputError(
            f"{study.folder}: not planned yet; run `workbench run {study.folder} --until plan` first"
        )
    for name in step.needs:
        if name == PLAN or not STAGES[name].wanted(study):
            continue
        mark = fingerprint(study, STAGES[name])
        for found in find_damage(study, name, mark):
            raise InputError(
                f"{study.folder}: {found.cause}; make it again with `workbench run {study.folder}`"
            )
        if not study.ledger.done(name, None, mark):
            raise InputError(
                f"{study.folder}: stage {stage} needs stage {name}, which is not done; see `workbench status"
                f" {study.folder}`"
            )
