"""Files of finished stages that are not those that were written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from workbench.errors import InputError
from workbench.study.failures import InvalidShard
from workbench.study.ledger import Done
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
    for shard, record in records:
        try:
            now = record.verify(study.folder, thorough)
        except InvalidShard as error:
            yield Damage(stage, shard, str(error))
            continue
        if now != record:
            # Such as a study that was copied: read once, not at every run. A folder may be read-only.
            with suppress(OSError, InputError):
                study.ledger.renew(stage, shard, now)


def refuse_damage(study: Study) -> None:
    """Raise ``InputError`` where a file of a finished stage is not the one that was written."""
    for stage, mark in study.ledger.reduced():
        for found in find_damage(study, stage, mark):
            raise InputError(
                f"{study.folder}: {found.cause}; make it again with `workbench run {study.folder}`"
            )
