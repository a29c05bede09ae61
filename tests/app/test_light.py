"""The first page of a study opens without the libraries that take seconds to import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import app
from tests.workbench.study_factory import make_study

OPENING = """
import sys
import app.canvas.panels, app.exports.downloads, app.canvas.requests, app.canvas.component, app.canvas.modes
from app.data.study import open_study
opened = open_study(sys.argv[1])
opened.study.features
print(opened.evidence.sae["hash"], *({"torch", "scipy.stats", "sklearn"} & set(sys.modules)))
"""


def test_a_study_opens_without_torch(tmp_path: Path) -> None:
    study = make_study(tmp_path).study
    root = Path(app.__file__).parents[1]
    words = [sys.executable, "-c", OPENING, str(study.folder)]
    found = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.split() == [study.sae.hash]
