"""Runs in the background run the product, whatever lies in the current folder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.engines import background
from workbench.errors import InputError


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


def test_of_two_that_begin_at_once_one_is_refused(
    tmp_path: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study.create(tmp_path / "study", small_config(samples, write_model(tmp_path / "tiny")))
    question = study.folder / "experiments" / "asked" / "question.toml"
    question.parent.mkdir(parents=True)
    question.touch()
    began: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def waits(words: list[str], **more: Any) -> subprocess.Popen[bytes]:
        time.sleep(0.2)  # long enough for the other to look
        began.append(popen([sys.executable, "-c", "import time; time.sleep(60)"], **more))
        return began[-1]

    monkeypatch.setattr(subprocess, "Popen", waits)
    said: list[str] = []

    def begin() -> None:
        try:
            background.start_experiment(study, "asked")
        except InputError as error:
            said.append(str(error))

    both = [threading.Thread(target=begin) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    run = background.state(study.folder)
    assert run.running and run.step == "experiments/asked" and [child.pid for child in began] == [run.pid]
    assert said == ["study: experiments/asked of it runs already; wait for it, or stop it"]
    began[0].kill()
    began[0].wait()
    with pytest.raises(InputError, match="no experiment of this name"):
        background.start_experiment(study, "never")
    with pytest.raises(InputError, match="expected a name of letters"):
        background.start_experiment(study, "--help")


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
