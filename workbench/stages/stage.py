"""What a stage is: a step with named needs, cut into shards, that can stop and go on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.files.arrays import Arrays, add_arrays
from workbench.progress import Progress

if TYPE_CHECKING:
    from workbench.study.study import Study

# Shards at most of a stage that adds up what all pieces of the genome hold: each leaves a file.
MOST_RUNS = 512


class Shard(NamedTuple):
    """A piece of a stage's work.

    index : its place, in the ledger and in the names of its files
    size : units that it is expected to take, for the bar
    task : what is to be done, as the stage planned it
    """

    index: int  # type: ignore[assignment]  # hides tuple.index
    size: int
    task: Any = None


def map_shards(study: Study) -> list[Shard]:
    """A shard for each piece that the genome was cut into, in bases."""
    return shards_of(study.manifest.shards, lambda stretch: stretch.size)


def map_runs(study: Study) -> list[Shard]:
    """Shards of a stage that adds up what the pieces of the genome hold: at most ``MOST_RUNS``.

    The task of each is a list of neighbouring pieces: of one, unless there are more pieces than that.
    """
    pieces = study.manifest.shards
    runs = min(len(pieces), MOST_RUNS)
    cuts = [i * len(pieces) // runs for i in range(runs + 1)]
    tasks = [pieces[a:b] for a, b in itertools.pairwise(cuts)]
    return shards_of(tasks, lambda task: sum(stretch.size for stretch in task))


def run_inputs(study: Study) -> dict[str, str]:
    """How pieces are dealt to the shards of `map_runs`, where that is not one to each."""
    return {"runs": str(MOST_RUNS)} if len(study.manifest.shards) > MOST_RUNS else {}


def shards_of(tasks: Iterable[Any], size: Callable[[Any], int] = lambda task: 1) -> list[Shard]:
    """A shard for each task."""
    return [Shard(i, size(task), task) for i, task in enumerate(tasks)]


class Sums(NamedTuple):
    """Arrays that every shard of a stage leaves, and that its reduction adds up.

    path : ``path(study, index)``, the file of one shard
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
    shards : callable
        ``shards(study)``, all its pieces of work, planned once a run; by default one.
    run : callable
        ``run(study, shard, progress) -> bases``: makes the outputs of one shard (whole, under their final
        names) and returns how many bases were read. Calls ``progress.advance`` with bases.
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
    run: Callable[[Study, Shard, Progress], int]
    shards: Callable[[Study], list[Shard]] = lambda study: [Shard(0, 1)]
    finish: Callable[[Study], None] = lambda study: None
    unit: str = "bases"
    ordered: bool = False
    wanted: Callable[[Study], bool] = lambda study: True
    inputs: Callable[[Study], dict[str, str]] = lambda study: {}
    model: bool = False
    processes: Callable[[Study], int] = lambda study: 1
    sums: Sums | None = None
