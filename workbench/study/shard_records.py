"""What became of the shards of one stage: lines of files that one process each appends to.

A process writes to a file of its own, so that nothing is locked, whatever the file system, and a stage of
100,000 shards that 500 tasks make has 500 files. A line holds a checksum, a count, the shard, the kind of
record and the record in JSON. What a process writes of a shard counts one more than what it had read of that
shard; the highest count holds, whatever the clocks of the hosts say. A torn or damaged line is no line.

Older versions wrote a file a record, ``00012.done.json``: these are read, and go on here.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from threading import RLock

from workbench.errors import InputError
from workbench.files.atomic import append_line, own_name
from workbench.files.text import read_text

# What a record of each kind makes an end of: done, begun, failed, dropped.
ENDS = {"done": ("err", "run", "was"), "run": (), "err": ("run",), "was": ("done", "err", "run")}
SUFFIX = ".lines"
# Digits of a number at most.
_DIGITS = 16
# Count, whether it is a success (which of two equal counts holds), and who wrote it.
_Key = tuple[int, bool, str]
_FIRST: _Key = (0, False, "")
_NONE: tuple[_Key, bytes | None] = (_FIRST, None)


def line_of(count: int, shard: int, kind: str, text: str) -> bytes:
    """A record as its line, without an end."""
    body = f"{count} {shard} {kind} {text}".encode()
    return b"%08x %s" % (zlib.crc32(body), body)


class ShardRecords:
    """Records of a stage's shards under ``folder``: at most one of each kind a shard, as JSON texts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = RLock()
        self._version = 0
        self._forget()

    def _forget(self) -> None:
        self._version += 1
        # By shard and kind: the newest line, its record or (None) that another kind made an end of it.
        self._held: dict[int, dict[str, tuple[_Key, bytes | None]]] = {}
        # By shard: the newest line that made an end of all kinds before it.
        self._floor: dict[int, _Key] = {}
        # By file: what tells it from another of its name, and how much of it was read.
        self._files: dict[str, tuple[int, int]] = {}

    def get(self, shard: int, kind: str, fresh: bool = True) -> bytes | None:
        """The record of a kind, None where there is none; unless ``fresh``, as of when it was last looked."""
        with self._lock:
            if fresh or not self._files:
                self._refresh()
            return self._held.get(shard, {}).get(kind, _NONE)[1]

    def look(self) -> int:
        """A number that is another whenever a record is."""
        with self._lock:
            self._refresh()
            return self._version

    def all(self, kind: str) -> Iterator[tuple[int, bytes]]:
        """Shards that have a record of a kind, ascending, each with it."""
        with self._lock:
            self._refresh()
            texts = ((shard, held.get(kind, _NONE)[1]) for shard, held in self._held.items())
            found = sorted((shard, text) for shard, text in texts if text is not None)
        yield from found

    def put(self, shard: int, kind: str, text: str, lasting: bool = True) -> None:
        """Add a record, an end to those that ``ENDS`` names; where ``lasting`` it is on the disk then."""
        with self._lock:
            if not self._files:
                self._refresh()
            keys = [key for key, _ in self._held.get(shard, {}).values()]
            count = max([self._floor.get(shard, _FIRST), *keys])[0] + 1
            line, name = line_of(count, shard, kind, text), own_name() + SUFFIX
            self.folder.mkdir(parents=True, exist_ok=True)
            append_line(self.folder / name, line, lasting)
            self._apply(line, name)

    def clear(self) -> None:
        """Remove all records."""
        with self._lock:
            for path in [*self.folder.glob(f"*{SUFFIX}"), *self.folder.glob("*.json")]:
                path.unlink(missing_ok=True)
            self._forget()

    def _refresh(self) -> None:
        """Read what was written since; all of it anew where a file is gone or another."""
        found = _sizes(self.folder)
        for name, (number, read) in self._files.items():
            now, size = found.get(name, (0, 0))
            if now != number or size < read:
                self._forget()
                break
        for name, (number, size) in found.items():
            _, read = self._files.get(name, (0, 0))
            if read < size:
                self._files[name] = number, self._take(name, read)

    def _take(self, name: str, at: int) -> int:
        """Read a file from a place on; how far it was read."""
        if not name.endswith(SUFFIX):
            return self._take_old(self.folder / name)
        try:
            with (self.folder / name).open("rb") as handle:
                handle.seek(at)
                data = handle.read()
        except OSError:  # gone meanwhile, or a network's old view of it
            return at
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].split(b"\n"):
            self._apply(line, name)
        return at + whole

    def _apply(self, line: bytes, writer: str) -> None:
        check, _, body = line.partition(b" ")
        parts = body.split(b" ", 3)
        if len(parts) != 4 or b"%08x" % zlib.crc32(body) != check:
            return
        kind = parts[2].decode("ascii", "replace")
        if kind in ENDS and all(part.isdigit() and len(part) < _DIGITS for part in parts[:2]):
            self._set(int(parts[1]), kind, parts[3], (int(parts[0]), kind == "done", writer))

    def _set(self, shard: int, kind: str, text: bytes, key: _Key) -> None:
        """Take a line in, whichever of the other files was read before: the newest of each kind holds."""
        held = self._held.setdefault(shard, {})
        if key <= max(self._floor.get(shard, _FIRST), held.get(kind, _NONE)[0]):
            return
        self._version += 1
        held[kind] = key, text
        if len(ENDS[kind]) + 1 == len(ENDS):
            self._floor[shard] = key
            self._held[shard] = {k: line for k, line in held.items() if line[0] >= key}
            return
        for other in ENDS[kind]:
            if held.get(other, _NONE)[0] < key:
                held[other] = key, None

    def _take_old(self, path: Path) -> int:
        """Read the record of an older version; what a line says of the shard goes before it."""
        number, _, kind = path.name.removesuffix(".json").partition(".")
        known = number.isascii() and number.isdecimal() and len(number) < _DIGITS and kind in ENDS
        if not known:
            return 0
        try:
            text = read_text(path).encode()
        except InputError:  # gone meanwhile, or an old network view
            return 0
        shard = int(number)
        if shard not in self._floor:
            self._held.setdefault(shard, {}).setdefault(kind, (_FIRST, text))
            self._version += 1
        return len(text)


def _sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """What tells a file from another of its name, and its bytes, by name: those of older versions first."""
    old, own = {}, {}
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.endswith((SUFFIX, ".json")):
                continue
            with suppress(OSError):
                stat = entry.stat()
                if S_ISREG(stat.st_mode) and entry.name.endswith(SUFFIX):
                    own[entry.name] = stat.st_ino, stat.st_size
                elif S_ISREG(stat.st_mode):
                    old[entry.name] = stat.st_mtime_ns, stat.st_size
    return old | own
