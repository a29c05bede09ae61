"""Windows that fit into memory."""

from __future__ import annotations

import pytest

from genomic_models import load
from workbench.batching import fitting_batch, windows_that_fit


@pytest.mark.parametrize(("free", "expected"), [(1_000, 14), (100, 1), (10**9, 256)])
def test_memory_is_a_straight_line(free: int, expected: int) -> None:
    # 80 % of 1,000 less the fixed 100 holds fourteen of 50.
    assert windows_that_fit(lambda n: 100 + 50 * n, free) == expected


def test_a_cpu_gains_nothing_from_more() -> None:
    assert fitting_batch(load("mini"), "blocks.1", 64) == 4
