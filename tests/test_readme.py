"""What README, guides and CONTRIBUTING show is there: commands with options, paths, the tree of folders."""

from __future__ import annotations

import ast
import re
import shlex

import pytest
import typer.main

from tests.conftest import ROOT
from workbench.cli import app

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
GUIDES = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = {p.relative_to(ROOT).as_posix(): p.read_text() for p in [ROOT / "README.md", *GUIDES]}
TEXTS["benchmarks/RESULTS.md"] = (ROOT / "benchmarks" / "RESULTS.md").read_text()
BLOCKS = [
    found for text in TEXTS.values() for found in re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL)
]
LINES = [
    line
    for language, block in BLOCKS
    for line in block.replace("\\\n", " ").splitlines()
    if language in ("", "bash") and line.startswith("workbench ")
]
# Built once, of some fifty commands.
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
INLINE = [line for text in TEXTS.values() for line in re.findall(r"`(workbench [a-z][^`]*)`", text)]


@pytest.mark.parametrize("line", sorted({*LINES, *INLINE}))
def test_shown_command_exists_with_its_options(line):
    words = shlex.split(line.replace("$TASK/$TASKS", "0/4"))
    assert words[1] in COMMANDS, f"no command {words[1]}"
    command = COMMANDS[words[1]]
    command = getattr(command, "commands", {}).get(words[2] if len(words) > 2 else "", command)
    known = {name for p in command.params for name in [*p.opts, *p.secondary_opts]}
    for word in words[2:]:
        if word.startswith("--"):
            assert word in known, f"{words[1]} has no option {word}"


def test_shown_python_is_valid():
    blocks = [block for language, block in BLOCKS if language == "python"]
    assert blocks
    for block in blocks:
        ast.parse(block)


PACKAGES = ("app", "workbench", "feature_mining", "genomic_models")
TREE = next(block for _, block in BLOCKS if block.startswith("app/"))


def test_the_tree_is_that_of_the_packages():
    shown, above = [], []
    for line in filter(None, TREE.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], line.split()[0]]
        shown.append("".join(above))
    there = [p.parent for package in PACKAGES for p in (ROOT / package).rglob("__init__.py")]
    assert sorted(shown) == sorted(f"{folder.relative_to(ROOT)}/" for folder in there)


LINKS = r"\]\((?!https?:|#)([^)]*)\)"
PATHS = rf"`((?:{'|'.join(PACKAGES)}|benchmarks|tests)/[\w/.]+)`"


@pytest.mark.parametrize("name", [*TEXTS, "CONTRIBUTING.md"])
def test_paths_that_are_named_are_there(name):
    text = (ROOT / name).read_text()
    for link in re.findall(LINKS, text):
        assert ((ROOT / name).parent / link.split("#")[0]).exists(), link
    for path in re.findall(PATHS, text):
        assert (ROOT / path).exists(), path


def test_the_readme_is_short_and_names_the_packages():
    assert len(README.splitlines()) <= 150
    assert re.findall(r"^\* `(\w+)/`", README, flags=re.M) == list(PACKAGES)


def test_registries_that_a_contributor_is_sent_to_are_there():
    found = re.findall(r"\| `(\w+)` in `([\w/.]+)`", CONTRIBUTING)
    assert len(found) == len(re.findall(r"^\| an? ", CONTRIBUTING, flags=re.M))
    for name, path in found:
        assert re.search(rf"^(?:def )?{name}\b", (ROOT / path).read_text(), flags=re.M), path
