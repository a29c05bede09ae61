"""Sun Grid Engine and its descendants (qsub, qstat, qdel)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from workbench.engines.schedulers.job import Entry, Job, megabytes, script, seconds
from workbench.engines.schedulers.scheduler import ask, ranges, refuse_qos
from workbench.errors import InputError


class SGE:
    """Grid Engine. Array indices start at 1; exit status 99 has a task queued again."""

    name = "sge"
    program = "qsub"

    def render(self, job: Job) -> str:
        s = job.settings
        refuse_qos(self.name, s.qos)
        options = [f"-N {job.name}", "-S /bin/bash", "-cwd", "-j y", f"-o {job.logs}/"]
        options += ["-r y", "-notify"]
        options += [f"-t 1-{job.tasks}"] if job.tasks else []
        options += [f"-tc {s.max_running}"] if job.tasks and s.max_running else []
        options += [f"-pe smp {s.cpus}"] if s.cpus > 1 else []
        options += [f"-l gpu={job.gpus}"] if job.gpus else []
        # The memory limit counts a slot, not a job.
        options += [f"-l h_vmem={-(-megabytes(s.memory) // s.cpus)}M"] if s.memory else []
        options += [f"-l h_rt={seconds(s.time)}"] if s.time else []
        options += [f"-q {s.partition}"] if s.partition else []
        options += [f"-P {s.account}"] if s.account else []
        options += [f"-l {s.constraint}"] if s.constraint else []
        options += [f"-M {s.mail}", f"-m {'ae' if job.last else 'a'}"] if s.mail else []
        lines = [f"#$ {option}" for option in [*options, *s.extra]]
        return script(job, lines, "$((SGE_TASK_ID - 1))", ["exit 99"])

    def avoid(self, hosts: Sequence[str]) -> list[str]:
        return [f"-l h=!({'|'.join(hosts)})"] if hosts else []

    def check(self, script: Path) -> None:
        named = re.search(r"^#\$ -q (\S+)$", script.read_text(), re.MULTILINE)
        if named:
            ask("qconf", "-sq", named.group(1).split("@")[0])
        else:
            ask("qconf", "-sql")

    def limit(self) -> int | None:
        found = re.search(r"max_aj_tasks\s+(\d+)", ask("qconf", "-sconf"))
        return int(found.group(1)) or None if found else None

    def commands(
        self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()
    ) -> list[list[str]]:
        options = ["-hold_jid", ",".join(after)] if after else []
        # One option takes one range, so a list with gaps becomes several jobs.
        spans = [["-t", span] for span in ranges([t + 1 for t in tasks]).split(",")] if tasks else [[]]
        return [["qsub", "-terse", *options, *span, str(script)] for span in spans]

    def submit(self, script: Path, name: str, after: Sequence[str], tasks: Sequence[int] = ()) -> str:
        commands = self.commands(script, name, after, tasks)
        return ",".join(ask(*command).strip().split(".")[0] for command in commands)

    def queue(self, jobs: Sequence[str]) -> list[Entry] | None:
        if not jobs:
            return []
        try:
            tree = ElementTree.fromstring(ask("qstat", "-g", "d", "-xml"))
        except (InputError, ElementTree.ParseError):
            return None
        entries = []
        for each in tree.iter("job_list"):
            number = each.findtext("JB_job_number", "")
            job = next((j for j in jobs if number in j.split(",")), None)
            if job is None:
                continue
            task, state = each.findtext("tasks", ""), each.findtext("state", "")
            kind = "running" if "r" in state else "pending"
            entries.append(Entry(job, int(task) - 1 if task.isdigit() else None, kind, state))
        return entries

    def cancel(self, jobs: Sequence[str]) -> None:
        ask("qdel", *(number for job in jobs for number in job.split(",")))

    def account(self, jobs: Sequence[str]) -> dict[str, str] | None:
        return None
