"""Commands for batch jobs: submit, watch, retry, read logs, cancel."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from genomic_models.errors import ModelError
from workbench.cli.estimate import on_paper, probed
from workbench.cli.remote_code import RemoteCode, announce_code
from workbench.cli.tables import show
from workbench.errors import InputError
from workbench.files.settings import sentence
from workbench.progress import Progress, showing
from workbench.study.config import JobConfig, ModelConfig
from workbench.study.failures import KINDS
from workbench.study.ledger import read_events
from workbench.study.manifest import installed
from workbench.study.study import CONFIG, Study
from workbench.study.trust import refuse_untrusted, risky_jobs, risky_model
from workbench.wording import visible

if TYPE_CHECKING:
    from workbench.engines.submission import Rendered
    from workbench.engines.survey import Standing

Folder = Annotated[Path, typer.Argument(help="Folder of the study.", metavar="DIR")]


def submit(
    folder: Folder,
    scheduler: Annotated[str | None, typer.Option(help=sentence(JobConfig, "scheduler"))] = None,
    tasks: Annotated[int | None, typer.Option(help=sentence(JobConfig, "tasks"))] = None,
    max_running: Annotated[int | None, typer.Option(help=sentence(JobConfig, "max_running"))] = None,
    partition: Annotated[str | None, typer.Option(help=sentence(JobConfig, "partition"))] = None,
    account: Annotated[str | None, typer.Option(help=sentence(JobConfig, "account"))] = None,
    qos: Annotated[str | None, typer.Option(help=sentence(JobConfig, "qos"))] = None,
    constraint: Annotated[str | None, typer.Option(help=sentence(JobConfig, "constraint"))] = None,
    mail: Annotated[str | None, typer.Option(help=sentence(JobConfig, "mail"))] = None,
    time: Annotated[str | None, typer.Option(help=sentence(JobConfig, "time"))] = None,
    mem: Annotated[str | None, typer.Option(help=sentence(JobConfig, "memory"))] = None,
    cpus: Annotated[int | None, typer.Option(help=sentence(JobConfig, "cpus"))] = None,
    gpus: Annotated[int | None, typer.Option(help=sentence(JobConfig, "gpus"))] = None,
    warning: Annotated[int | None, typer.Option(help=sentence(JobConfig, "warning"))] = None,
    setup: Annotated[
        list[str] | None, typer.Option(help="Shell line run first in every job. Repeatable.")
    ] = None,
    extra: Annotated[
        list[str] | None, typer.Option(help="Option passed to the scheduler, as --nice=100. Repeatable.")
    ] = None,
    python: Annotated[str | None, typer.Option(help="Python of the workers; default: this.")] = None,
    container: Annotated[str | None, typer.Option(help=sentence(JobConfig, "container"))] = None,
    scratch: Annotated[str | None, typer.Option(help=sentence(JobConfig, "scratch"))] = None,
    until: Annotated[str | None, typer.Option(help="Stop after this stage.")] = None,
    experiment: Annotated[
        str, typer.Option(help="Queue this experiment of a finished study (`workbench experiments`).")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print scripts and the commands that queue them.")
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Print hours, merges, files, disk, by a probe here; on paper for an Evo that cannot run.",
        ),
    ] = False,
) -> None:
    """Queue a study on a cluster: an array of jobs for each stage, and a job that merges it.

    What is not given is taken from [jobs] in study.toml. Inputs are checked here first (stage plan). Run it
    again after anything went wrong: only what is missing is queued.
    """
    from workbench.engines import submission  # PyTorch
    from workbench.engines.local import run  # PyTorch

    study = Study.open(folder)
    given: dict[str, Any] = {
        "scheduler": scheduler,
        "tasks": tasks,
        "max_running": max_running,
        "partition": partition,
        "account": account,
        "qos": qos,
        "constraint": constraint,
        "mail": mail,
        "time": time,
        "memory": mem,
        "cpus": cpus,
        "gpus": gpus,
        "warning": warning,
        "setup": setup,
        "extra": extra,
        "python": python,
        "container": container,
        "scratch": scratch,
    }
    own = study.config.jobs
    # What is typed here is the user's word already.
    typed = {key: type(getattr(own, key))() for key in given if given[key] is not None}
    refuse_untrusted(study.folder, risky_jobs(replace(own, **typed)))
    settings = replace(own, **{k: v for k, v in given.items() if v is not None})
    replace(study.config, jobs=settings).check()
    if estimate and on_paper(study, settings):
        return
    if not study.planned:
        with showing() as progress:
            run(_on_a_login_node(folder, progress), until="plan", progress=progress)
    if estimate:
        probed(study, settings)
        return
    if dry_run:
        _dry_run(study, submission.render(study, settings, until, experiment))
        return
    _announce(study, submission.submit(study, settings, until=until, experiment=experiment))


def _on_a_login_node(folder: Path, progress: Progress) -> Study:
    """The study to be planned; its model on the CPU where its device is on the workers alone."""
    from genomic_models.registry import check_device  # PyTorch

    study = Study.open(folder)
    try:
        check_device(study.device)
    except ModelError:
        if not study.device.startswith("cuda"):
            raise
        progress.say(f"no {study.device} here: the model is checked on the CPU")
        study.device = "cpu"
    return study


def _dry_run(study: Study, found: list[Rendered]) -> None:
    """Print every script, then the commands that would queue them, the jobs numbered in order."""
    if not found:
        print(_nothing(study))
        return
    for job in found:
        print(f"# ---- {job.name}\n{job.script}")
    print("# Queued in this order, each when the one before has ended:")
    for i, job in enumerate(found, 1):
        for command in job.commands:
            print(f"# JOB{i}: {command}")


def _nothing(study: Study) -> str:
    return f"nothing left to do; report: {study.folder / 'report.html'}"


def doctor(
    folder: Annotated[
        Path, typer.Argument(help="A study, or the folder where studies will be.", metavar="DIR")
    ] = Path(),
    scheduler: Annotated[str, typer.Option(help="Scheduler to look for.")] = "",
    model: Annotated[str, typer.Option(help="Model to load; default: the study's, or mini.")] = "",
    device: Annotated[str, typer.Option(help="Device to load it to.")] = "",
    trust_remote_code: RemoteCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False,
) -> None:
    """Check environment, scheduler, GPU, disk, locking and model before hours are spent.

    Exit status 1 if a check failed.
    """
    from workbench.engines.doctor import examine  # PyTorch

    settings = Study.open(folder).config.model if (folder / CONFIG).exists() else ModelConfig()
    if model:
        # Agreement with a study's code says nothing of another model's.
        settings = replace(settings, name=model, trust_remote_code=trust_remote_code)
        announce_code(model, trust_remote_code)
    else:
        refuse_untrusted(folder, risky_model(settings))
    settings = replace(settings, device=device or settings.device)
    marks = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}
    failed = False
    for finding in examine(folder, settings, scheduler):
        failed |= finding.state == "failed"
        if as_json:
            print(json.dumps(asdict(finding)))
            continue
        advice = f"; {finding.advice}" if finding.advice else ""
        said = visible(f" {finding.check}: {finding.found}{advice}")
        Console(soft_wrap=True).print(Text.assemble(marks[finding.state], said))
    if failed:
        raise typer.Exit(1)


def _announce(study: Study, made: Any) -> None:
    if made is None:
        print(_nothing(study))
        return
    for queued in made.jobs:
        size = f", {queued.tasks} tasks" if queued.tasks else ""
        print(f"{queued.job}  {queued.stage} {queued.kind}{size}")
    print(f"watch: workbench status {study.folder} --watch")


def retry(
    folder: Folder,
    only: Annotated[str, typer.Option(help="Kinds of failure, as oom,timeout; default: all.")] = "",
) -> None:
    """Queue shards that failed or were lost again, with the last settings."""
    from workbench.engines import losses  # PyTorch
    from workbench.engines.survey import survey  # PyTorch

    kinds = [k.strip() for k in only.split(",") if k.strip()]
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"--only {kind}: expected kinds among {', '.join(KINDS)}")
    study = Study.open(folder)
    made = losses.retry(study, kinds)
    if made is None and any(s.state != "done" for s in survey(study)):
        print(f"no such shard failed or was lost; what is missing: workbench submit {study.folder}")
        return
    _announce(study, made)


def cancel(folder: Folder) -> None:
    """End all jobs of the study, waiting or running. Finished shards are kept."""
    from workbench.engines import submission  # PyTorch

    ended = submission.cancel(Study.open(folder))
    print(f"cancelled {', '.join(ended)}" if ended else "no jobs of this study are in the queue")


def logs(
    folder: Folder,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only failures, with their tracebacks.")] = False,
    last: Annotated[int, typer.Option("--last", "-n", help="Lines from the end.", min=1)] = 30,
) -> None:
    """Show what happened: a line for each shard; failures with the last lines their jobs printed."""
    study = Study.open(folder)
    events = [
        e
        for e in read_events(study.folder)
        if stage in (None, e.stage) and (not failed or e.event == "failed")
    ]
    for e in events[-last:]:
        shard = "" if e.shard is None else f" {e.shard}"
        took = "" if e.seconds is None else f" in {e.seconds:.1f} s"
        job = f" job {e.job}" if e.job else ""
        said = f"{e.time} {e.host}{job} {e.stage}{shard} {e.event}{took}"
        print(visible(": ".join(part for part in (said, e.kind, e.cause) if part)))
        if failed and e.trace:
            print("    " + visible(e.trace).rstrip().replace("\n", "\n    "))
    if failed:
        for path in _last_logs(study, stage):
            lines = path.read_text(errors="replace").splitlines()[-8:]
            print(f"{path}:")
            print("".join(f"    {visible(line)}\n" for line in lines), end="")


def _last_logs(study: Study, stage: str | None) -> list[Path]:
    """Output of the newest few jobs."""
    folder = study.folder / "logs" / "jobs"
    found = [p for p in folder.glob("wb-*") if stage is None or p.name.startswith(f"wb-{stage}")]
    return sorted(found, key=lambda p: p.stat().st_mtime)[-3:]


def status(
    folder: Folder,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every 5 s until done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show stages, shards done, throughput, time left, failures by kind, and jobs in the queue.

    Files are read first, then the queue, then accounting if there is any; works on any login node.
    """
    from workbench.engines import losses, submission  # PyTorch
    from workbench.engines.survey import survey  # PyTorch

    while True:
        study = Study.open(folder)
        stages = survey(study)
        queue = submission.live(study)
        lost = losses.lost(study)
        hours = gpu_hours(study, stages)
        if as_json:
            values = {
                "study": str(folder),
                "stages": [s._asdict() | {"lost": lost.get(s.stage, {})} for s in stages],
                "queue": None if queue is None else [e._asdict() for e in queue],
                "gpu_hours": hours,
            }
            print(json.dumps(values))
        else:
            _show(stages, lost)
            for line in _queue_lines(study, queue, hours, all(s.state == "done" for s in stages)):
                print(line)
        if not watch or all(s.state == "done" for s in stages):
            return
        time.sleep(5)


def gpu_hours(study: Study, stages: list[Standing]) -> float:
    """Hours of GPUs that finished shards took, by the settings of the last submission."""
    from workbench.engines.submission import submissions  # PyTorch
    from workbench.stages.registry import STAGES  # PyTorch

    made = submissions(study)
    gpus = made[-1].settings.gpus if made else 0
    busy = sum(s.seconds for s in stages if STAGES[s.stage].model)
    return round(gpus * busy / 3600, 3)


def _show(stages: list[Standing], lost: dict[str, dict[int, str]]) -> None:
    rows = []
    for s in stages:
        gone = Counter(lost.get(s.stage, {}).values())
        failures = [f"{n} × {cause}" for cause, n in s.failures.items()]
        failures += [f"{n} × {kind}" for kind, n in gone.items()]
        if s.repeated:
            failures.append(f"{s.repeated} repeated")
        working = len(s.begun) - sum(gone.values())
        rows.append(
            (
                s.stage,
                s.state,
                f"{s.done}/{s.shards}" if s.shards else "",
                f"{working}" if working else "",
                f"{s.seconds:,.1f}" if s.done else "",
                f"{s.rate:,.0f}" if s.rate else "",
                f"{s.seconds_left / max(1, working):,.0f} s" if s.seconds_left else "",
                "; ".join(failures),
            )
        )
    show(("stage", "state", "shards", "in work", "seconds", "per s", "left", "failures"), rows)


def _queue_lines(study: Study, queue: Any, hours: float, done: bool) -> list[str]:
    """What the queue holds and, where it is empty before all is done, the ways out."""
    from workbench.engines.submission import submissions  # PyTorch

    if not submissions(study):
        return []
    if queue is None:
        return ["queue: the scheduler does not answer here; what the files say stands above"]
    states = Counter(e.state for e in queue)
    said = ", ".join(f"{n} {state}" for state, n in states.items()) or "empty"
    reasons = Counter(e.reason for e in queue if e.state == "pending" and e.reason)
    why = f" ({', '.join(reasons)})" if reasons else ""
    spent = f"; {hours:,.2f} GPU hours" if hours else ""
    found = [f"queue: {said}{why}{spent}"]
    if not queue and not done:
        at = study.folder
        found += [f"not done, and nothing is queued; why: workbench logs {at} --failed"]
        found += [
            f"all that is missing: workbench submit {at}; what failed or was lost: workbench retry {at}"
        ]
    return found


def versions() -> None:
    """Print the versions that numbers depend on, as JSON."""
    import torch  # noqa: F401 (heavy; one that cannot be loaded is found out before anything is queued)

    print(json.dumps(installed()))
