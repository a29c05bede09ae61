"""Origin and terminus of circular contigs: where gene strand and base skew turn over.

Shifts of the null must not carry a strand track past either, so stretches are cut there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Bases a step of the cumulative GC skew.
SKEW_STEP = 1_000
# Contigs of fewer steps (plasmids, small phages) have no skew to be read and stay whole.
FEWEST_STEPS = 100


class Turn(NamedTuple):
    """A place where replication turns over: base (0-based), and where it is known from."""

    position: int
    source: str


class Replichores(NamedTuple):
    """Origin and terminus of a contig."""

    origin: Turn
    terminus: Turn


def from_skew(sequence: str) -> tuple[int, int] | None:
    """Lowest and highest point of the cumulative G - C skew, or None where the contig is too short."""
    codes = np.frombuffer(sequence.upper().encode(), np.uint8)
    steps = codes.size // SKEW_STEP
    if steps < FEWEST_STEPS:
        return None
    excess = (codes == ord("G")).astype(np.int64) - (codes == ord("C"))
    skew = np.cumsum(excess[: steps * SKEW_STEP].reshape(steps, SKEW_STEP).sum(axis=1))
    return int(np.argmin(skew) + 1) * SKEW_STEP, int(np.argmax(skew) + 1) * SKEW_STEP
