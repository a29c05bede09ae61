"""Imports go one way: no circle, those inside functions and those for type checking counted."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("app", "workbench", "feature_mining", "genomic_models")
# Modules of ``workbench.stages`` that are no stage.
HARNESS = {"registry", "stage", "tree"}


def modules_of(root: Path, packages: tuple[str, ...]) -> dict[str, Path]:
    """Every module of the packages, by dotted name."""
    found = {}
    for path in (p for package in packages for p in (root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def import_graph(modules: dict[str, Path]) -> dict[str, set[str]]:
    """The modules that each module names in an import, wherever in the file that stands.

    A module's own packages are left out: Python runs them before it.
    """
    graph = {}
    for name, path in modules.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        asked = []
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                asked += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                above = package.split(".")[: package.count(".") + 2 - node.level]
                base = [*(above if node.level else []), *([node.module] if node.module else [])]
                asked += [".".join([*base, alias.name]) for alias in node.names]
        # What is imported may be a name in a module: the longest part that is a module counts.
        known = {_module(dotted, modules) for dotted in asked} - {"", name}
        graph[name] = {other for other in known if not name.startswith(f"{other}.")}
    return graph


def _module(dotted: str, modules: dict[str, Path]) -> str:
    while dotted and dotted not in modules:
        dotted = dotted.rpartition(".")[0]
    return dotted


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return import_graph(modules_of(ROOT, PACKAGES))


def test_no_circle_of_imports(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a circle of imports: " + " -> ".join(reversed(error.args[1])))


def test_imports_of_every_kind_are_seen(graph: dict[str, set[str]]) -> None:
    assert "workbench.study.config" in graph["workbench.study.study"]  # at the top
    assert "workbench.study.inputs" in graph["workbench.study.study"]  # inside a function
    assert "workbench.study.study" in graph["workbench.stages.stage"]  # for type checking
    assert "workbench.stages.plan" in graph["workbench.stages.registry"]  # a module from its package


@pytest.mark.parametrize(
    "text",
    [
        "import p.b",
        "from p import b",
        "from p.b import thing",
        "from . import b",
        "from .b import thing",
        "def f():\n    from p.b import thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.b import thing",
    ],
)
def test_a_circle_is_found(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "__init__.py").write_text("from p.a import other\n")
    (folder / "a.py").write_text(text)
    (folder / "b.py").write_text("import p.c\n")
    (folder / "c.py").write_text("import numpy\n")
    TopologicalSorter(import_graph(modules_of(tmp_path, ("p",)))).prepare()
    (folder / "c.py").write_text("from p.a import other\n")
    with pytest.raises(CycleError) as found:
        TopologicalSorter(import_graph(modules_of(tmp_path, ("p",)))).prepare()
    assert set(found.value.args[1]) == {"p.a", "p.b", "p.c"}


def bare(path: Path) -> list[int]:
    """Lines of imports inside functions that no comment explains, on the line or above its block."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    found = []
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                above = node.lineno - 2
                while lines[above].startswith(("import ", "from ")):
                    above -= 1
                if "#" not in lines[node.lineno - 1] and not lines[above].startswith("#"):
                    found.append(node.lineno)
    return found


def test_imports_inside_functions_say_why() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for path in modules_of(ROOT, ("workbench",)).values()
        for line in bare(path)
    }
    assert not found


def test_stages_are_imported_by_their_registry_alone(graph: dict[str, set[str]]) -> None:
    stages = {f"workbench.stages.{path.stem}" for path in (ROOT / "workbench/stages").glob("*.py")}
    stages -= {f"workbench.stages.{name}" for name in (*HARNESS, "__init__")}
    assert stages <= graph["workbench.stages.registry"]
    assert not {
        (name, stage)
        for name, others in graph.items()
        if name != "workbench.stages.registry"
        for stage in others & stages
    }


def test_running_a_study_loads_no_library_for_a_rare_case() -> None:
    # PyTorch's compiler takes nearly as long to import as PyTorch, in every process of a run.
    rare = "torch._dynamo", "scipy.signal", "streamlit", "sympy", "altair"
    program = "import sys, workbench.engines.local; from genomic_models import load; load('mini')"
    program += f"; print(*[m for m in {rare} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == ""
