"""Faults that clusters have, each made to happen to a small study, and what came of it.

Every fault takes a fresh copy of a study that is done up to ``quality``, has the genome encoded as batch
jobs, breaks something meanwhile, and says which shards are missing in the end and which were begun twice.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.slurm_lab import SlurmLab
from workbench import InputError, Study
from workbench.engines.losses import retry
from workbench.engines.shards import fingerprint, pending, plan_work
from workbench.engines.shards import reduce as reduce_stage
from workbench.engines.submission import cancel, live, submit
from workbench.progress import Silent
from workbench.stages.registry import STAGES
from workbench.study.config import JobConfig

STAGE = "encode"
PATIENCE = 600.0

# Put on the workers' path as ``sitecustomize``: makes chosen shards fail, hang or die, once.
HOOKS = '''
import json, os, sys, time
from pathlib import Path

def _break():
    import workbench.stages.encode as encode
    from workbench.stages.registry import STAGES
    stage = STAGES["encode"]
    rules = json.loads(Path(os.environ["BREAK_SHARDS"]).read_text())
    inner = stage.run

    def run(study, shard, progress):
        rule = rules.get(str(shard.index))
        marker = Path(os.environ["BREAK_SHARDS"] + f".{shard.index}")
        if rule and not (rule.get("once", True) and marker.exists()):
            marker.touch()
            if rule["do"] == "memory":
                raise MemoryError("made to happen")
            if rule["do"] == "error":
                raise RuntimeError("made to happen")
            if rule["do"] == "kill":
                os.kill(os.getpid(), 9)
            end = time.monotonic() + rule.get("seconds", 0)
            while rule["do"] == "sleep" and time.monotonic() < end:
                progress.advance(0)
                time.sleep(0.05)
        return inner(study, shard, progress)

    object.__setattr__(stage, "run", run)

class _Finder:
    """Breaks the stage as soon as the registry is imported; the next try is soon."""
    def find_spec(self, name, path=None, target=None):
        if name != "workbench.engines.shards":
            return None
        sys.meta_path.remove(self)
        import importlib.util
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            module.BACK_OFF = 0.1
            _break()
        spec.loader.exec_module = exec_module
        return spec

if os.environ.get("BREAK_SHARDS"):
    sys.meta_path.insert(0, _Finder())
'''


@dataclass(frozen=True)
class Outcome:
    """Shards missing in the end, and starts beyond the first of shards that are there."""

    lost: int
    repeated: int


class Trial:
    """A fresh copy of the study, on a running lab."""

    def __init__(self, template: Study, folder: Path, lab: SlurmLab) -> None:
        shutil.copytree(template.folder, folder)
        self.study, self.lab, self.folder = Study.open(folder), lab, folder
        hooks = folder.parent / f"{folder.name}-hooks"
        hooks.mkdir()
        (hooks / "sitecustomize.py").write_text(HOOKS)
        self.rules = hooks / "rules.json"
        self.rules.write_text("{}")
        path = f"{hooks}:{ROOT}"
        self.settings = JobConfig(
            scheduler="slurm", tasks=2, cpus=1, setup=[f"export PYTHONPATH={path} BREAK_SHARDS={self.rules}"]
        )

    def break_shards(self, rules: dict[int, dict[str, Any]]) -> None:
        """What happens to which shard: ``do`` is memory, error, kill or sleep; ``once`` or always."""
        self.rules.write_text(json.dumps({str(k): v for k, v in rules.items()}))

    def submit(self) -> list[str]:
        """Queue the encoding; ids of the array and of its reduction."""
        made = submit(self.study, self.settings, until=STAGE)
        assert made is not None
        return [q.job for q in made.jobs]

    def begun(self, count: int = 1) -> None:
        """Wait until so many shards are in work."""
        self.wait(lambda: len(self.study.ledger.begun(STAGE)) >= count)

    def wait(self, answer: Callable[[], bool]) -> None:
        """Wait until something holds; ``AssertionError`` with the end of the logs if it never does."""
        end = time.monotonic() + PATIENCE
        while not answer():
            assert time.monotonic() < end, self._tails()
            time.sleep(0.1)

    def ended(self) -> None:
        """Wait until no job is in the queue."""
        self.wait(lambda: live(self.study) == [])

    def outcome(self) -> Outcome:
        """What is missing, and what was done more than once."""
        stage = STAGES[STAGE]
        done = dict(self.study.ledger.finished(STAGE, fingerprint(self.study, stage)))
        repeated = sum(r.attempts - 1 for r in done.values())
        return Outcome(len(stage.shards(self.study)) - len(done), repeated)

    def _tails(self) -> str:
        logs = sorted((self.folder / "logs" / "jobs").glob("*"))
        return "\n".join(f"{p.name}: {p.read_text()[-800:]}" for p in logs)


def nothing(trial: Trial) -> None:
    """No fault."""
    trial.submit()
    trial.ended()


def cancelled_task(trial: Trial) -> None:
    """``scancel`` of one task of the array; the reduction makes its shards."""
    trial.break_shards({0: {"do": "sleep", "seconds": 60}})
    array, _ = trial.submit()
    trial.begun(1)
    trial.wait(lambda: 0 in trial.study.ledger.begun(STAGE))
    subprocess.run(["scancel", f"{array}_0"], check=True)
    trial.ended()


def killed_worker(trial: Trial) -> None:
    """A worker gets SIGKILL in the middle of a shard."""
    trial.break_shards({1: {"do": "kill"}})
    trial.submit()
    trial.ended()


def killed_driver(trial: Trial) -> None:
    """``submit`` is killed while it queues; the next one goes on."""
    # Killed between its jobs: sbatch never comes to queue the reduction.
    slow = trial.rules.parent / "bin"
    slow.mkdir()
    real, reached = shutil.which("sbatch"), slow / "reached"
    (slow / "sbatch").write_text(
        f'#!/bin/bash\n[[ "$1" != --test-only && "$*" = *reduce* ]] && touch {reached} && sleep 600\n'
        f'exec {real} "$@"\n'
    )
    (slow / "sbatch").chmod(0o755)
    command = [sys.executable, "-m", "workbench", "submit", str(trial.folder), "--until", STAGE]
    command += ["--scheduler", "slurm", "--tasks", "2", "--cpus", "1"]
    command += [a for line in trial.settings.setup for a in ("--setup", line)]
    environment = os.environ | {"PATH": f"{slow}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    trial.wait(reached.exists)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    trial.submit()
    trial.ended()


def killed_scheduler(trial: Trial) -> None:
    """The controller is killed while tasks run, and started again."""
    trial.break_shards({0: {"do": "sleep", "seconds": 14}})
    trial.submit()
    trial.begun()
    # It saves what it launched within five seconds. What it has not saved it launches again, which the nodes
    # refuse, and holds: a loss of Slurm's own.
    time.sleep(6)
    trial.lab.kill_controller()
    time.sleep(2)
    trial.lab.start_controller()
    trial.ended()


def warned_task(trial: Trial) -> None:
    """The warning before the end of a task: it stops, is queued again and goes on."""
    trial.break_shards({0: {"do": "sleep", "seconds": 60}})
    array, _ = trial.submit()
    trial.wait(lambda: 0 in trial.study.ledger.begun(STAGE))
    subprocess.run(["scancel", "--signal=USR1", "--batch", f"{array}_0"], check=True)
    trial.ended()


def preempted_task(trial: Trial) -> None:
    """A task is put back into the queue by the scheduler."""
    trial.break_shards({0: {"do": "sleep", "seconds": 60}})
    array, _ = trial.submit()
    trial.wait(lambda: 0 in trial.study.ledger.begun(STAGE))
    subprocess.run(["scontrol", "requeue", f"{array}_0"], check=True)
    trial.ended()


def out_of_memory(trial: Trial) -> None:
    """A shard does not fit into memory with the first batch."""
    trial.break_shards({2: {"do": "memory"}})
    trial.submit()
    trial.ended()


def failing_shard(trial: Trial) -> None:
    """A shard fails at first, and succeeds later."""
    trial.break_shards({3: {"do": "error"}})
    trial.submit()
    trial.ended()


def hopeless_shard(trial: Trial) -> None:
    """A shard fails every time; once the cause is mended, ``retry`` makes it alone."""
    trial.break_shards({3: {"do": "error", "once": False}})
    trial.submit()
    trial.ended()
    assert trial.outcome().lost == 1, trial.outcome()
    trial.break_shards({})
    assert retry(trial.study, ["error"]) is not None
    # It goes on to the report; this study ends with the encoding.
    stage = STAGES[STAGE]
    mark = fingerprint(trial.study, stage)
    trial.wait(lambda: trial.study.ledger.done(STAGE, None, mark) is not None)
    cancel(trial.study)
    trial.ended()


def damaged_file(trial: Trial) -> None:
    """A finished shard's file is damaged before the reduction."""
    trial.break_shards({3: {"do": "sleep", "seconds": 4}})
    trial.submit()
    stage = STAGES[STAGE]
    mark = fingerprint(trial.study, stage)
    trial.wait(lambda: trial.study.ledger.done(STAGE, 0, mark) is not None)
    name = next(iter(dict(trial.study.ledger.finished(STAGE, mark))[0].outputs))
    with (trial.folder / name).open("r+b") as handle:
        handle.seek(100)
        handle.write(b"damaged")
    trial.ended()


def written_twice(trial: Trial) -> None:
    """Two workers make the same shard at the same time (an orphan lives on after its node was lost)."""
    trial.break_shards({0: {"do": "sleep", "seconds": 2}})
    trial.submit()
    trial.wait(lambda: 0 in trial.study.ledger.begun(STAGE))
    command = [sys.executable, "-m", "workbench", "shard", str(trial.folder)]
    orphan = subprocess.Popen(
        [*command, "--stage", STAGE, "--shard", "0/5"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    trial.ended()
    assert orphan.wait() == 0


def full_disk(trial: Trial) -> None:
    """The disk of the features is full while tasks run; it is emptied, and the study submitted again."""
    features = trial.folder / "features"
    features.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(features)], check=True)
    try:
        trial.submit()
        trial.ended()
        mark = fingerprint(trial.study, STAGES[STAGE])
        kinds = {f.kind for f in trial.study.ledger.failures(STAGE, mark).values()}
        assert kinds == {"disk"}, kinds
        subprocess.run(["mount", "-o", "remount,size=64m", str(features)], check=True)
        trial.submit()
        trial.ended()
        kept = trial.rules.parent / "kept"
        shutil.copytree(features, kept)
    finally:
        subprocess.run(["umount", str(features)], check=True)
    shutil.copytree(kept, features, dirs_exist_ok=True)


def second_driver(trial: Trial) -> None:
    """A second ``submit``, and a ``run`` here, while jobs are in the queue: both are refused."""
    trial.break_shards({0: {"do": "sleep", "seconds": 4}})
    trial.submit()
    for again in (trial.submit, lambda: Study.open(trial.folder).run()):
        try:
            again()
        except InputError as error:
            assert "in the queue" in str(error), error
        else:
            raise AssertionError("a second driver was let in")
    trial.ended()


FAULTS: dict[str, Callable[[Trial], None]] = {
    f.__name__: f
    for f in (
        nothing,
        cancelled_task,
        killed_worker,
        killed_driver,
        killed_scheduler,
        warned_task,
        preempted_task,
        out_of_memory,
        failing_shard,
        hopeless_shard,
        damaged_file,
        written_twice,
        full_disk,
        second_driver,
    )
}


def suffer(name: str, template: Study, folder: Path, lab: SlurmLab) -> tuple[Study, Outcome]:
    """Make a fault happen; the study after it, and the outcome. The reduction must be done by then."""
    trial = Trial(template, folder, lab)
    FAULTS[name](trial)
    study = Study.open(folder)
    stage = STAGES[STAGE]
    assert not pending(study, plan_work(study, stage)).shards, trial._tails()
    assert study.ledger.done(STAGE, None, fingerprint(study, stage)), trial._tails()
    assert reduce_stage(study, stage, Silent()).made == 0
    return study, trial.outcome()
