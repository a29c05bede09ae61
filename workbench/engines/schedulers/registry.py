"""All schedulers by name, and the one that is here."""

from __future__ import annotations

import shutil

from workbench.engines.schedulers.lsf import LSF
from workbench.engines.schedulers.pbs import PBS, Torque
from workbench.engines.schedulers.scheduler import Scheduler
from workbench.engines.schedulers.sge import SGE
from workbench.engines.schedulers.slurm import Slurm
from workbench.errors import InputError

SCHEDULERS: dict[str, Scheduler] = {s.name: s for s in (Slurm(), PBS(), Torque(), LSF(), SGE())}


def find_scheduler(name: str) -> Scheduler:
    """The named scheduler; for an empty name the one whose commands are on this machine.

    Raises ``InputError`` for an unknown name, and where none is found.
    """
    if name:
        if name not in SCHEDULERS:
            raise InputError(f"unknown scheduler {name!r}; expected {', '.join(SCHEDULERS)}")
        return SCHEDULERS[name]
    if shutil.which("sbatch"):
        return SCHEDULERS["slurm"]
    if shutil.which("bsub"):
        return SCHEDULERS["lsf"]
    if shutil.which("qsub"):
        # qconf comes with Grid Engine alone.
        return SCHEDULERS["sge" if shutil.which("qconf") else "pbs"]
    raise InputError(
        "no scheduler on this machine (looked for sbatch, bsub, qsub); run `workbench run` here, or print"
        " the scripts with --scheduler slurm --dry-run"
    )
