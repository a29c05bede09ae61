"""What a kind of experiment is: settings, shards, a reduction that writes tables and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from workbench.experiments.question import Question
from workbench.progress import Progress
from workbench.stages.stage import Shard
from workbench.study.study import Study


class Experiment(NamedTuple):
    """A question put to a study, and the folder of its answer."""

    study: Study
    name: str
    folder: Path
    question: Question

    @property
    def settings(self) -> Any:
        """Settings of its kind."""
        return self.question.settings

    def part(self, index: int) -> Path:
        """Table that a shard leaves."""
        return self.folder / "parts" / f"{index:05d}.parquet"


@dataclass(frozen=True)
class Kind:
    """A kind of experiment.

    Attributes
    ----------
    name, title : str
        Name in the question's file; what it does, for people.
    settings : type
        Dataclass of `workbench.files.settings.setting`; defaults are complete.
    needs : tuple of str
        Stages of the study whose outputs it reads.
    shards : callable
        ``shards(experiment)``, all pieces of its work. Raises ``InputError`` for settings that do not fit
        the study, before anything is run.
    run : callable
        ``run(experiment, shard, progress) -> int``: makes one shard's table, returns bases read.
    finish : callable
        ``finish(experiment)``: writes tables and the page.
    features : bool
        Whether it is asked of the study's features, and so of one autoencoder; else of the model alone.
    command : str
        Words of the command that asks it, where they are not its name.
    unit : str
        What the sizes of its shards count.
    """

    name: str
    title: str
    settings: type
    needs: tuple[str, ...]
    shards: Callable[[Experiment], list[Shard]]
    run: Callable[[Experiment, Shard, Progress], int]
    finish: Callable[[Experiment], None]
    features: bool = True
    command: str = ""
    unit: str = "bases"
