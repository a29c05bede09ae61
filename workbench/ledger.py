"""What is done: one small JSON file a shard, written after the shard's outputs are whole.

Finished work is known by these files alone, never by a log or a scheduler. Each carries the fingerprint
of everything that the shard was made from, so that a changed setting makes it stale.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.atomic import write_atomic
from workbench.errors import InputError


@dataclass(frozen=True)
class Done:
    """Record of a finished shard."""

    fingerprint: str
    seconds: float
    bases: int
    detail: dict[str, Any]


class Ledger:
    """Done and failed records of all stages of a study, under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, stage: str, shard: int | None, kind: str) -> Path:
        name = stage if shard is None else f"{shard:05d}"
        parent = self.folder if shard is None else self.folder / stage
        return parent / f"{name}.{kind}.json"

    def done(self, stage: str, shard: int | None, fingerprint: str) -> Done | None:
        """The record of a shard (None: of the whole stage) if it is done and not stale."""
        path = self._path(stage, shard, "done")
        try:
            record = Done(**json.loads(path.read_text()))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None
        return record if record.fingerprint == fingerprint else None

    def mark(
        self,
        stage: str,
        shard: int | None,
        fingerprint: str,
        seconds: float,
        bases: int = 0,
        **detail: Any,
    ) -> None:
        """Record a shard as done; its outputs must be in place already."""
        path = self._path(stage, shard, "done")
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {
            "fingerprint": fingerprint,
            "seconds": round(seconds, 3),
            "bases": bases,
            "detail": detail,
        }
        with write_atomic(path) as temporary:
            temporary.write_text(json.dumps(record))
        self._path(stage, shard, "err").unlink(missing_ok=True)
        speed = f" {bases / seconds:,.0f} bases/s" if bases and seconds > 0 else ""
        label = "all" if shard is None else f"{shard}"
        self.log(f"{stage} {label} done in {seconds:.1f} s{speed}")

    def fail(self, stage: str, shard: int | None, cause: str, trace: str) -> None:
        """Record why a shard failed; the traceback goes to the log."""
        path = self._path(stage, shard, "err")
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(path) as temporary:
            temporary.write_text(json.dumps({"cause": cause, "time": time.time()}))
        self.log(f"{stage} {'all' if shard is None else shard} failed: {cause}\n{trace.rstrip()}")

    def failures(self, stage: str) -> dict[str, str]:
        """Shard name to cause."""
        paths = [*(self.folder / stage).glob("*.err.json"), *self.folder.glob(f"{stage}.err.json")]
        return {p.name.split(".")[0]: json.loads(p.read_text())["cause"] for p in sorted(paths)}

    def forget(self, stage: str) -> None:
        """Drop the records of a stage, so that it runs again."""
        for path in [*(self.folder / stage).glob("*.json"), *self.folder.glob(f"{stage}.*.json")]:
            path.unlink()

    def log(self, line: str) -> None:
        """Append a line, with time and host, to the study's log."""
        path = self.folder.parent / "logs" / "run.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with path.open("a") as handle:
            handle.write(f"{stamp} {platform.node()}:{os.getpid()} {line}\n")


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
