"""The names of a study's results are those under which stages write them."""

from __future__ import annotations

import ast
from pathlib import Path

import workbench
from workbench.stages.phenotype import NAMES
from workbench.stages.registry import STAGES
from workbench.study.results import FACTS, TABLES


def written(method: str) -> dict[str, str]:
    """Name of each result that a module of a stage writes under a plain name, and the module."""
    found = {}
    for path in (Path(workbench.__file__).parent / "stages").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            call = isinstance(node, ast.Call) and getattr(node.func, "attr", "") == method
            if call and isinstance(node.args[0], ast.Constant):
                found[node.args[0].value] = path.stem
    return found


def test_every_result_is_known_with_its_stage() -> None:
    tables = written("write_table") | dict.fromkeys(NAMES.values(), "phenotype")
    # The stage of the controls trains as the stage of the autoencoder does.
    facts = written("write_facts") | {"training": "sae", "training_random": "baselines"}
    for found, known in ((tables, TABLES), (facts, FACTS)):
        assert set(known.values()) <= set(STAGES)
        modules = {name: stage.replace("predict", "phenotype") for name, stage in known.items()}
        assert modules == found
