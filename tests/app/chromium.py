"""A server of the app, Debian's Chromium and a hand that counts, for tests that drive pages as a person."""

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
from typing import Any

import psutil

import app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
# A page that stands still: no script runs for it.
QUIET = "[data-testid=stApp][data-test-script-state=notRunning]"
MAIN = Path(app.__file__).with_name("main.py")


class Hand:
    """A hand that counts what it does."""

    def __init__(self, page: Any) -> None:
        self.page, self.count = page, 0

    def click(self, target: Any) -> None:
        self.count += 1
        target.click()

    def press(self, key: str) -> None:
        self.count += 1
        self.page.keyboard.press(key)

    def point(self, x: float, y: float) -> None:
        self.count += 1
        self.page.mouse.click(x, y)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.count += 1
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=3)
        self.page.mouse.up()

    def choose(self, target: Any, value: str) -> None:
        self.count += 1
        target.select_option(value)


@contextmanager
def serving(study: Path | None, variables: dict[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """Address and process id of the app on a free port of this machine, ended on leaving.

    Started by the command that users type; ``variables`` are added to its environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "workbench", "app", "--port", str(port)]
    words += [str(study)] if study else []
    root = str(MAIN.parents[1])
    environment = {**os.environ, "PYTHONPATH": root, **(variables or {})}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(words, stdout=quiet, stderr=quiet, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for_server(f"{address}/_stcore/health", server)
        (child,) = psutil.Process(server.pid).children()
        yield address, child.pid
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def faultless(context: Any, seconds: float) -> Iterator[tuple[Any, list[str]]]:
    """A page of a browser context, closed on leaving, and what failed in it: nothing may have.

    ``seconds`` is what the page is waited for. The app's scripts are compiled once a page: tests that need
    no page of their own share one.
    """
    page, faults = context.new_page(), list[str]()
    page.set_default_timeout(1000 * seconds)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page, faults
    page.close()
    assert faults == []


def wait_for_server(address: str, server: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Until ``address`` answers; raises ``RuntimeError`` where it does not, or the server has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not answer within {seconds} s (status {server.poll()})")
