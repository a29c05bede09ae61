"""A server of the app and Debian's Chromium, for tests that drive pages as a person would."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
MAIN = Path(app.__file__).with_name("main.py")


@contextmanager
def serving(study: Path) -> Iterator[tuple[str, int]]:
    """Address and process id of a server on a free port of this machine, ended on leaving."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "streamlit", "run", str(MAIN)]
    words += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    words += ["--server.headless", "true", "--server.fileWatcherType", "none"]
    words += ["--browser.gatherUsageStats", "false", "--", str(study)]
    root = str(MAIN.parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(words, stdout=quiet, stderr=quiet, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(f"{address}/_stcore/health", server)
        yield address, server.pid
    finally:
        server.terminate()
        server.wait(20)


def _wait(address: str, server: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not answer within {seconds} s (status {server.poll()})")
