"""A study as batch jobs on a real Slurm, with the faults that clusters have."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests import slurm_lab
from tests.workbench.engines.cluster_faults import FAULTS, suffer
from tests.workbench.small_study import small_config, write_model
from workbench import Study

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
    import shutil

    folder = tmp_path_factory.mktemp("local") / "study"
    shutil.copytree(template.folder, folder)
    study = Study.open(folder)
    study.run(until="encode")
    return study


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_and_the_features_are_the_same(fault, lab, template, local, tmp_path):
    study, outcome = suffer(fault, template, tmp_path / fault, lab)
    assert outcome.lost == 0
    assert outcome.repeated <= REPEATED.get(fault, 1)
    assert digests(study.folder / "features") == digests(local.folder / "features")
