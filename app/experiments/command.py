"""The command that asks the same as a form: its options are found in the command line itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import typer

from app.exports.commands import Command
from workbench import InputError, Study
from workbench.cli import app as command_line
from workbench.experiments.question import FOLDER


@cache
def _command_line() -> Any:
    return typer.main.get_command(command_line)


def find_command(words: str) -> Any:
    """The command of some words of `Kind.command`."""
    found = _command_line()
    for word in (word for word in words.split() if not word.startswith("-")):
        found = found.commands[word]
    return found


def run_question(folder: Path, name: str) -> Command:
    """The command that runs what is missing of an experiment, whatever its kind."""
    return ["workbench", "experiments", str(folder), "--run", name]


def asking(study: Study, kind: str, name: str, settings: Any) -> Command | None:
    """The command that asks this; None where a setting is a file that lies nowhere."""
    from workbench.experiments.registry import KINDS  # PyTorch

    words = KINDS[kind].command or kind
    options = {option.name: option for option in find_command(words).params}
    usual, given = type(settings)(), ["--name", name]
    for key in fields(settings):
        value = getattr(settings, key.name)
        if value == getattr(usual, key.name):
            continue
        of = key.metadata.get("of", "")
        if of in _FILES:
            text = _FILES[of](study, value, name)
            if text is None:
                return None
            given += [options[key.name].opts[0], text]
        else:
            given += _words(options, key.name, value)
    own = [word for word in words.split() if word.startswith("-")]
    verbs = [word for word in words.split() if word not in own]
    return ["workbench", *verbs, str(study.folder), *own, *given]


def _words(options: Mapping[str, Any], key: str, value: Any) -> list[str]:
    option = options.get(key) or options[key.removesuffix("s")]
    if isinstance(value, list):
        if option.multiple:
            return [word for each in value for word in (option.opts[0], str(each))]
        if key in options:
            return [option.opts[0], ",".join(f"{each:g}" for each in value)]
        return [option.opts[0], value[0] if len(value) == 1 else "both"]
    if isinstance(value, bool):
        return [option.opts[0] if value else option.secondary_opts[0]]
    return [option.opts[0], str(value)]


def _detector(study: Study, value: str, _: str) -> str | None:
    from workbench.experiments.attack import as_setting  # PyTorch
    from workbench.experiments.detect import find_detector  # PyTorch

    for path in sorted(study.folder.glob(f"{FOLDER}/*/detector.json")):
        try:
            if as_setting(find_detector(study, path.parent.name)) == value:
                return path.parent.name
        except InputError:
            continue
    return None


def _concept(study: Study, value: str, _: str) -> str | None:
    from feature_mining.concepts.concept import Concept  # PyTorch
    from workbench.study.concepts import resolve  # PyTorch

    try:
        text = Concept.from_json(value).name.removeprefix("feature ")
        return text if " ".join(resolve(study, text).to_json().split()) == value else None
    except (InputError, ValueError):
        return None


def _painting(study: Study, _: str, name: str) -> str | None:
    path = study.folder / FOLDER / name / "painting.json"
    return str(path) if path.is_file() else None


# Settings that hold a file: what the command is given in their place.
_FILES: Mapping[str, Callable[[Study, str, str], str | None]] = {
    "detector": _detector,
    "concept": _concept,
    "painting": _painting,
    "plan": lambda study, value, name: None,
}
