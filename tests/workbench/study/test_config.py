"""Settings explain themselves: in the file, in --help, and where they are wrong."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from typer.testing import CliRunner

from workbench import InputError
from workbench.cli import app
from workbench.files.settings import sentence, stated
from workbench.stages import NAMES, OF_SAMPLES
from workbench.stages.registry import STAGES
from workbench.study.config import (
    CohortConfig,
    InputConfig,
    SAEConfig,
    StudyConfig,
    read_config,
    write_config,
)

SECTIONS = get_type_hints(StudyConfig)
KEYS = [(kind, key.name) for kind in SECTIONS.values() for key in fields(kind)]


def words(*arguments: str) -> str:
    """What a command prints, as one line of words, whatever the frames and the width."""
    text = CliRunner().invoke(app, list(arguments), terminal_width=400).output
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_every_key_has_its_sentence(kind: type, key: str) -> None:
    assert is_dataclass(kind) and sentence(kind, key).endswith(".")
    assert len(sentence(kind, key)) <= 100 and "\n" not in sentence(kind, key)


def test_the_file_says_what_each_key_is_for(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    config = StudyConfig(input=InputConfig(genome="g.fa", rename={"a": "b"}))
    write_config(config, path)
    lines = path.read_text().splitlines()
    for name, kind in SECTIONS.items():
        start = next(i for i, line in enumerate(lines) if line.split(" #")[0] == f"[{name}]")
        for key in fields(kind):
            at = next(
                i
                for i, line in enumerate(lines[start:], start)
                if line.startswith((f"{key.name} = ", f"[{name}.{key.name}]"))
            )
            assert lines[at - 1].strip() == f"# {sentence(kind, key.name)}"
    assert read_config(path) == config


def test_help_is_what_the_code_says() -> None:
    new, run = words("new", "--help"), words("run", "--help")
    for kind, key in ((InputConfig, "regions"), (SAEConfig, "k"), (CohortConfig, "variants")):
        assert " ".join(sentence(kind, key).split()) in new
    assert ", ".join(NAMES) in run
    assert tuple(STAGES) == NAMES
    config = StudyConfig(input=InputConfig(tracks=["genes.gff3"]))
    study: Any = type("Plain", (), {"config": config, "planned": False})()
    without = [name for name, stage in STAGES.items() if not stage.wanted(study)]
    assert set(without) - {"layers"} == set(OF_SAMPLES)


def test_a_key_that_came_later_changes_nothing_while_it_is_not_set() -> None:
    plain = CohortConfig(variants="v.vcf")
    assert "missing" not in stated(plain) and stated(plain)["variants"] == "v.vcf"
    assert stated(replace(plain, missing=["-9"]))["missing"] == ["-9"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[input]\ngenom = 'g'\n", r"unknown key 'genom'; expected one of circular, genome"),
        ("[sae]\nk = 'many'\n", r"k is 'many', expected int"),
        ("[sae]\nk = 0\n[input]\ngenome = 'g'\n", r"\[sae\]: k 0 must be at least 1"),
        ("[split]\ntrain = 0.9\n[input]\ngenome = 'g'\n", "must be positive and sum to 1"),
        ("[run\n", "not valid TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_config(path)
