"""Runs in the background run the product, whatever lies in the current folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.engines import background


def test_a_file_of_the_name_in_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workbench.py").write_text("open('it-ran', 'w')\n")
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path)
    background.start(tmp_path / "study")
    for _ in range(300):
        if not background.state(tmp_path / "study").running:
            break
        time.sleep(0.1)
    assert "no study.toml here" in background.state(tmp_path / "study").output
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.slow
def test_workers_import_nothing_from_the_current_folder(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started as the installed command is: without -P, from a file that lies elsewhere."""
    study = Study.create(tmp_path / "study", small_config(samples, write_model(tmp_path / "tiny")))
    (tmp_path / "bin").mkdir()
    entry = tmp_path / "bin" / "workbench-command"
    entry.write_text("from workbench.cli import main\nif __name__ == '__main__':\n    main()\n")
    here = tmp_path / "here"
    here.mkdir()
    for name in ("workbench", "multiprocessing", "socket", "numpy", "app"):
        (here / f"{name}.py").write_text("open('it-ran', 'w')\n")
    words = [sys.executable, str(entry), "run", str(study.folder), "--workers", "2"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*words, "--until", "quality"], cwd=here, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in here.iterdir() if path.suffix != ".py"} == set()
