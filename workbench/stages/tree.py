"""Adding up what the shards of a stage leave, in a tree: groups of shards first, then the groups.

Groups follow from the number of shards alone, so that every engine adds in one order and gets the same
bytes. On a cluster the groups of a large stage are an array of jobs of their own; elsewhere they are added
up where the reduction runs. No process holds more than a sum and one part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.files.arrays import Arrays, read_arrays, write_arrays
from workbench.progress import Progress
from workbench.stages.stage import Shard, Stage, shards_of
from workbench.study.study import Study

# Shards of a group at least; a stage with no more than these has no groups.
SMALLEST = 64
SUFFIX = "-groups"


def group_shards(shards: int) -> list[range]:
    """Shards of each group: about as many groups as shards in one."""
    size = max(SMALLEST, math.ceil(math.sqrt(shards)))
    return [range(i, min(i + size, shards)) for i in range(0, shards, size)]


def has_groups(stage: Stage, shards: int) -> bool:
    """Whether so many shards of a stage are added up in groups."""
    return stage.sums is not None and shards > SMALLEST


def groups_of(stage: Stage) -> Stage:
    """The groups of a stage as shards of a stage of their own; it is in no list of stages."""
    assert stage.sums is not None
    path, add = stage.sums.path, stage.sums.add

    def run(study: Study, shard: Shard, progress: Progress) -> int:
        parts = (path(study, i) for i in shard.task)
        write_arrays(_path(study, stage, shard.index), fold(add, parts))
        progress.advance(shard.size)
        return shard.size

    return Stage(
        name=stage.name + SUFFIX,
        title=f"adding up: {stage.title}",
        needs=stage.needs,
        sections=stage.sections,
        run=run,
        shards=lambda study: shards_of(group_shards(len(stage.shards(study))), len),
        unit="shards",
        wanted=stage.wanted,
        inputs=stage.inputs,
    )


def add_up(study: Study, stage: Stage) -> Arrays:
    """Sum over all shards of a stage, from its groups where it has them; they must be there."""
    assert stage.sums is not None
    shards = len(stage.shards(study))
    if has_groups(stage, shards):
        paths = (_path(study, stage, g) for g in range(len(group_shards(shards))))
    else:
        path = stage.sums.path
        paths = (path(study, i) for i in range(shards))
    return fold(stage.sums.add, paths)


def fold(add: Callable[[Arrays, Arrays], Arrays], paths: Iterable[Path]) -> Arrays:
    """Add up the arrays of files, in their order."""
    total: Arrays | None = None
    for path in paths:
        part = read_arrays(path)
        total = part if total is None else add(total, part)
    return total or {}


def _path(study: Study, stage: Stage, group: int) -> Path:
    return study.folder / "work" / stage.name / "groups" / f"{group:05d}.npz"
