"""An experiment as one page that opens anywhere: question, answer, controls, and hashes of what it is of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path, PurePath
from typing import Any

from workbench.errors import InputError
from workbench.experiments.kind import Experiment
from workbench.experiments.question import QUESTION
from workbench.files.hashing import sha256_of
from workbench.files.pages import templates, write_page
from workbench.files.settings import sentence
from workbench.study.manifest import shown_model
from workbench.study.study import Study

HERE = Path(__file__).parent
PAGE = "page.html"
# Outputs that are drawn; the tables hold all.
MOST_DRAWN = 12
# Letters of a setting that a page shows.
LONGEST = 400
# The feature stands out; controls are told apart by colour-blind readers.
ARMS = ["#2367a8", "#d9822b", "#2f9e73", "#b565b0", "#8b949e"]


def write_experiment(experiment: Experiment, template: str, **content: Any) -> None:
    """Write an experiment's page from a template, which is given what was asked and of what."""
    manifest = experiment.study.manifest
    settings = [
        (
            key.name,
            _brief(getattr(experiment.settings, key.name)),
            sentence(type(experiment.settings), key.name),
        )
        for key in fields(experiment.settings)
    ]
    # By their own names: where they lie on this machine is nobody's business whom the page is sent to.
    files = [(_own_name(name), file.sha256) for name, file in manifest.inputs.items()]
    answers = sorted(path for path in experiment.folder.glob("*.parquet"))
    text = (
        templates(HERE)
        .get_template(template)
        .render(
            name=experiment.name,
            study=experiment.study.folder.name,
            model_name=shown_model(manifest.model.name),
            subject=experiment.question.subject,
            settings=settings,
            files=files,
            question=QUESTION,
            answers={path.name: sha256_of(path) for path in answers},
            **content,
        )
    )
    write_page(experiment.folder / PAGE, text)


def _brief(value: object) -> object:
    """A setting as the page shows it: a file within the question is cut short, one elsewhere by its name."""
    if isinstance(value, list):
        return [_brief(each) for each in value]
    if not isinstance(value, str):
        return value
    value = shown_place(value)
    return f"{value[:LONGEST]} ... (whole in the question)" if len(value) > LONGEST else value


def shown_place(text: str) -> str:
    """A setting without where a file lies on this machine: ``loci:/data/wrong.bed`` is ``loci:wrong.bed``."""
    kind, sign, place = text.rpartition(":")
    return f"{kind}{sign}{PurePath(place).name}" if PurePath(place).is_absolute() else text


def _own_name(name: str) -> str:
    """``track: genes.gff3`` for a track by its path; ``genome`` and the like as they are."""
    kind, _, path = name.partition(":")
    return f"{kind}: {PurePath(path).name}" if path else kind


def named(study: Study, features: Iterable[int]) -> dict[int, str]:
    """Each feature's number with what it is called, where the study has gone far enough to say."""
    try:
        labels = study.feature_labels()
    except InputError:
        return {feature: f"Feature {feature}" for feature in features}
    return {feature: f"Feature {feature} ({labels[feature].text})" for feature in features}
