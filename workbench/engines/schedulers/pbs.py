"""PBS Professional, OpenPBS and Torque (qsub, qstat, qdel)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from workbench.engines.schedulers.job import Entry, Job, megabytes, script, seconds
from workbench.engines.schedulers.scheduler import ask, ranges, refuse_qos
from workbench.errors import InputError

STATES = {"Q": "pending", "H": "pending", "W": "pending", "R": "running", "E": "ending"}


def _clock(time: str) -> str:
    total = seconds(time)
    return f"{total // 3600}:{total // 60 % 60:02d}:{total % 60:02d}"


class PBS:
    """PBS Professional and OpenPBS."""

    name = "pbs"
    program = "qsub"
    task = "${PBS_ARRAY_INDEX:-0}"

    def resources(self, job: Job) -> list[str]:
        """The ``-l`` options."""
        s = job.settings
        refuse_qos(self.name, s.qos)
        chunk = f"select=1:ncpus={s.cpus}"
        chunk += f":ngpus={job.gpus}" if job.gpus else ""
        chunk += f":mem={megabytes(s.memory)}mb" if s.memory else ""
        chunk += f":{s.constraint}" if s.constraint else ""
        return [f"-l {chunk}"]

    def array(self, tasks: int, at_most: int) -> list[str]:
        """The option of an array; PBS knows no array of one task."""
        limit = f"%{at_most}" if at_most else ""
        return [f"-J 0-{tasks - 1}{limit}"] if tasks > 1 else []

    def render(self, job: Job) -> str:
        s = job.settings
        options = [f"-N {job.name}", "-j oe", f"-o {job.logs}/", "-r y", *self.resources(job)]
        options += self.array(job.tasks, s.max_running)
        options += [f"-l walltime={_clock(s.time)}"] if s.time else []
        options += [f"-q {s.partition}"] if s.partition else []
        options += [f"-A {s.account}"] if s.account else []
        options += [f"-M {s.mail}", f"-m {'ae' if job.last else 'a'}"] if s.mail else []
        lines = [f"#PBS {option}" for option in [*options, *s.extra]]
        return script(job, lines, self.task, ['qrerun "$PBS_JOBID"'])

    def avoid(self, hosts: Sequence[str]) -> list[str]:
        # Neither PBS has an option for it: a chunk can only name the host that it wants.
        return []

    def check(self, script: Path) -> None:
        named = re.search(r"^#PBS -q (\S+)$", script.read_text(), re.MULTILINE)
        if named:
            ask("qstat", "-Q", named.group(1))
        else:
            ask("qstat", "-Q")

    def limit(self) -> int | None:
        found = re.search(r"max_array_size\s*=\s*(\d+)", ask("qstat", "-B", "-f"))
        return int(found.group(1)) if found else None

    def commands(
        self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()
    ) -> list[list[str]]:
        options = ["-W", f"depend=afterany:{':'.join(after)}"] if after else []
        if len(tasks) > 1:
            options += [self.array(2, 0)[0].split()[0], ranges(tasks)]
        elif tasks:
            options += ["-v", f"{self.task[2:].split(':')[0]}={tasks[0]}"]
        return [["qsub", *options, str(script)]]

    def submit(self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()) -> str:
        (command,) = self.commands(script, name, after, tasks)
        return ask(*command).strip()

    def queue(self, jobs: Sequence[str]) -> list[Entry] | None:
        if not jobs:
            return []
        try:
            text = ask("qstat", "-t", "-f", "-F", "json")
        except InputError:
            return None
        try:
            found = json.loads(text or "{}").get("Jobs", {})
        except json.JSONDecodeError:
            return None
        entries = []
        for name, values in found.items():
            index = re.match(r"(\d+)\[(\d+)\]", name)
            job = next((j for j in jobs if _number(j) == _number(name)), None)
            if job is None or (index is None and "[]" in name):
                continue
            state = STATES.get(values.get("job_state", "Q"))
            if state:
                task = int(index.group(2)) if index else None
                entries.append(Entry(job, task, state, values.get("comment", "")))
        return entries

    def cancel(self, jobs: Sequence[str]) -> None:
        ask("qdel", *jobs)

    def account(self, jobs: Sequence[str]) -> dict[str, str] | None:
        return None


class Torque(PBS):
    """Torque: other names for arrays and resources."""

    name = "torque"
    task = "${PBS_ARRAYID:-0}"

    def resources(self, job: Job) -> list[str]:
        s = job.settings
        gpus = f":gpus={job.gpus}" if job.gpus else ""
        memory = [f"-l mem={megabytes(s.memory)}mb"] if s.memory else []
        node = f":{s.constraint}" if s.constraint else ""
        qos = [f"-l qos={s.qos}"] if s.qos else []
        return [f"-l nodes=1:ppn={s.cpus}{gpus}{node}", *memory, *qos]

    def array(self, tasks: int, at_most: int) -> list[str]:
        limit = f"%{at_most}" if at_most else ""
        return [f"-t 0-{tasks - 1}{limit}"]

    def queue(self, jobs: Sequence[str]) -> list[Entry] | None:
        if not jobs:
            return []
        try:
            text = ask("qstat", "-t")
        except InputError:
            return None
        entries = []
        for line in text.splitlines():
            cells = line.split()
            index = re.match(r"(\d+)(?:\[(\d+)\])?", cells[0]) if len(cells) >= 6 else None
            if index is None:
                continue
            job = next((j for j in jobs if _number(j) == index.group(1)), None)
            state = STATES.get(cells[4])
            if job and state:
                task = int(index.group(2)) if index.group(2) else None
                entries.append(Entry(job, task, state, ""))
        return entries


def _number(job: str) -> str:
    return re.split(r"[\[.]", job)[0]
