"""The same study of *E. coli* on every engine: local, Slurm arrays, Dask over TCP, Dask on Slurm's workers.

``python benchmarks/engines.py [--quick] [--json] [--bases N] [--tokens N]``.
Compares every table, byte for byte. The
genome is in ../shared; the Slurm parts need root and Debian's slurmctld, slurmd, slurm-client and munge.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# Threads change the order of sums: one for every engine, as the jobs' scripts have it, so that the bytes can
# be compared. Set before NumPy and PyTorch are loaded, which read it once; not for whoever imports this.
if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"

from benchmarks.command_line import absent, finish, parser, skip  # noqa: E402
from benchmarks.ecoli import prepare  # noqa: E402
from tests import slurm_lab  # noqa: E402
from workbench import Study  # noqa: E402
from workbench.engines.cluster import connect, on  # noqa: E402
from workbench.engines.local import here, run  # noqa: E402
from workbench.engines.submission import live, submit  # noqa: E402
from workbench.engines.survey import survey  # noqa: E402
from workbench.study.config import (  # noqa: E402
    ControlConfig,
    InputConfig,
    JobConfig,
    RunConfig,
    SAEConfig,
    StudyConfig,
)

WORKERS = JobConfig(
    scheduler="slurm", tasks=2, cpus=1, setup=[f"export PYTHONPATH={ROOT}", f"cd {tempfile.gettempdir()}"]
)


def local(study: Study) -> None:
    """Everything in this process."""
    run(study, here)


def slurm(study: Study) -> None:
    """Job arrays on a Slurm."""
    run(study, here, until="plan")
    submit(study, WORKERS)
    while live(study) != []:
        time.sleep(1)


def dask_tcp(study: Study) -> None:
    """Two Dask workers over TCP."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        connect(cluster.scheduler_address, WORKERS, study.folder / "logs") as client,
    ):
        run(study, on(client, threads=1))


def dask_slurm(study: Study) -> None:
    """Dask workers that dask-jobqueue asks Slurm for."""
    with connect("slurm", WORKERS, study.folder / "logs") as client:
        run(study, on(client, threads=1))


ENGINES: dict[str, Callable[[Study], None]] = {
    "local": local,
    "slurm": slurm,
    "dask_tcp": dask_tcp,
    "dask_slurm": dask_slurm,
}


def main() -> None:
    options = parser(__doc__, "60 kb, a small autoencoder")
    options.add_argument("--bases", type=int, default=1_000_000)
    options.add_argument("--tokens", type=int, default=200_000)
    args = options.parse_args()
    if gone := absent("ecoli"):
        return skip(args, gone)
    if args.quick:
        args.bases, args.tokens = 60_000, 50_000
    why = slurm_lab.unavailable()
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = folder / "inputs"
        inputs.mkdir()
        genome, *tracks = prepare(inputs, args.bases)
        config = StudyConfig(
            input=InputConfig(genome=str(genome), tracks=[str(t) for t in tracks]),
            sae=replace(SAEConfig(), tokens=args.tokens),
            controls=ControlConfig(bases=60_000),
            run=RunConfig(shard_bases=args.bases // 8),
        )
        lab = None if why else slurm_lab.SlurmLab(folder / "lab")
        if lab:
            lab.start()
        try:
            for engine, drive in ENGINES.items():
                if why and "slurm" in engine:
                    results[engine] = f"skipped: {why}"
                    continue
                study = Study.create(folder / engine, config)
                began = time.monotonic()
                drive(study)
                seconds = time.monotonic() - began
                unfinished = [s.stage for s in survey(study) if s.state != "done"]
                assert not unfinished, f"{engine}: {unfinished}"
                differing = [
                    p.name
                    for p in sorted((folder / "local" / "tables").iterdir())
                    if (study.folder / "tables" / p.name).read_bytes() != p.read_bytes()
                ]
                results[engine] = {"seconds": round(seconds, 1), "tables_differing": differing}
                said = f"differ: {', '.join(differing)}" if differing else "identical"
                print(f"{engine:10s} {seconds:7.1f} s, tables {said}", flush=True)
        finally:
            if lab:
                lab.stop()
    finish(args, results)


if __name__ == "__main__":
    main()
