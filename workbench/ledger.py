"""What is done: one small JSON file a shard, written after the shard's outputs are whole.

Finished work is known by these files alone, never by a log or a scheduler. Each carries the fingerprint of
everything that the shard was made from, so that a changed setting makes it stale, and the size and SHA-256
of the files that it wrote, so that a damaged one is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from workbench.atomic import write_atomic
from workbench.errors import InputError
from workbench.failures import InvalidShard

LOG = "run.jsonl"

JOB_VARIABLES = (
    ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", 0),
    ("SLURM_JOB_ID", "", 0),
    ("PBS_JOBID", "PBS_ARRAY_INDEX", 0),
    ("PBS_JOBID", "PBS_ARRAYID", 0),
    ("LSB_JOBID", "LSB_JOBINDEX", 1),
    ("JOB_ID", "SGE_TASK_ID", 1),
)
"""Where schedulers put the number of the job and the index in its array, and what the first index is."""


@dataclass(frozen=True)
class Done:
    """Record of a finished shard; ``outputs`` maps a path in the study to its bytes and SHA-256."""

    fingerprint: str
    seconds: float
    bases: int
    attempts: int = 1
    host: str = ""
    outputs: dict[str, list[Any]] = field(default_factory=dict)

    def verify(self, folder: Path) -> None:
        """Read every output again; raises ``InvalidShard`` for one that is not what was written."""
        for name, (size, digest) in self.outputs.items():
            path = folder / name
            if not path.exists():
                raise InvalidShard(f"{name} is missing")
            if path.stat().st_size != size or _sha256(path) != digest:
                raise InvalidShard(f"{name} is not the file that was written")


class Begun(NamedTuple):
    """Record of a shard in work: how often it was begun, where, when (this host's clock), by which job."""

    attempts: int
    host: str
    pid: int
    job: str
    time: float


class Failure(NamedTuple):
    """Why a shard failed: a kind of ``failures.KINDS``, one line, the traceback, and where."""

    kind: str
    cause: str
    trace: str
    host: str = ""


class Ledger:
    """Records of begun, done and failed shards of all stages of a study, under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, stage: str, shard: int | None, kind: str) -> Path:
        name = stage if shard is None else f"{shard:05d}"
        parent = self.folder if shard is None else self.folder / stage
        return parent / f"{name}.{kind}.json"

    def _names(self, stage: str, kind: str) -> Iterator[tuple[int, Path]]:
        folder = self.folder / stage
        ending = f".{kind}.json"
        try:
            entries = os.scandir(folder)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                if entry.name.endswith(ending) and entry.name[0].isdigit():
                    yield int(entry.name.split(".")[0]), Path(entry.path)

    def done(self, stage: str, shard: int | None, fingerprint: str) -> Done | None:
        """The record of a shard (None: of the whole stage) if it is done and not stale."""
        record = _read(self._path(stage, shard, "done"), Done)
        return record if record is not None and record.fingerprint == fingerprint else None

    def finished(self, stage: str, fingerprint: str) -> Iterator[tuple[int, Done]]:
        """Finished shards that are not stale, one after another, in no order."""
        for shard, path in self._names(stage, "done"):
            record = _read(path, Done)
            if record is not None and record.fingerprint == fingerprint:
                yield shard, record

    def begun(self, stage: str) -> dict[int, Begun]:
        """Shards that were begun and have not ended, by shard: in work, or lost."""
        found = {}
        for shard, path in self._names(stage, "run"):
            record = _read(path, Begun)
            if record is not None:
                found[shard] = record
        return found

    def begin(self, stage: str, shard: int) -> None:
        """Note that a shard is in work here, and how often it was begun."""
        path = self._path(stage, shard, "run")
        before = _read(path, Begun) or _read(self._path(stage, shard, "err"), _Tried)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = Begun(
            (before.attempts if before else 0) + 1,
            platform.node(),
            os.getpid(),
            _job(),
            time.time(),
        )
        with write_atomic(path) as temporary:
            temporary.write_text(json.dumps(record._asdict()))

    def mark(
        self,
        stage: str,
        shard: int | None,
        fingerprint: str,
        seconds: float,
        bases: int = 0,
        outputs: Iterable[Path] = (),
    ) -> None:
        """Record a shard as done, with the hashes of its ``outputs``, which must be in place already."""
        path = self._path(stage, shard, "done")
        path.parent.mkdir(parents=True, exist_ok=True)
        root = self.folder.parent
        begun = _read(self._path(stage, shard, "run"), Begun)
        record = {
            "fingerprint": fingerprint,
            "seconds": round(seconds, 3),
            "bases": bases,
            "attempts": begun.attempts if begun else 1,
            "host": platform.node(),
            "outputs": {
                str(p.relative_to(root)): [p.stat().st_size, _sha256(p)]
                for p in sorted(set(outputs))
                if p.is_relative_to(root) and p.exists()
            },
        }
        with write_atomic(path) as temporary:
            temporary.write_text(json.dumps(record))
        for kind in ("err", "run"):
            self._path(stage, shard, kind).unlink(missing_ok=True)
        rate = {"per_second": round(bases / seconds, 1)} if bases and seconds > 0 else {}
        self.event("done", stage, shard, seconds=record["seconds"], bases=bases, **rate)

    def fail(self, stage: str, shard: int | None, kind: str, cause: str, trace: str = "") -> None:
        """Record why a shard failed."""
        path = self._path(stage, shard, "err")
        begun = _read(self._path(stage, shard, "run"), Begun)
        record = {
            "kind": kind,
            "cause": cause,
            "trace": trace,
            "host": platform.node(),
            "attempts": begun.attempts if begun else 1,
        }
        # The disk may be what failed: the error itself must come through, with or without its record.
        with suppress(OSError, InputError):
            self.event("failed", stage, shard, kind=kind, cause=cause, trace=trace)
            with write_atomic(path) as temporary:
                temporary.write_text(json.dumps(record))
            self._path(stage, shard, "run").unlink(missing_ok=True)

    def failures(self, stage: str) -> dict[int | None, Failure]:
        """Failed shards (None: the reduction), by shard."""
        found: dict[int | None, Failure] = {}
        for shard, path in [
            *sorted(self._names(stage, "err")),
            (None, self._path(stage, None, "err")),
        ]:
            failure = _read(path, Failure)
            if failure is not None:
                found[shard] = failure
        return found

    def drop(self, stage: str, shard: int) -> None:
        """Forget one shard and the reduction over it, so that both run again."""
        for kind in ("done", "err", "run"):
            self._path(stage, shard, kind).unlink(missing_ok=True)
        self._path(stage, None, "done").unlink(missing_ok=True)

    def forget(self, stage: str) -> None:
        """Drop the records of a stage, so that it runs again."""
        for path in [*(self.folder / stage).glob("*.json"), *self.folder.glob(f"{stage}.*.json")]:
            path.unlink(missing_ok=True)

    def event(self, event: str, stage: str = "", shard: int | None = None, **detail: Any) -> None:
        """Append a line of JSON, with time, host, process and job, to the study's log."""
        path = self.folder.parent / "logs" / LOG
        path.parent.mkdir(parents=True, exist_ok=True)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "host": platform.node(),
            "pid": os.getpid(),
            "job": _job(),
            "event": event,
            "stage": stage,
            "shard": shard,
        } | detail
        # One write of one line in append mode: lines of several processes do not mix.
        with path.open("a") as handle:
            handle.write(json.dumps(line) + "\n")


def read_events(folder: Path) -> list[dict[str, Any]]:
    """All lines of a study's log, oldest first; a torn last line is left out."""
    path = folder / "logs" / LOG
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


class _Tried(NamedTuple):
    """How often a failed shard was tried."""

    attempts: int


def _job() -> str:
    """The scheduler's job that this process belongs to, as ``JOB`` or ``JOB_TASK``; empty for none."""
    for job, index, first in JOB_VARIABLES:
        number = re.match(r"\d+", os.environ.get(job, ""))
        if number is None:
            continue
        task = os.environ.get(index, "")
        # PBS has two names for the index; LSF says 0 where there is no array.
        if task.isdigit() and int(task) >= first:
            return f"{number.group()}_{int(task) - first}"
        if job != "PBS_JOBID" or index == "PBS_ARRAYID":
            return number.group()
    return ""


def _values(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if it is not there or cannot be read (an old network view)."""
    try:
        values = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return values if isinstance(values, dict) else None


def _read(path: Path, kind: Any) -> Any:
    values = _values(path)
    if values is None:
        return None
    known = kind._fields if hasattr(kind, "_fields") else kind.__dataclass_fields__
    try:
        return kind(**{k: v for k, v in values.items() if k in known})
    except TypeError:
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the study for one driver; a second one is refused. A killed driver lets go by itself."""
    import fcntl

    path = folder / "run.lock"
    with path.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise InputError(
                f"{folder}: another run holds this study ({handle.read().strip()}); wait for it, or"
                f" watch it with `workbench status {folder} --watch`"
            ) from None
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {platform.node()}")
        handle.flush()
        yield
