"""The history of what was painted in a study."""

from __future__ import annotations

import functools
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from feature_mining.painting.painting import Painting, Sheet, Stroke
from tests.fuzz.inputs import CONCEPT
from tests.fuzz.target import Target
from tests.workbench.study_factory import make_study
from workbench import Study
from workbench.study.history import Node, add_node, change_node, read_history

PAINTING = Painting(12, (CONCEPT,), (Sheet("low", (Stroke("stop", 2, 8),)),), "ACGTACGTACGT")


@functools.cache
def _whole() -> Path:
    study = make_study(Path(tempfile.mkdtemp(prefix="fuzz-history-"))).study
    first = Node(
        0, 0, "chrA", 100, 112, PAINTING.to_json(), "stop on 103-108", {"fill": "write", "copies": 2}
    )
    made = add_node(study, first)
    change_node(study, made.number, name="a <b>", note="why\nnot", written={"painted": ["ACGTACGTACGT"] * 2})
    add_node(study, Node(0, made.number, "chrA", 100, 112, PAINTING.to_json(), experiment="one"))
    return study.folder


def _make(folder: Path) -> None:
    shutil.copytree(_whole(), folder, dirs_exist_ok=True)


def read_painted(folder: Path) -> None:
    """Every node with its painting, and one more beside them."""
    study = Study.open(folder)
    kept = read_history(study)
    for node in kept.nodes.values():
        kept.path(node.number)
        kept.branch(node.number)
        with suppress(ValueError):  # which `read_painting` says with the node
            Painting.from_json(node.painting)
    add_node(study, Node(0, 0, "chrA", 0, 12, PAINTING.to_json()))


TARGETS = {"history": Target(_make, read_painted, ("history.json",))}
