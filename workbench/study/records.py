"""What a ledger records of a shard: that it is in work, that it failed, or that it is done, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from stat import S_ISREG
from typing import NamedTuple

from workbench.files.hashing import sha256_of
from workbench.files.packs import Part
from workbench.study.failures import InvalidShard

# Folder of a study that holds what is made anew wherever it is missing.
CACHE = "cache/"
Entry = list[int | str]


@dataclass(frozen=True)
class Done:
    """Record of a finished shard.

    ``cpu`` is processor time, of all threads of the process; ``outputs`` maps a path in the study to its
    bytes, SHA-256 and time of change in nanoseconds, and that of a part of a pack, ``PATH@OFFSET``, to those
    and the offset.
    """

    fingerprint: str
    seconds: float
    bases: int
    attempts: int = 1
    host: str = ""
    outputs: dict[str, Entry] = field(default_factory=dict)
    cpu: float = 0.0

    def parts(self, folder: Path) -> dict[str, Part]:
        """Outputs that are parts of packs, by name."""
        found = {}
        for name, (size, _, *rest) in ((n, e) for n, e in self.outputs.items() if len(e) == 4):
            inside, numbers = PurePath(name.rpartition("@")[0]), [size, *rest]
            whole = [each for each in numbers if isinstance(each, int) and each >= 0]
            if whole == numbers and not inside.is_absolute() and ".." not in inside.parts:
                found[name] = Part(folder / inside, whole[2], whole[0])
        return found

    def verify(self, folder: Path, thorough: bool = False, packs: Mapping[Path, int] | None = None) -> Done:
        """Compare every output with what was written; raises ``InvalidShard`` for one that differs.

        A file of the same size and time of change is taken for the one that was written unless ``thorough``;
        others are read. ``packs`` has the time at which each pack was last appended to. What lies in the
        cache is made anew at any time and not looked at. Returns the record with the times as they are now.
        """
        outputs: dict[str, Entry] = {}
        parts = self.parts(folder)
        for name, entry in self.outputs.items():
            if name.startswith(CACHE):
                continue
            if len(entry) < 2 or (len(entry) > 3 and name not in parts):
                raise InvalidShard(f"{name} has a damaged record")
            size, digest, *changed = entry
            part = parts.get(name)
            try:
                stat = (part.path if part else folder / name).stat()
            except (OSError, ValueError):
                raise InvalidShard(f"{name} is missing") from None
            short = stat.st_size < part.offset + part.size if part else stat.st_size != size
            if short:
                raise InvalidShard(f"{name} has {stat.st_size:,} bytes, {size:,} were written")
            if not S_ISREG(stat.st_mode):
                raise InvalidShard(f"{name} is no file")
            times = [(packs or {}).get(part.path)] if part else changed[:1]
            if times == [stat.st_mtime_ns] and not thorough:
                outputs[name] = entry
                continue
            if sha256_of(part or folder / name) != digest:
                raise InvalidShard(f"{name} is not the file that was written")
            outputs[name] = [size, digest, stat.st_mtime_ns, *changed[1:]]
        return replace(self, outputs=outputs)

    def remove_damaged(self, folder: Path) -> None:
        """Remove files that are not those that were written, so that nothing goes on from them.

        Parts of packs stay: nothing goes on from them, and others lie beside them.
        """
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
