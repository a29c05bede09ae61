"""The same study on a Dask cluster: over TCP here, and on workers that dask-jobqueue asks Slurm for."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests import slurm_lab
from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench import InputError, Study
from workbench.engines.cluster import connect, on
from workbench.engines.local import processes, run
from workbench.study.config import JobConfig

distributed = pytest.importorskip("distributed", reason="the extra hpc is not installed")


def digests(study: Study) -> dict[str, str]:
    files = sorted((study.folder / "tables").iterdir()) + sorted((study.folder / "features").iterdir())
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def expected(tmp_path_factory, samples, model) -> dict[str, str]:
    study = Study.create(tmp_path_factory.mktemp("local") / "study", small_config(samples, model))
    # Threads change the order of sums, and Dask's workers have one.
    run(study, processes(1, threads=1))
    return digests(study)


@pytest.mark.slow
def test_tcp_cluster_with_a_worker_killed(tmp_path, samples, model, expected, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    study = Study.create(tmp_path / "study", small_config(samples, model))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        connect(cluster.scheduler_address, JobConfig(), tmp_path) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))

        def kill() -> None:
            while not study.ledger.begun("encode"):
                time.sleep(0.02)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        run(study, on(client, threads=1))
        killer.join()
    assert digests(study) == expected


@pytest.mark.slow
def test_workers_from_slurm(tmp_path_factory, tmp_path, samples, model, expected):
    pytest.importorskip("dask_jobqueue", reason="the extra hpc is not installed")
    why = slurm_lab.unavailable()
    if why:
        pytest.skip(f"no Slurm here: {why}")
    lab = slurm_lab.SlurmLab(tmp_path_factory.mktemp("slurm"))
    lab.start()
    try:
        study = Study.create(tmp_path / "study", small_config(samples, model))
        settings = JobConfig(tasks=2, cpus=1, setup=[f"export PYTHONPATH={ROOT}", f"cd {ROOT}"])
        with connect("slurm", settings, tmp_path / "logs") as client:
            run(study, on(client, threads=1))
    finally:
        lab.stop()
    assert digests(study) == expected


def test_workers_import_nothing_from_the_folder_in_which_they_start(tmp_path, monkeypatch):
    jobqueue = pytest.importorskip("dask_jobqueue", reason="the extra hpc is not installed")
    asked = {}

    class Pretend:
        def __init__(self, **options):
            asked.update(options)
            raise InputError("not here")

    monkeypatch.setattr(jobqueue, "SLURMCluster", Pretend)
    settings = JobConfig(setup=["module load python"])
    with pytest.raises(InputError, match="not here"), connect("slurm", settings, tmp_path):
        pass
    assert asked["job_script_prologue"] == ["export PYTHONSAFEPATH=1", "module load python"]


def test_an_address_where_nothing_answers_is_refused(monkeypatch):
    monkeypatch.setattr("workbench.engines.cluster.PATIENCE", "1s")
    with (
        pytest.raises(InputError, match="no Dask scheduler answers there"),
        connect("tcp://127.0.0.1:9", JobConfig(), Path()),
    ):
        pass


def test_a_word_that_is_no_cluster_is_refused():
    with (
        pytest.raises(InputError, match="expected an address, as tcp://host:8786, or one of slurm"),
        connect("kubernetes", JobConfig(), Path()),
    ):
        pass
