"""Commands that the README shows exist, with the options that it shows."""

from __future__ import annotations

import ast
import re
import shlex

import pytest
import typer.main

from tests.conftest import ROOT
from workbench.cli import app

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
LINES = [
    line
    for language, block in BLOCKS
    for line in block.splitlines()
    if not language and line.startswith("workbench ")
]
INLINE = re.findall(r"`(workbench [a-z][^`]*)`", README)


@pytest.mark.parametrize("line", [*LINES, *INLINE])
def test_shown_command_exists_with_its_options(line):
    words = shlex.split(line.replace("$TASK/$TASKS", "0/4"))
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert words[1] in commands, f"no command {words[1]}"
    known = {name for p in commands[words[1]].params for name in [*p.opts, *p.secondary_opts]}
    for word in words[2:]:
        if word.startswith("--"):
            assert word in known, f"{words[1]} has no option {word}"


def test_shown_python_is_valid():
    blocks = [block for language, block in BLOCKS if language == "python"]
    assert blocks
    for block in blocks:
        ast.parse(block)


LINKS = r"\]\(([^)h][^)]*)\)"
PATHS = r"`((?:genomic_models|benchmarks|workbench|feature_mining)/[\w/.]+)`"


def test_paths_that_the_readme_names_are_there():
    found = re.findall(LINKS, README) + re.findall(PATHS, README)
    assert found
    for name in found:
        assert (ROOT / name).exists(), name
