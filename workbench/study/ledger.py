"""What is done: a record a shard, written after the shard's outputs are whole.

Finished work is known by these records alone, never by a log or a scheduler. Each carries the fingerprint of
everything that the shard was made from, so that a changed setting makes it stale, and the size and SHA-256
of the files that it wrote, so that a damaged one is made again. Those of shards are lines (`shard_records`),
that of a whole stage is a small JSON file.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from workbench.errors import InputError
from workbench.files.atomic import open_own, refuse_links, write_atomic
from workbench.files.facts import make_record
from workbench.files.hashing import sha256_of
from workbench.files.packs import Part
from workbench.files.text import check_file, read_text
from workbench.study.records import Begun, Done, Entry, Failure
from workbench.study.shard_records import ENDS, ShardRecords

T = TypeVar("T")
LOG = "run.jsonl"

# Where schedulers put the number of the job and the index in its array, and what the first index is.
JOB_VARIABLES = (
    ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", 0),
    ("SLURM_JOB_ID", "", 0),
    ("PBS_JOBID", "PBS_ARRAY_INDEX", 0),
    ("PBS_JOBID", "PBS_ARRAYID", 0),
    ("LSB_JOBID", "LSB_JOBINDEX", 1),
    ("JOB_ID", "SGE_TASK_ID", 1),
)


class Ledger:
    """Records of begun, done and failed shards of all stages of a study, under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards: dict[str, ShardRecords] = {}
        self._parts: dict[str, tuple[int, dict[int, Part]]] = {}

    def _of(self, stage: str) -> ShardRecords:
        return self._shards.setdefault(stage, ShardRecords(self.folder / stage))

    def _path(self, stage: str, kind: str) -> Path:
        """File of what is said of a whole stage."""
        return self.folder / f"{stage}.{kind}.json"

    def _text(self, stage: str, shard: int | None, kind: str, fresh: bool = True) -> bytes | str | None:
        if shard is not None:
            return self._of(stage).get(shard, kind, fresh)
        try:
            return read_text(self._path(stage, kind))
        except InputError:  # it is not there, or cannot be read (an old network view)
            return None

    def _put(self, stage: str, shard: int | None, kind: str, values: dict[str, Any]) -> None:
        """Write a record, an end to those of other kinds that ``ENDS`` names."""
        text = json.dumps(values)
        if shard is not None:
            self._of(stage).put(shard, kind, text, lasting=kind != "run")
            return
        path = self._path(stage, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(path) as temporary:
            temporary.write_text(text)
        for other in ENDS[kind]:
            self._path(stage, other).unlink(missing_ok=True)

    def done(self, stage: str, shard: int | None, fingerprint: str) -> Done | None:
        """The record of a shard (None: of the whole stage) if it is done and not stale."""
        record = _read(self._text(stage, shard, "done"), Done)
        return record if record is not None and record.fingerprint == fingerprint else None

    def finished(self, stage: str, fingerprint: str | None) -> Iterator[tuple[int, Done]]:
        """Finished shards that are not stale (None: stale or not), ascending."""
        for shard, text in self._of(stage).all("done"):
            record = _read(text, Done)
            if record is not None and fingerprint in (None, record.fingerprint):
                yield shard, record

    def reduced(self) -> Iterator[tuple[str, str]]:
        """Stages that were finished, each with the fingerprint of its reduction, stale or not."""
        for path in sorted(self.folder.glob("*.done.json")):
            stage = path.name.removesuffix(".done.json")
            record = _read(self._text(stage, None, "done"), Done)
            if record is not None:
                yield stage, record.fingerprint

    def begun(self, stage: str) -> dict[int, Begun]:
        """Shards that were begun and have not ended, by shard: in work, or lost."""
        found = {}
        for shard, text in self._of(stage).all("run"):
            record = _read(text, Begun)
            if record is not None:
                found[shard] = record
        return found

    def _tries(self, stage: str, shard: int | None, fresh: bool = False) -> int:
        """How often a shard was begun since it was last done; unless ``fresh``, as of the last look."""
        kinds = (self._text(stage, shard, kind, fresh) for kind in ("run", "err"))
        return next((tried.attempts for text in kinds if (tried := _read(text, _Tried))), 0)

    def begin(self, stage: str, shard: int) -> None:
        """Note that a shard is in work here, and how often it was begun."""
        record = Begun(self._tries(stage, shard) + 1, platform.node(), os.getpid(), _job(), time.time())
        self._put(stage, shard, "run", record._asdict())

    def mark(
        self,
        stage: str,
        shard: int | None,
        fingerprint: str,
        seconds: float,
        bases: int = 0,
        outputs: Iterable[Path | Part] = (),
        cpu: float = 0.0,
    ) -> bool:
        """Record a shard as done, with the hashes of its ``outputs``, which must be in place already.

        Returns whether they differ from those of the record that was dropped before.
        """
        # Another process may have been at the shard, too, and be done with it.
        attempts = self._tries(stage, shard, fresh=True) or 1
        before = _read(self._text(stage, shard, "was", fresh=False), Done)
        record: dict[str, Any] = {
            "fingerprint": fingerprint,
            "seconds": round(seconds, 3),
            "cpu": round(cpu, 3),
            "bases": bases,
            "attempts": attempts,
            "host": platform.node(),
            "outputs": dict(entries(self.folder.parent, outputs)),
        }
        self._put(stage, shard, "done", record)
        rate = {"per_second": round(bases / seconds, 1)} if bases and seconds > 0 else {}
        self.event("done", stage, shard, seconds=record["seconds"], bases=bases, **rate)
        return before is not None and _digests(before.outputs) != _digests(record["outputs"])

    def renew(self, stage: str, shard: int | None, record: Done) -> None:
        """Write a finished shard's record again, with other times of its files."""
        self._put(stage, shard, "done", asdict(record))

    def fail(
        self, stage: str, shard: int | None, fingerprint: str, kind: str, cause: str, trace: str = ""
    ) -> None:
        """Record why a shard failed."""
        record = {
            "fingerprint": fingerprint,
            "kind": kind,
            "cause": cause,
            "trace": trace,
            "host": platform.node(),
            "attempts": self._tries(stage, shard) or 1,
        }
        # The disk may be what failed: the error itself must come through, with or without its record.
        with suppress(OSError, InputError):
            self.event("failed", stage, shard, kind=kind, cause=cause, trace=trace)
            self._put(stage, shard, "err", record)

    def failures(self, stage: str, fingerprint: str) -> dict[int | None, Failure]:
        """Failed shards (None: the reduction), by shard; not stale ones, nor what was done since."""
        found: dict[int | None, Failure] = {}
        if self.done(stage, None, fingerprint):
            return found
        whole = self._text(stage, None, "err")
        for shard, text in [*self._of(stage).all("err"), *([(None, whole)] if whole else [])]:
            failure = _read(text, Failure)
            if failure is None or failure.fingerprint != fingerprint:
                continue
            if not self.done(stage, shard, fingerprint):
                found[shard] = failure
        return found

    def drop(self, stage: str, shard: int | None) -> None:
        """Take one shard (None: none) and the reduction over it for not done, so that both run again.

        The records stay beside, so that ``mark`` can tell whether other bytes came out.
        """
        if shard is not None:
            before = self._of(stage).get(shard, "done") or b"null"
            self._of(stage).put(shard, "was", before.decode("utf-8", "replace"))
        with suppress(FileNotFoundError):
            self._path(stage, "done").replace(self._path(stage, "was"))
        if shard is None:
            for kind in ("err", "run"):
                self._path(stage, kind).unlink(missing_ok=True)

    def forget(self, stage: str) -> None:
        """Drop the records of a stage, so that it runs again."""
        self._of(stage).clear()
        for path in self.folder.glob(f"{stage}.*.json"):
            path.unlink(missing_ok=True)

    def parts(self, stage: str) -> dict[int, Part]:
        """Parts of packs that shards of a stage left, one each, by shard; of those that left files, none.

        The same dict until the stage is finished anew, or, while it is not, another record is there.
        """
        try:
            known = self._path(stage, "done").stat().st_mtime_ns
        except FileNotFoundError:
            known = self._of(stage).look()
        if self._parts.get(stage, (-1, {}))[0] != known:
            found = {}
            for shard, record in self.finished(stage, None):
                for part in record.parts(self.folder.parent).values():
                    found[shard] = part
            self._parts[stage] = known, found
        return self._parts[stage][1]

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


def _parsed(text: str | bytes) -> Any:
    """A value in JSON; None for a text that is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read(text: bytes | str | None, kind: Callable[..., T]) -> T | None:
    """A record; None if there is none or it cannot be read."""
    return make_record(kind, _parsed(text)) if text else None


def entries(root: Path, outputs: Iterable[Path | Part]) -> Iterator[tuple[str, Entry]]:
    """What a record says of the files of a shard."""
    for each in sorted(set(outputs), key=str):
        path = each.path if isinstance(each, Part) else each
        if not path.is_relative_to(root) or not path.exists():
            continue
        stat, name, digest = path.stat(), str(path.relative_to(root)), sha256_of(each)
        if isinstance(each, Part):
            yield f"{name}@{each.offset}", [each.size, digest, stat.st_mtime_ns, each.offset]
        else:
            yield name, [stat.st_size, digest, stat.st_mtime_ns]


def _digests(outputs: dict[str, list[Any]]) -> set[tuple[Any, ...]]:
    """Bytes and SHA-256 of a record's files; where in a pack they lie is no difference."""
    return {("" if len(values) == 4 else name, *values[:2]) for name, values in outputs.items()}


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
