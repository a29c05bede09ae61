"""All kinds of experiments, and experiments as stages, so that every engine runs them as it runs a study."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from genomic_models.contract import ModelError
from workbench.errors import InputError
from workbench.experiments import (
    attack,
    attribute,
    circuit,
    compile,
    detect,
    diff,
    embed,
    explain,
    factors,
    layers,
    paint,
    passport,
    prune,
    steer,
    transcode,
    treat,
)
from workbench.experiments.kind import Experiment, Kind
from workbench.experiments.question import (
    FOLDER,
    QUESTION,
    Question,
    folder_of,
    read_question,
    refuse_other_subject,
    subject_of,
    write_question,
)
from workbench.files.atomic import refuse_links
from workbench.files.settings import check_section
from workbench.progress import Progress
from workbench.stages import registry
from workbench.stages.stage import Shard, Stage
from workbench.study.ledger import exclusive
from workbench.study.study import Study

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        attribute.KIND,
        transcode.KIND,
        circuit.KIND,
        steer.KIND,
        passport.KIND,
        embed.KIND,
        layers.KIND,
        factors.KIND,
        paint.KIND,
        compile.KIND,
        detect.KIND,
        attack.KIND,
        prune.KIND,
        treat.KIND,
        explain.KIND,
        diff.KIND,
    )
}


@contextmanager
def _refusing() -> Iterator[None]:
    """A model that cannot do what is asked is a mistake in the question, wherever it shows."""
    try:
        yield
    except ModelError as error:
        raise InputError(str(error)) from error


def open_experiment(study: Study, name: str) -> Experiment:
    """An experiment of a study; ``InputError`` where there is none, or its question does not fit."""
    folder = folder_of(study, name)
    path = folder / QUESTION
    question = read_question(path, {kind.name: kind.settings for kind in KINDS.values()})
    refuse_other_subject(study, question, path)
    return Experiment(study, name, folder, question)


def propose(study: Study, name: str, kind: str, settings: object) -> tuple[Experiment, list[Shard]]:
    """An experiment that could be made, and the pieces of its work; nothing is written.

    Raises ``InputError`` where another question has the name, and for settings that do not fit the study.
    """
    question = Question(kind, settings, subject_of(study, KINDS[kind].features))
    experiment = Experiment(study, name, folder_of(study, name), question)
    path = experiment.folder / QUESTION
    if path.exists() and open_experiment(study, name).question != question:
        raise InputError(f"{path}: asks something else; give another --name, or remove the folder")
    check_section(settings, kind)
    with _refusing():
        return experiment, KINDS[kind].shards(experiment)


def create_experiment(study: Study, name: str, kind: str, settings: object) -> Experiment:
    """Write the question of a new experiment, or find the same one there; raises as `propose` does."""
    refuse_links(study.folder)
    experiment, _ = propose(study, name, kind, settings)
    path = experiment.folder / QUESTION
    if not path.exists():
        write_question(path, experiment.question)
    return experiment


def remove_experiment(study: Study, name: str) -> None:
    """Remove an experiment: its question, tables and page, and what the ledger says of it.

    Raises ``InputError`` where there is none, and while a run holds the study.
    """
    folder = folder_of(study, name)
    if not (folder / QUESTION).exists():
        raise InputError(f"{name}: the study has no experiment of this name")
    with exclusive(study.folder):
        # Without its question it is no experiment, should this end half-way.
        (folder / QUESTION).unlink()
        study.ledger.forget(f"{FOLDER}/{name}")
        shutil.rmtree(folder)


def experiments(study: Study) -> list[str]:
    """Names of a study's experiments, in order of the alphabet."""
    return sorted(path.parent.name for path in (study.folder / FOLDER).glob(f"*/{QUESTION}"))


def as_stage(study: Study, name: str) -> Stage:
    """An experiment as a step that engines run; its question is among what the outputs depend on."""
    asked = open_experiment(study, name)
    kind = KINDS[asked.question.kind]
    text = json.dumps([kind.name, asdict(asked.settings)], sort_keys=True)

    def again(study: Study) -> Experiment:
        return asked._replace(study=study)

    def shards(study: Study) -> list[Shard]:
        with _refusing():
            return kind.shards(again(study))

    def run(study: Study, shard: Shard, progress: Progress) -> int:
        with _refusing():
            return kind.run(again(study), shard, progress)

    def finish(study: Study) -> None:
        with _refusing():
            kind.finish(again(study))

    return Stage(
        name=f"{FOLDER}/{name}",
        title=f"{name}: {kind.title}",
        needs=kind.needs,
        sections=(),
        run=run,
        shards=shards,
        finish=finish,
        inputs=lambda study: {"question": hashlib.sha256(text.encode()).hexdigest()},
        model=True,
        unit=kind.unit,
    )


def find_step(study: Study, name: str) -> Stage:
    """A stage, the groups of one, or an experiment as ``experiments/NAME``; ``InputError`` otherwise."""
    if name.startswith(f"{FOLDER}/"):
        return as_stage(study, name.removeprefix(f"{FOLDER}/"))
    return registry.find_stage(name)
