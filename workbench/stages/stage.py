"""What a stage is: a step with named needs, cut into shards, that can stop and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workbench.arrays import Arrays, add_arrays
from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.study import Study


def _one(study: Study) -> int:
    return 1


def _nothing(study: Study) -> None:
    return None


def _always(study: Study) -> bool:
    return True


def _no_inputs(study: Study) -> dict[str, str]:
    return {}


class Sums(NamedTuple):
    """Arrays that every shard of a stage leaves, and that its reduction adds up.

    path : ``path(study, shard)``, the file of one shard
    add : sum of two sets of arrays, associative up to rounding
    """

    path: Callable[[Study, int], Path]
    add: Callable[[Arrays, Arrays], Arrays] = add_arrays


@dataclass(frozen=True)
class Stage:
    """A step of a study.

    Attributes
    ----------
    name, title : str
        Name on the command line; what it does, for people.
    needs : tuple of str
        Stages whose outputs it reads.
    sections : tuple of str
        Sections of ``study.toml`` that its outputs depend on.
    run : callable
        ``run(study, shard, progress) -> bases``: makes the outputs of one shard (whole, under their final
        names) and returns how many bases were read. Calls ``progress.advance`` with bases.
    count : callable
        Number of shards.
    finish : callable
        Reduction over all shards, run once they are done.
    unit : str
        What ``run`` counts.
    ordered : bool
        Shards build on each other: they run one after another, whatever the engine.
    model : bool
        Shards run the DNA model, so that a GPU helps.
    processes : callable
        How many processes share the work of a shard, each with GPUs of its own.
    sums : Sums, optional
        What the reduction adds up, in groups where there are many shards (`workbench.stages.tree`).
    size : callable
        Expected units of one shard, for the bar.
    wanted : callable
        Whether the study asks for it at all; a stage that is not wanted is passed over.
    inputs : callable
        Further facts that its outputs depend on, by name, such as hashes of files that the manifest does not
        lock: where they change the stage runs again.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    sections: tuple[str, ...]
    run: Callable[[Study, int, Progress], int]
    size: Callable[[Study, int], int]
    count: Callable[[Study], int] = _one
    finish: Callable[[Study], None] = _nothing
    unit: str = "bases"
    ordered: bool = False
    wanted: Callable[[Study], bool] = _always
    inputs: Callable[[Study], dict[str, str]] = _no_inputs
    model: bool = False
    processes: Callable[[Study], int] = _one
    sums: Sums | None = None
