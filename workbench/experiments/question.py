"""The file of an experiment: what is asked, every setting written out, and of which model."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import tomlkit

from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.settings import as_table, check_section, read_section, setting
from workbench.files.text import read_text
from workbench.study.study import Study

FOLDER = "experiments"
QUESTION = "question.toml"
VERSION = 1


@dataclass(frozen=True)
class Subject:
    """What the question is asked of, by hashes."""

    model: str = setting("", "Hash of the model's weights.")
    layer: str = setting("", "Tap of the autoencoder.")
    autoencoder: str = setting("", "Hash of the autoencoder's weights.")


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes
    ----------
    kind : str
        One of `workbench.experiments.registry.KINDS`.
    settings
        Of that kind.
    subject : Subject
        Model and autoencoder that it is asked of.
    """

    kind: str
    settings: Any
    subject: Subject = field(default_factory=Subject)


def subject_of(study: Study, features: bool = True) -> Subject:
    """The model, layer and, where it is asked of features, the autoencoder of a study."""
    return Subject(study.manifest.model.weights_hash, study.layer, study.sae_hash if features else "")


def folder_of(study: Study, name: str) -> Path:
    """Folder of an experiment. Raises ``InputError`` for a name that is no plain word."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", name):
        raise InputError(
            f"experiment {name!r}: expected a name of letters, digits, - and _, such as stop_codons"
        )
    return study.folder / FOLDER / name


def question_text(question: Question) -> str:
    """The file of a question: every value under the sentence that says what it is for."""
    document = tomlkit.document()
    document.add("version", tomlkit.item(VERSION))
    document.add("kind", tomlkit.item(question.kind))
    document.add("subject", as_table(question.subject))
    document.add("settings", as_table(question.settings))
    return tomlkit.dumps(document)


def write_question(path: Path, question: Question) -> None:
    """Write a question."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary:
        temporary.write_text(question_text(question), encoding="utf-8")


def read_question(path: Path, kinds: dict[str, type]) -> Question:
    """Read and check a question; ``kinds`` gives the class of settings of each kind.

    Raises ``InputError`` naming the file, the key and what was expected.
    """
    if not path.exists():
        raise InputError(f"{path}: no such question; see `workbench experiments {path.parents[2]}`")
    try:
        values = tomllib.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML ({error})") from None
    if values.get("version") != VERSION:
        raise InputError(f"{path}: version is {values.get('version')!r}; this program reads {VERSION}")
    kind = values.get("kind")
    if kind not in kinds:
        raise InputError(f"{path}: kind is {kind!r}; expected one of {', '.join(kinds)}")
    known = {"version", "kind", *(f.name for f in fields(Question))}
    if unknown := sorted(set(values) - known):
        raise InputError(f"{path}: unknown key {unknown[0]!r}; expected {', '.join(sorted(known))}")
    parts = {}
    for name, section in (("subject", Subject), ("settings", kinds[kind])):
        given = values.get(name, {})
        if not isinstance(given, dict):
            raise InputError(f"{path}: {name} must be a table, found {given!r}")
        parts[name] = read_section(section, given, f"{path} [{name}]")
        check_section(parts[name], f"{path} [{name}]")
    return Question(kind, parts["settings"], parts["subject"])


def refuse_other_subject(study: Study, question: Question, path: Path) -> None:
    """Raise ``InputError`` with both values where a question is for another model, layer or autoencoder."""
    here = subject_of(study, bool(question.subject.autoencoder))
    for key in fields(Subject):
        asked, found = getattr(question.subject, key.name), getattr(here, key.name)
        if asked and asked != found:
            raise InputError(
                f"{path}: asked of {key.name} {asked}; that of {study.folder} is {found}: features of another"
                " one mean something else"
            )
