"""Slurm (sbatch, squeue, scancel; sacct where there is accounting)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from workbench.engines.schedulers.job import Entry, Job, script
from workbench.engines.schedulers.scheduler import ask, ranges
from workbench.errors import InputError

STATES = {"PENDING": "pending", "RUNNING": "running", "COMPLETING": "ending"}


class Slurm:
    """Slurm."""

    name = "slurm"
    program = "sbatch"

    def render(self, job: Job) -> str:
        s = job.settings
        at_most = f"%{s.max_running}" if s.max_running else ""
        log = "%x.%A_%a.log" if job.tasks else "%x.%j.log"
        options = [
            f"--job-name={job.name}",
            f"--output={job.logs}/{log}",
            "--open-mode=append",
            "--requeue",
            f"--signal=B:USR1@{s.warning}",
            f"--cpus-per-task={s.cpus}",
        ]
        options += [f"--array=0-{job.tasks - 1}{at_most}"] if job.tasks else []
        options += [f"--gpus={job.gpus}"] if job.gpus else []
        options += [
            f"--{option}={value}"
            for option, value in (
                ("partition", s.partition),
                ("account", s.account),
                ("qos", s.qos),
                ("constraint", s.constraint),
                ("mail-user", s.mail),
                ("mail-type", s.mail and ("END,FAIL" if job.last else "FAIL")),
                ("time", s.time),
                ("mem", s.memory),
            )
            if value
        ]
        again = (
            'scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"'
            if job.tasks
            else 'scontrol requeue "$SLURM_JOB_ID"'
        )
        lines = [f"#SBATCH {option}" for option in [*options, *s.extra]]
        return script(job, lines, "$SLURM_ARRAY_TASK_ID", [again])

    def avoid(self, hosts: Sequence[str]) -> list[str]:
        return [f"--exclude={','.join(hosts)}"] if hosts else []

    def check(self, script: Path) -> None:
        ask("sbatch", "--test-only", str(script))

    def limit(self) -> int | None:
        found = re.search(r"MaxArraySize\s*=\s*(\d+)", ask("scontrol", "show", "config"))
        # The limit is on the index, which starts at 0.
        return int(found.group(1)) - 1 if found else None

    def commands(
        self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()
    ) -> list[list[str]]:
        options = [f"--dependency=afterany:{':'.join(after)}"] if after else []
        options += [f"--array={ranges(tasks)}"] if tasks else []
        return [["sbatch", "--parsable", *options, str(script)]]

    def submit(self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()) -> str:
        (command,) = self.commands(script, name, after, tasks)
        return ask(*command).strip().split(";")[0]

    def queue(self, jobs: Sequence[str]) -> list[Entry] | None:
        if not jobs:
            return []
        try:
            # A job id that Slurm has forgotten makes `-j` fail, so that the user's whole queue is read.
            text = ask("squeue", "--me", "-h", "-r", "-o", "%F|%K|%T|%r")
        except InputError:
            return None
        entries = []
        for line in text.splitlines():
            job, task, state, reason = line.strip().split("|", 3)
            if job in jobs:
                index = int(task) if task.isdigit() else None
                entries.append(Entry(job, index, STATES.get(state, "pending"), reason))
        return entries

    def cancel(self, jobs: Sequence[str]) -> None:
        ask("scancel", *jobs)

    def account(self, jobs: Sequence[str]) -> dict[str, str] | None:
        if not jobs:
            return {}
        try:
            text = ask("sacct", "-X", "-n", "-P", "-o", "JobID,State", "-j", ",".join(jobs))
        except InputError:
            return None
        pairs = (line.split("|") for line in text.splitlines() if "|" in line)
        return {job: state.split()[0] for job, state in pairs}
