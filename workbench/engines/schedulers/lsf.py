"""IBM Spectrum LSF (bsub, bjobs, bkill)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from workbench.engines.schedulers.job import Entry, Job, megabytes, script, seconds
from workbench.engines.schedulers.scheduler import ask, ranges, refuse_qos
from workbench.errors import InputError
from workbench.interruption import EXIT

STATES = {"PEND": "pending", "PSUSP": "pending", "RUN": "running", "SSUSP": "running"}


class LSF:
    """LSF. Array indices start at 1; a task that exits with 85 is queued again by LSF itself."""

    name = "lsf"
    program = "bsub"

    def render(self, job: Job) -> str:
        s = job.settings
        refuse_qos(self.name, s.qos)
        at_most = f"%{s.max_running}" if s.max_running else ""
        name = f"{job.name}[1-{job.tasks}]{at_most}" if job.tasks else job.name
        log = "%J_%I.log" if job.tasks else "%J.log"
        minutes = max(1, -(-s.warning // 60))
        options = [
            f'-J "{name}"',
            f"-o {job.logs}/{job.name}.{log}",
            "-r",
            f"-Q {EXIT}",
            f"-n {s.cpus}",
            '-R "span[hosts=1]"',
        ]
        options += [f"-M {megabytes(s.memory)}MB"] if s.memory else []
        options += [f'-gpu "num={job.gpus}"'] if job.gpus else []
        if s.time:
            total = seconds(s.time)
            options += [f"-W {total // 3600}:{total // 60 % 60:02d}", f"-wa USR1 -wt {minutes}"]
        options += [f"-q {s.partition}"] if s.partition else []
        options += [f"-P {s.account}"] if s.account else []
        options += [f'-R "select[{s.constraint}]"'] if s.constraint else []
        # LSF tells of ends alone, good or bad.
        options += [f"-u {s.mail}", "-N"] if s.mail and job.last else []
        lines = [f"#BSUB {option}" for option in [*options, *s.extra]]
        return script(job, lines, "$((LSB_JOBINDEX - 1))", [": # -Q queues it again"])

    def avoid(self, hosts: Sequence[str]) -> list[str]:
        others = " && ".join(f"hname!='{host}'" for host in hosts)
        return [f'-R "select[{others}]"'] if hosts else []

    def check(self, script: Path) -> None:
        named = re.search(r"^#BSUB -q (\S+)$", script.read_text(), re.MULTILINE)
        ask("bqueues", *([named.group(1)] if named else []))

    def limit(self) -> int | None:
        found = re.search(r"MAX_JOB_ARRAY_SIZE\s*=\s*(\d+)", ask("bparams", "-a"))
        return int(found.group(1)) if found else None

    def commands(
        self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()
    ) -> list[list[str]]:
        options = ["-w", " && ".join(f"ended({job})" for job in after)] if after else []
        if tasks:
            options += ["-J", f"{name}[{ranges([t + 1 for t in tasks])}]"]
        # The script comes on standard input.
        return [["bsub", *options]]

    def submit(self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()) -> str:
        (command,) = self.commands(script, name, after, tasks)
        said = ask(*command, given=script.read_text())
        found = re.search(r"Job <(\d+)>", said)
        if not found:
            raise InputError(f"`bsub` answered {said.strip()!r}, expected Job <number>")
        return found.group(1)

    def queue(self, jobs: Sequence[str]) -> list[Entry] | None:
        if not jobs:
            return []
        try:
            text = ask("bjobs", "-noheader", "-o", "jobid jobindex stat delimiter='|'")
        except InputError as error:
            return [] if "No unfinished job" in str(error) else None
        entries = []
        for line in text.splitlines():
            cells = line.strip().split("|")
            if len(cells) == 3 and cells[0] in jobs and cells[2] in STATES:
                task = int(cells[1]) - 1 if cells[1].isdigit() and int(cells[1]) else None
                entries.append(Entry(cells[0], task, STATES[cells[2]], ""))
        return entries

    def cancel(self, jobs: Sequence[str]) -> None:
        ask("bkill", *jobs)

    def account(self, jobs: Sequence[str]) -> dict[str, str] | None:
        return None
