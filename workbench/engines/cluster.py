"""Running shards on a Dask cluster: one that is there already, or one that dask-jobqueue brings up.

Workers call the same shard function as every other engine and write the same files, so that a worker or
a driver that dies costs the shards in flight alone. Needs the extra ``hpc``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from workbench.engines.local import POLL, Executor, work_on
from workbench.engines.shards import ATTEMPTS, Outcome, Work, pending
from workbench.errors import InputError
from workbench.interruption import requested
from workbench.progress import Progress
from workbench.study.config import JobConfig
from workbench.study.study import Study

if TYPE_CHECKING:
    from distributed import Client

# dask-jobqueue's class for each scheduler.
CLUSTERS = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "torque": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
}

# How long the address of a cluster is tried.
PATIENCE = "30s"


def _library() -> Any:
    try:
        import distributed  # of the extra hpc
    except ImportError:
        raise InputError("--dask needs the extra hpc: pip install 'genomics-workbench[hpc]'") from None
    return distributed


@contextmanager
def connect(where: str, settings: JobConfig, logs: Path) -> Iterator[Client]:
    """A client of the cluster ``where``: an address, or the name of a scheduler to ask for workers.

    What workers that it asks for print goes to the folder ``logs``.

    Raises ``InputError`` where the library is missing, the address does not answer or the name is unknown.
    """
    distributed = _library()
    if where not in CLUSTERS:
        if "://" not in where:
            raise InputError(
                f"--dask {where}: expected an address, as tcp://host:8786, or one of {', '.join(CLUSTERS)}"
            )
        try:
            client = distributed.Client(where, timeout=PATIENCE)
        except (OSError, TimeoutError) as error:
            raise InputError(f"--dask {where}: no Dask scheduler answers there ({error})") from None
        with client:
            yield client
        return
    import dask_jobqueue  # of the extra hpc

    make = getattr(dask_jobqueue, CLUSTERS[where])
    options = {
        "queue": settings.partition or None,
        "account": settings.account or None,
        "walltime": settings.time or "01:00:00",
        "job_extra_directives": list(settings.extra),
        # Dask's workers are started in the current folder, and would import from it.
        "job_script_prologue": ["export PYTHONSAFEPATH=1", *settings.setup],
        "python": settings.python or None,
        "log_directory": str(logs),
    }
    if settings.gpus:
        options["job_extra_directives"] = [*settings.extra, f"--gpus={settings.gpus}"]
    with (
        make(
            cores=settings.cpus,
            processes=1,
            # Dask wants a figure; without one in the settings the site's own default is asked for.
            memory=settings.memory or "4GB",
            job_directives_skip=[] if settings.memory else ["--mem"],
            **{k: v for k, v in options.items() if v is not None},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        # adapt, not scale: it puts a new worker in the place of one that was lost.
        cluster.adapt(minimum_jobs=1, maximum_jobs=settings.max_running or settings.tasks)
        yield client


def on(client: Client, threads: int) -> Executor:
    """Shards of one run on the workers of ``client``, each with ``threads`` threads."""
    run = uuid4().hex

    def execute(study: Study, work: Work, progress: Progress) -> Outcome:
        distributed = _library()
        name, shards = work.stage.name, work.shards
        made, failed = 0, dict[int, str]()
        for _ in range(ATTEMPTS):
            if not shards:
                break
            sizes = {}
            for shard in shards:
                task = (study.folder, run, name, work.mark, shard, threads)
                sizes[client.submit(work_on, *task, pure=False, retries=1)] = shard.size
            waiting = list(sizes)
            results = distributed.as_completed(waiting)
            while not results.is_empty():
                if requested():
                    client.cancel(waiting)
                    return Outcome(made, failed, True)
                if not results.has_ready():
                    time.sleep(POLL)
                    continue
                future = next(results)
                if future.status != "finished":
                    progress.say(f"{name}: a worker was lost; going on with what is left")
                    continue
                outcome = future.result()
                made += outcome.made
                failed |= outcome.failed
                progress.advance(sizes[future] * outcome.made)
            shards = [s for s in pending(study, work).shards if s.index not in failed]
        left = {s.index: "its worker was lost again and again" for s in shards}
        return Outcome(made, failed | left, False)

    return execute
