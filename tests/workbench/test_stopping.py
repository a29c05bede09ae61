"""SIGTERM ends every command within five seconds, whatever it is doing; big inputs are real files here."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import ROOT
from tests.workbench.small_study import small_config, write_model
from workbench import Study
from workbench.interruption import PATIENCE

SECONDS = 5
HUGE = 1 << 40
"""Bytes of a file with a hole in it: it takes no room, and minutes to be read."""


@contextmanager
def running(*words: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A command of the product, in a session of its own."""
    process = subprocess.Popen(
        [sys.executable, "-P", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cwd / "cache")},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str]) -> tuple[float, str]:
    """Send SIGTERM; seconds until the process was gone, and all that it printed."""
    began = time.monotonic()
    process.terminate()
    said, _ = process.communicate(timeout=60)
    return time.monotonic() - began, said


def reads(process: subprocess.Popen[str], path: Path) -> None:
    """Wait until a process, or one of its children, has a file open."""
    while process.poll() is None:
        for link in Path(f"/proc/{process.pid}/fd").glob("*"):
            try:
                if link.resolve() == path.resolve():
                    return
            except OSError:
                continue
        time.sleep(0.05)
    raise AssertionError(f"ended before it read {path}: {process.communicate()[0]}")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FASTA that is small on the disk and takes long to read."""
    path = tmp_path_factory.mktemp("slow") / "slow.fa.gz"
    block = gzip.compress(b"ACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT\n" * 100_000)
    path.write_bytes(gzip.compress(b">a\n") + block * 500)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("score", "{slow}", "--out", "x.tsv"),
        ("pretrain", "--genome", "{slow}", "--out", "out"),
        ("new", "study", "--genome", "{slow}", "--circular", "a"),
    ],
    ids=lambda words: words[0],
)
def test_reading(slow: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    given = [word.format(slow=slow) for word in words]
    with running("-m", "workbench", *given, cwd=tmp_path) as process:
        reads(process, slow)
        took, said = stop(process)
    assert process.returncode != 0 and took < SECONDS, said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "verify", "reduce"])
def test_hashing(tmp_path: Path, samples: Path, command: str) -> None:
    study = Study.create(tmp_path / "study", small_config(samples, write_model(tmp_path / "tiny")))
    study.run(until="plan")
    genome = tmp_path / "genome.fa"
    genome.touch()
    os.truncate(genome, HUGE)
    text = (study.folder / "study.toml").read_text()
    old = str((samples / "yersinia_pPCP1.fa").resolve())
    assert old in text
    (study.folder / "study.toml").write_text(text.replace(old, str(genome)))
    more = ("--stage", "sae") if command == "reduce" else ()
    with running("-m", "workbench", command, str(study.folder), *more, cwd=tmp_path) as process:
        reads(process, genome)
        took, said = stop(process)
    assert took < SECONDS and "Traceback" not in said, said
    # `reduce` compares its inputs before it listens: it is simply gone.
    assert process.returncode in (85, -signal.SIGTERM), said


def test_deep_in_a_library(tmp_path: Path) -> None:
    """One that waits for what never comes, and lets no signal through to Python."""
    code = """
import ctypes
from workbench.interruption import listening
mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
lock(mutex)
with listening():
    print("ready", flush=True)
    lock(mutex)
"""
    with running("-c", code, cwd=tmp_path) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        took, said = stop(process)
    assert process.returncode == 85 and PATIENCE - 1 < took < SECONDS
    assert said == "workbench: stopped in the middle; run the same command again to go on\n"


def test_workers_end_with_a_process_that_was_killed(tmp_path: Path) -> None:
    code = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from workbench.interruption import obey
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, context, initializer=obey, initargs=(context.Event(),))
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 1000).result()
"""
    (tmp_path / "driver.py").write_text(code)
    with running("driver.py", cwd=tmp_path) as process:
        assert process.stdout is not None
        worker = psutil.Process(int(process.stdout.readline()))
        process.kill()
        worker.wait(20)
