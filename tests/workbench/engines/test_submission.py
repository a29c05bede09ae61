"""A study as batch jobs on a real Slurm, with the faults that clusters have."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests import slurm_lab
from tests.conftest import ROOT
from tests.workbench.engines.cluster_faults import FAULTS, suffer
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.engines.submission import live, submit
from workbench.files.settings import read_section
from workbench.study.config import JobConfig

# Starts beyond the first that a fault may cost, where it is more than one.
REPEATED = {"hopeless_shard": 4, "full_disk": 15, "warned_task": 3, "preempted_task": 3}


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    why = slurm_lab.unavailable()
    if why:
        pytest.skip(f"no Slurm here: {why}")
    lab = slurm_lab.SlurmLab(tmp_path_factory.mktemp("slurm"))
    lab.start()
    yield lab
    lab.stop()


@pytest.fixture(scope="module")
def template(tmp_path_factory, samples) -> Study:
    """A study done up to the encoding."""
    folder = tmp_path_factory.mktemp("template")
    study = Study.create(folder / "study", small_config(samples, write_model(folder / "tiny")))
    study.run(until="quality")
    return study


@pytest.fixture(scope="module")
def local(tmp_path_factory, template) -> Study:
    """The same study, encoded in this process."""
    folder = tmp_path_factory.mktemp("local") / "study"
    shutil.copytree(template.folder, folder)
    study = Study.open(folder)
    study.run(until="encode")
    return study


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_the_features_are_the_same(fault, lab, template, local, tmp_path, monkeypatch):
    if fault != "nothing":
        # It starts another Python, each time the same; one trial and the sites below have it done.
        monkeypatch.setattr("workbench.engines.submission.check_workers", lambda settings: None)
    study, outcome = suffer(fault, template, tmp_path / fault, lab)
    assert outcome.lost == 0
    assert outcome.repeated <= REPEATED.get(fault, 1)
    assert digests(study.folder / "features") == digests(local.folder / "features")


# As sites have them: they read variables that nobody has set.
MODULE = '() { [ -z "$LOADEDMODULES" ]; echo "module $*" >> "$NOTES"; }'
CONDA = """conda() {
    PS1="($2) $PS1"; echo "conda $*" >> "$NOTES"
    export PATH="PLACE:$PATH"
}
"""
APPTAINER = """#!/bin/bash
echo "apptainer $*" >> "$NOTES"
while [ "$1" != PLACE/software/workbench.sif ]; do shift; done
shift
exec "$@"
"""
PYTHON = f"""#!/bin/bash
echo "scratch $TMPDIR" >> "$NOTES"
exec {sys.executable} "$@"
"""


def documented(name: str, place: Path) -> JobConfig:
    """The settings that the guide shows for a kind of site, with its paths below a folder."""
    guide = (ROOT / "docs" / "cluster.md").read_text()
    text = guide.split(f"\n{name}")[1].split("```toml\n")[1].split("```")[0]
    for folder in ("/home", "/opt", "/software", "/local"):
        text = text.replace(f'"{folder}', f'"{place}{folder}')
        text = text.replace(f"source {folder}", f"source {place}{folder}")
    text = text.replace('partition = "gpu"\naccount = "lab"', 'partition = "main"')
    found: JobConfig = read_section(JobConfig, tomllib.loads(text)["jobs"], "docs/cluster.md")
    return replace(found, tasks=1)


@pytest.mark.slow
def test_sites_as_the_guide_shows_them(lab, template, local, tmp_path, monkeypatch):
    files = {
        "home/me/env/bin/python": PYTHON,
        "bin/python": PYTHON,
        "bin/python3": PYTHON,
        "opt/conda/etc/profile.d/conda.sh": CONDA.replace("PLACE", f"{tmp_path}/bin"),
        "software/workbench.sif": "",
        "bin/apptainer": APPTAINER.replace("PLACE", str(tmp_path)),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("BASH_FUNC_module%%", MODULE)
    monkeypatch.setenv("SLURM_TMPDIR", f"{tmp_path}/node")
    monkeypatch.setenv("TMPDIR", f"{tmp_path}/tmp")
    monkeypatch.setenv("USER", "somebody")
    for name in ("LOADEDMODULES", "PS1"):
        monkeypatch.delenv(name, raising=False)
    expected = {
        "Modules": ("module purge", "module load python/3.11 cuda", f"scratch {tmp_path}/node"),
        "conda": ("conda activate workbench", f"scratch {tmp_path}/tmp/workbench"),
        "Apptainer": ("apptainer exec --bind", f"scratch {tmp_path}/local/somebody"),
    }
    studies = {}
    for name in expected:
        study = studies[name] = Study.open(Path(shutil.copytree(template.folder, tmp_path / name)))
        monkeypatch.setenv("NOTES", str(tmp_path / f"{name}.txt"))
        assert submit(study, documented(name, tmp_path), until="encode") is not None
    end = time.monotonic() + 300
    while any(live(study) for study in studies.values()) and time.monotonic() < end:
        time.sleep(0.2)
    for name, lines in expected.items():
        folder = studies[name].folder
        said = "".join(p.read_text() for p in (folder / "logs" / "jobs").iterdir())
        assert digests(folder / "features") == digests(local.folder / "features"), said
        notes = (tmp_path / f"{name}.txt").read_text()
        assert all(line in notes for line in lines), notes
    scripts = {p.stem: p.read_text() for p in (studies["Modules"].folder / "jobs").glob("*.sh")}
    assert "--gpus=1" in scripts["wb-encode"] and "--gpus" not in scripts["wb-encode-reduce"]
    # Expanded on the node: no script holds what it became.
    assert not any(f"{tmp_path}/node" in text for text in scripts.values())
    folder = studies["Apptainer"].folder
    assert f"--bind {folder} --bind {tmp_path}/local/somebody --nv" in notes
