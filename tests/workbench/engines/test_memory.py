"""Memory kept by a process: where glibc can be told, what is freed is taken again without new pages."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from workbench.engines.memory import keep_freed_memory

COUNT = """
import resource, sys
import numpy as np
from workbench.engines.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(8 << 20, np.uint8) + np.ones(8 << 20, np.uint8)
        np.ones(60 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc")
def test_what_is_freed_comes_back_without_new_pages() -> None:
    counts = {
        how: int(subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, check=True).stdout)
        for how in ("kept", "plain")
    }
    assert counts["kept"] < counts["plain"] / 10, counts


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_freed_memory.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()
    keep_freed_memory.cache_clear()


@pytest.mark.parametrize(("most", "kept"), [(1 << 25, True), (0, False)])
def test_a_library_that_refuses_large_blocks_is_asked_for_smaller_ones(
    monkeypatch: pytest.MonkeyPatch, most: int, kept: bool
) -> None:
    asked = []

    class Library:
        @staticmethod
        def mallopt(what: int, size: int) -> int:
            asked.append((what, size))
            return int(what == -1 or size <= most)

    keep_freed_memory.cache_clear()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    assert keep_freed_memory() is kept
    assert asked[-1] == (-3, 1 << 25)
    keep_freed_memory.cache_clear()
