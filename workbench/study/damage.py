"""Files of finished stages that are not those that were written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from workbench.errors import InputError
from workbench.study.failures import InvalidShard
from workbench.study.records import Done
from workbench.study.study import Study


class Damage(NamedTuple):
    """A finished shard (None: the reduction) whose files are not those that were written, and why."""

    stage: str
    shard: int | None
    cause: str


def find_damage(study: Study, stage: str, mark: str, thorough: bool = False) -> Iterator[Damage]:
    """Finished shards of a stage, of that fingerprint, whose files are missing or changed (`Done.verify`)."""
    whole = study.ledger.done(stage, None, mark)
    records: list[tuple[int | None, Done]] = [*study.ledger.finished(stage, mark)]
    records += [(None, whole)] if whole else []
    packs: dict[Path, int] = {}
    for _, record in records:
        for name, part in record.parts(study.folder).items():
            packs[part.path] = max(packs.get(part.path, 0), int(record.outputs[name][2]))
    times: dict[Path, tuple[int | None, Done]] = {}
    for shard, record in records:
        inside = {part.path for part in record.parts(study.folder).values()}
        try:
            now = record.verify(study.folder, thorough, packs)
        except InvalidShard as error:
            times |= dict.fromkeys(inside, (None, record))
            yield Damage(stage, shard, str(error))
            continue
        if now == record:
            continue
        if not inside:
            _renew(study, stage, shard, now)
        for path in inside:
            # One tells the time of the whole pack: it may, once all other parts were looked at.
            times.setdefault(path, (shard, now))
    for shard, now in times.values():
        if shard is not None:
            _renew(study, stage, shard, now)


def _renew(study: Study, stage: str, shard: int | None, now: Done) -> None:
    """Note new times, such as of a study that was copied: read once, not at every run."""
    with suppress(OSError, InputError):  # a folder may be read-only
        study.ledger.renew(stage, shard, now)


def refuse_damage(study: Study) -> None:
    """Raise ``InputError`` where a file of a finished stage is not the one that was written."""
    for stage, mark in study.ledger.reduced():
        for found in find_damage(study, stage, mark):
            raise InputError(
                f"{study.folder}: {found.cause}; make it again with `workbench run {study.folder}`"
            )
