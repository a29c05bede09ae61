"""Running shards on a Dask cluster: one that is there already, or one that dask-jobqueue brings up.

Workers call the same shard function as every other engine and write the same files, so that a worker or
a driver that dies costs the shards in flight alone. Needs the extra ``hpc``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import JobConfig
from workbench.engines.local import Executor, work
from workbench.engines.shards import ATTEMPTS, Outcome, pending
from workbench.errors import InputError
from workbench.progress import Progress
from workbench.stages.stage import Stage
from workbench.study import Study

if TYPE_CHECKING:
    from distributed import Client

CLUSTERS = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "torque": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
}
"""dask-jobqueue's class for each scheduler."""

PATIENCE = "30s"
"""How long the address of a cluster is tried."""


def _library() -> Any:
    try:
        import distributed
    except ImportError:
        raise InputError(
            "--dask needs the extra hpc: pip install 'genomics-workbench[hpc]'"
        ) from None
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
                f"--dask {where}: expected an address, as tcp://host:8786, or one of"
                f" {', '.join(CLUSTERS)}"
            )
        try:
            client = distributed.Client(where, timeout=PATIENCE)
        except (OSError, TimeoutError) as error:
            raise InputError(f"--dask {where}: no Dask scheduler answers there ({error})") from None
        with client:
            yield client
        return
    import dask_jobqueue

    make = getattr(dask_jobqueue, CLUSTERS[where])
    options = {
        "queue": settings.partition or None,
        "account": settings.account or None,
        "walltime": settings.time or "01:00:00",
        "job_extra_directives": list(settings.extra),
        "job_script_prologue": list(settings.setup),
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
    """Shards on the workers of ``client``, each with ``threads`` threads."""

    def execute(study: Study, stage: Stage, shards: Sequence[int], progress: Progress) -> Outcome:
        distributed = _library()
        made, failed = 0, dict[int, str]()
        for _ in range(ATTEMPTS):
            if not shards:
                break
            waiting = [
                client.submit(work, study.folder, stage.name, i, threads, pure=False, retries=1)
                for i in shards
            ]
            for future in distributed.as_completed(waiting):
                if future.status != "finished":
                    progress.say(f"{stage.name}: a worker was lost; going on with what is left")
                    continue
                size, outcome = future.result()
                made += outcome.made
                failed |= outcome.failed
                progress.advance(size)
            shards = [i for i in pending(study, stage) if i not in failed]
        left = {i: "its worker was lost again and again" for i in shards}
        return Outcome(made, failed | left, False)

    return execute
