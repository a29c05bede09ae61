"""A throw-away Slurm on this machine's loopback, for tests: controller and one or more virtual nodes.

Needs root and Debian's slurmctld, slurmd, slurm-client and munge (``apt-get install``). Refuses to touch a
configuration that it did not write. Memory is not enforced: there are no cgroups.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MARK = "# written by tests/slurm_lab.py"
CONFIG = Path("/etc/slurm/slurm.conf")
GRES = CONFIG.with_name("gres.conf")
LOCK = Path(tempfile.gettempdir()) / "workbench-slurm-lab.lock"
PORT = 26817
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "munged")

TEMPLATE = """{mark}
ClusterName=bench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
MaxArraySize=1001
SlurmctldTimeout=30
SlurmdTimeout=20
KillWait=5
GresTypes=gpu
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_min_interval=200000,batch_sched_delay=0
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
"""


def unavailable() -> str:
    """Why no Slurm can be brought up here; empty if one can."""
    if os.geteuid() != 0:
        return "needs root"
    missing = [p for p in PROGRAMS if shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin") is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install slurmctld slurmd slurm-client munge)"
    if CONFIG.exists() and MARK not in CONFIG.read_text():
        return f"{CONFIG} belongs to another Slurm"
    return ""


def _until(answer: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not answer():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come up in {seconds:.0f} s")
        time.sleep(0.2)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=20).returncode == 0


class SlurmLab:
    """Daemons of the lab; ``start`` and ``stop`` may be called again and again."""

    def __init__(self, root: Path, nodes: int = 2, cpus: int = 4) -> None:
        self.root, self.nodes, self.cpus = root, nodes, cpus

    def start(self) -> None:
        """Write the configuration and start munge, the controller and the nodes.

        Waits for another lab on this machine to end: there is one configuration for all.
        """
        self._turn = LOCK.open("w")
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        (self.root / "state").mkdir(parents=True, exist_ok=True)
        self._munge()
        host = socket.gethostname().split(".")[0]
        lines = [
            f"NodeName=bench{i} NodeHostname={host} NodeAddr=127.0.0.1 Port={PORT + 10 + i}"
            f" CPUs={self.cpus} RealMemory=4000 Gres=gpu:1 State=UNKNOWN"
            for i in range(self.nodes)
        ]
        CONFIG.parent.mkdir(exist_ok=True)
        CONFIG.write_text(
            TEMPLATE.format(mark=MARK, host=host, port=PORT, root=self.root, nodes="\n".join(lines))
        )
        # GPUs to be asked for; there are none.
        gpus = [f"NodeName=bench{i} Name=gpu File=/dev/null\n" for i in range(self.nodes)]
        GRES.write_text(f"{MARK}\n{''.join(gpus)}")
        self.start_controller(fresh=True)
        for i in range(self.nodes):
            (self.root / f"spool.bench{i}").mkdir(exist_ok=True)
            subprocess.run(["/usr/sbin/slurmd", "-N", f"bench{i}"], check=True)
        _until(lambda: self._idle() == self.nodes, 30, "the nodes")

    def start_controller(self, fresh: bool = False) -> None:
        """Start the controller, from its saved state unless ``fresh``."""
        subprocess.run(["/usr/sbin/slurmctld", *(["-c"] if fresh else [])], check=True)
        _until(lambda: _succeeds("scontrol", "ping"), 30, "slurmctld")

    def kill_controller(self) -> None:
        """SIGKILL to the controller."""
        self._end("slurmctld", signal.SIGKILL)

    def stop(self) -> None:
        """Cancel all jobs, end the daemons that were started, remove the configuration."""
        subprocess.run(["scancel", "--full", "--me"], capture_output=True)
        for i in range(self.nodes):
            self._end(f"slurmd.bench{i}", signal.SIGTERM)
        self._end("slurmctld", signal.SIGTERM)
        if CONFIG.exists() and MARK in CONFIG.read_text():
            CONFIG.unlink()
            GRES.unlink(missing_ok=True)
        self._turn.close()

    def _idle(self) -> int:
        said = subprocess.run(["sinfo", "-h", "-N", "-o", "%t"], capture_output=True, text=True).stdout
        return sum(line.strip() in ("idle", "mix", "alloc") for line in said.splitlines())

    def _munge(self) -> None:
        if _succeeds("munge", "-n"):
            return
        run = Path("/run/munge")
        run.mkdir(mode=0o755, exist_ok=True)
        shutil.chown(run, "munge", "munge")
        key = Path("/etc/munge/munge.key")
        if not key.exists():
            key.write_bytes(os.urandom(1024))
            key.chmod(0o400)
            shutil.chown(key, "munge", "munge")
        subprocess.run(["runuser", "-u", "munge", "--", "/usr/sbin/munged"], check=True)
        _until(lambda: _succeeds("munge", "-n"), 15, "munge")

    def _end(self, name: str, number: signal.Signals) -> None:
        path = self.root / f"{name}.pid"
        if not path.exists():
            return
        pid = int(path.read_text())
        try:
            os.kill(pid, number)
            end = time.monotonic() + 15
            while time.monotonic() < end:
                os.kill(pid, 0)
                time.sleep(0.1)
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        path.unlink(missing_ok=True)
