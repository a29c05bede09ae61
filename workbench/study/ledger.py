"""What is done: one small JSON file a shard, written after the shard's outputs are whole.

Finished work is known by these files alone, never by a log or a scheduler. Each carries the fingerprint of
everything that the shard was made from, so that a changed setting makes it stale, and the size and SHA-256
of the files that it wrote, so that a damaged one is made again.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple, TypeVar

from workbench.errors import InputError
from workbench.files.atomic import open_own, refuse_links, write_atomic
from workbench.files.facts import make_record
from workbench.files.hashing import sha256_of
from workbench.files.text import check_file, read_text
from workbench.study.failures import InvalidShard

T = TypeVar("T")
LOG = "run.jsonl"
# Folder of a study that holds what is made anew wherever it is missing.
CACHE = "cache/"

# Where schedulers put the number of the job and the index in its array, and what the first index is.
JOB_VARIABLES = (
    ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", 0),
    ("SLURM_JOB_ID", "", 0),
    ("PBS_JOBID", "PBS_ARRAY_INDEX", 0),
    ("PBS_JOBID", "PBS_ARRAYID", 0),
    ("LSB_JOBID", "LSB_JOBINDEX", 1),
    ("JOB_ID", "SGE_TASK_ID", 1),
)


@dataclass(frozen=True)
class Done:
    """Record of a finished shard.

    ``outputs`` maps a path in the study to its bytes, SHA-256 and time of change in nanoseconds.
    """

    fingerprint: str
    seconds: float
    bases: int
    attempts: int = 1
    host: str = ""
    outputs: dict[str, list[int | str]] = field(default_factory=dict)

    def verify(self, folder: Path, thorough: bool = False) -> Done:
        """Compare every output with what was written; raises ``InvalidShard`` for one that differs.

        A file of the same size and time of change is taken for the one that was written unless ``thorough``;
        others are read. What lies in the cache is made anew at any time and not looked at. Returns the record
        with the times as they are now.
        """
        outputs: dict[str, list[int | str]] = {}
        for name, entry in self.outputs.items():
            if name.startswith(CACHE):
                continue
            if len(entry) < 2:
                raise InvalidShard(f"{name} has a damaged record")
            size, digest, *changed = entry
            try:
                stat = (folder / name).stat()
            except (OSError, ValueError):
                raise InvalidShard(f"{name} is missing") from None
            if stat.st_size != size:
                raise InvalidShard(f"{name} has {stat.st_size:,} bytes, {size:,} were written")
            if not S_ISREG(stat.st_mode):
                raise InvalidShard(f"{name} is no file")
            known = changed == [stat.st_mtime_ns] and not thorough
            if not known and sha256_of(folder / name) != digest:
                raise InvalidShard(f"{name} is not the file that was written")
            outputs[name] = [size, digest, stat.st_mtime_ns]
        return replace(self, outputs=outputs)

    def remove_damaged(self, folder: Path) -> None:
        """Remove files that are not those that were written, so that nothing goes on from them."""
        for name, entry in self.outputs.items():
            path = folder / name
            with suppress(OSError, ValueError, IndexError):
                regular = S_ISREG(path.lstat().st_mode)
                if not regular or path.stat().st_size != entry[0] or sha256_of(path) != entry[1]:
                    path.unlink()


class Begun(NamedTuple):
    """Record of a shard in work: how often it was begun, where, when (this host's clock), by which job."""

    attempts: int
    host: str
    pid: int
    job: str
    time: float


class Failure(NamedTuple):
    """Why a shard failed: a kind of ``failures.KINDS``, one line, the traceback, where, made from what."""

    kind: str
    cause: str
    trace: str
    host: str = ""
    fingerprint: str = ""


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
                number = entry.name.removesuffix(ending)
                if number != entry.name and number.isascii() and number.isdecimal():
                    yield int(number), Path(entry.path)

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

    def reduced(self) -> Iterator[tuple[str, str]]:
        """Stages that were finished, each with the fingerprint of its reduction, stale or not."""
        for path in sorted(self.folder.glob("*.done.json")):
            record = _read(path, Done)
            if record is not None:
                yield path.name.removesuffix(".done.json"), record.fingerprint

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
        attempts = (before.attempts if before else 0) + 1
        record = Begun(attempts, platform.node(), os.getpid(), _job(), time.time())
        _write(path, record._asdict())

    def mark(
        self,
        stage: str,
        shard: int | None,
        fingerprint: str,
        seconds: float,
        bases: int = 0,
        outputs: Iterable[Path] = (),
    ) -> bool:
        """Record a shard as done, with the hashes of its ``outputs``, which must be in place already.

        Returns whether they differ from those of the record that was dropped before.
        """
        path = self._path(stage, shard, "done")
        root = self.folder.parent
        begun = _read(self._path(stage, shard, "run"), Begun)
        record: dict[str, Any] = {
            "fingerprint": fingerprint,
            "seconds": round(seconds, 3),
            "bases": bases,
            "attempts": begun.attempts if begun else 1,
            "host": platform.node(),
            "outputs": {
                str(p.relative_to(root)): [p.stat().st_size, sha256_of(p), p.stat().st_mtime_ns]
                for p in sorted(set(outputs))
                if p.is_relative_to(root) and p.exists()
            },
        }
        _write(path, record)
        before = _read(self._path(stage, shard, "was"), Done)
        for kind in ("err", "run", "was"):
            self._path(stage, shard, kind).unlink(missing_ok=True)
        rate = {"per_second": round(bases / seconds, 1)} if bases and seconds > 0 else {}
        self.event("done", stage, shard, seconds=record["seconds"], bases=bases, **rate)
        return before is not None and _digests(before.outputs) != _digests(record["outputs"])

    def renew(self, stage: str, shard: int | None, record: Done) -> None:
        """Write a finished shard's record again, with other times of its files."""
        _write(self._path(stage, shard, "done"), asdict(record))

    def fail(
        self, stage: str, shard: int | None, fingerprint: str, kind: str, cause: str, trace: str = ""
    ) -> None:
        """Record why a shard failed."""
        path = self._path(stage, shard, "err")
        begun = _read(self._path(stage, shard, "run"), Begun)
        record = {
            "fingerprint": fingerprint,
            "kind": kind,
            "cause": cause,
            "trace": trace,
            "host": platform.node(),
            "attempts": begun.attempts if begun else 1,
        }
        # The disk may be what failed: the error itself must come through, with or without its record.
        with suppress(OSError, InputError):
            self.event("failed", stage, shard, kind=kind, cause=cause, trace=trace)
            _write(path, record)
            self._path(stage, shard, "run").unlink(missing_ok=True)

    def failures(self, stage: str, fingerprint: str) -> dict[int | None, Failure]:
        """Failed shards (None: the reduction), by shard; not stale ones, nor what was done since."""
        found: dict[int | None, Failure] = {}
        if self.done(stage, None, fingerprint):
            return found
        for shard, path in [*sorted(self._names(stage, "err")), (None, self._path(stage, None, "err"))]:
            failure = _read(path, Failure)
            if failure is None or failure.fingerprint != fingerprint:
                continue
            if not self.done(stage, shard, fingerprint):
                found[shard] = failure
        return found

    def drop(self, stage: str, shard: int | None) -> None:
        """Take one shard (None: none) and the reduction over it for not done, so that both run again.

        The records stay beside, so that ``mark`` can tell whether other bytes came out.
        """
        for each in dict.fromkeys((shard, None)):
            with suppress(FileNotFoundError):
                self._path(stage, each, "done").replace(self._path(stage, each, "was"))
        for kind in ("err", "run"):
            self._path(stage, shard, kind).unlink(missing_ok=True)

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
        with open_own(path, "a") as handle:
            handle.write(json.dumps(line) + "\n")


class Event(NamedTuple):
    """A line of a study's log: what happened, to which shard of which stage, when and where."""

    time: str
    host: str
    event: str
    stage: str = ""
    shard: int | None = None
    job: str = ""
    seconds: float | None = None
    kind: str = ""
    cause: str = ""
    trace: str = ""


def read_events(folder: Path) -> list[Event]:
    """All lines of a study's log, oldest first; torn and damaged ones are left out."""
    path = folder / "logs" / LOG
    if not path.exists():
        return []
    check_file(path)
    with path.open(encoding="utf-8", errors="replace") as lines:
        found = [make_record(Event, _parsed(line)) for line in lines]
    return [event for event in found if event is not None]


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


def _parsed(text: str) -> Any:
    """A value in JSON; None for a text that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _write(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary:
        temporary.write_text(json.dumps(values))


def _read(path: Path, kind: Callable[..., T]) -> T | None:
    """A record; None if it is not there or cannot be read (an old network view)."""
    try:
        return make_record(kind, _parsed(read_text(path)))
    except InputError:
        return None


def _digests(outputs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Bytes and SHA-256 of a record's files."""
    return {name: values[:2] for name, values in outputs.items()}


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the study for one driver; a second one is refused. A killed driver lets go by itself."""
    import fcntl  # not on Windows, where studies are read all the same

    refuse_links(folder)
    path = folder / "run.lock"
    with open_own(path, "a+") as handle:
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
