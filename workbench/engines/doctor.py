"""Checks before hours are spent: environment, scheduler, GPU, disk, locking, model."""

from __future__ import annotations

import fcntl
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from genomic_models import load
from genomic_models.contract import ModelError
from workbench.engines.schedulers.registry import find_scheduler
from workbench.errors import InputError
from workbench.study.config import ModelConfig
from workbench.study.manifest import installed

OLDEST = (3, 11)
# Free bytes under which a folder gets a warning.
LITTLE = 5 << 30
# Seconds by which a file server's clock may differ.
SKEW = 2.0


@dataclass(frozen=True)
class Finding:
    """One check: ``state`` is ok, warning or failed; what was found; what to do."""

    check: str
    state: str
    found: str
    advice: str = ""


def examine(folder: Path, model: ModelConfig, scheduler: str = "") -> Iterator[Finding]:
    """Run every check, one after another.

    Parameters
    ----------
    folder : Path
        Where studies are, or will be, written.
    model : ModelConfig
        Model to be loaded.
    scheduler : str
        Scheduler to look for; empty for whichever is here.
    """
    yield python()
    yield packages()
    yield batch(scheduler)
    yield from gpus(model.device)
    yield free_space(folder)
    yield writing(folder)
    yield locking(folder)
    yield clock(folder)
    yield weights(model)


def python() -> Finding:
    """Whether Python is new enough."""
    found = f"{platform.python_version()} at {sys.executable}"
    ok = sys.version_info >= OLDEST
    return Finding("python", "ok" if ok else "failed", found, "" if ok else "use Python 3.11 or newer")


def packages() -> Finding:
    """Packages that numbers depend on."""
    versions = installed()
    missing = [n for n, v in versions.items() if v == "not installed" and n != "genomics-workbench"]
    found = ", ".join(f"{n} {v}" for n, v in versions.items() if n != "python")
    advice = f"install {', '.join(missing)}" if missing else ""
    return Finding("packages", "failed" if missing else "ok", found, advice)


def batch(name: str) -> Finding:
    """Whether a scheduler is here and answers."""
    try:
        scheduler = find_scheduler(name)
        largest = scheduler.limit()
    except InputError as error:
        return Finding("scheduler", "failed" if name else "warning", str(error), "only needed for submit")
    most = f", arrays up to {largest:,} tasks" if largest else ""
    return Finding("scheduler", "ok", f"{scheduler.name} answers{most}")


def gpus(device: str) -> Iterator[Finding]:
    """GPUs that PyTorch sees, and their free memory."""
    wanted = device.startswith("cuda")
    if not torch.cuda.is_available():
        build = f"PyTorch {torch.__version__} sees none"
        advice = "install a CUDA build, or run on a node with a GPU" if wanted else ""
        yield Finding("gpu", "failed" if wanted else "ok", build, advice)
        return
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        name = torch.cuda.get_device_name(i)
        yield Finding(f"gpu {i}", "ok", f"{name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")


def free_space(folder: Path) -> Finding:
    """Free space."""
    free = shutil.disk_usage(_existing(folder)).free
    ok = free >= LITTLE
    advice = "" if ok else "`workbench submit DIR --estimate` says how much a study takes"
    return Finding("disk", "ok" if ok else "warning", f"{free / 1e9:.1f} GB free", advice)


def _try(check: str, folder: Path, attempt: Callable[[Path], str], advice: str) -> Finding:
    """Run ``attempt`` on a file in the folder; an ``OSError`` is a failed check."""
    path = _existing(folder) / f".workbench-doctor-{secrets.token_hex(8)}"
    try:
        found = attempt(path)
    except OSError as error:
        return Finding(check, "failed", f"{folder}: {error.strerror}", advice)
    finally:
        path.unlink(missing_ok=True)
    return Finding(check, "ok", found)


def writing(folder: Path) -> Finding:
    """Write, flush to disk, rename, read back; and how fast."""
    size = 32 << 20

    def attempt(path: Path) -> str:
        data = os.urandom(1 << 20) * (size >> 20)
        began = time.monotonic()
        temporary = path.with_suffix(".new")
        with temporary.open("wb") as handle:
            handle.write(data)
            os.fsync(handle.fileno())
        temporary.replace(path)
        speed = size / (time.monotonic() - began)
        if path.read_bytes() != data:
            raise OSError(0, "what was read back is not what was written")
        return f"{speed / 1e6:,.0f} MB/s, flushed to disk"

    return _try("writing", folder, attempt, "choose a folder that can be written")


def locking(folder: Path) -> Finding:
    """Whether a lock keeps a second process out, which network file systems may not do."""

    def attempt(path: Path) -> str:
        with path.open("w") as first, path.open("w") as second:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return "a second driver is kept out"
        raise OSError(0, "a lock does not keep a second process out")

    return _try("locking", folder, attempt, "start one driver at a time on this file system")


def clock(folder: Path) -> Finding:
    """Difference between this machine's clock and the file server's."""
    path = _existing(folder) / f".workbench-doctor-{secrets.token_hex(8)}"
    try:
        path.write_text("")
        skew = path.stat().st_mtime - time.time()
    except OSError as error:
        return Finding("clock", "failed", f"{folder}: {error.strerror}")
    finally:
        path.unlink(missing_ok=True)
    ok = abs(skew) <= SKEW
    advice = "" if ok else "times in status are off by this much; results are not touched"
    return Finding("clock", "ok" if ok else "warning", f"{skew:+.2f} s on the file server", advice)


def weights(model: ModelConfig) -> Finding:
    """Whether the model's files are here and load."""
    began = time.monotonic()
    try:
        loaded = load(
            model.name,
            device=model.device,
            dtype=model.dtype,
            model_dir=Path(model.folder) if model.folder else None,
            accept_precision_loss=model.accept_precision_loss,
            trust_remote_code=model.trust_remote_code,
        )
    except ModelError as error:
        return Finding("model", "failed", str(error), f"see `workbench models {model.name}`")
    took = time.monotonic() - began
    return Finding("model", "ok", f"{loaded.name}, {loaded.weights_hash[:12]}, loaded in {took:.1f} s")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.resolve()
    while not folder.is_dir():
        folder = folder.parent
    return folder
