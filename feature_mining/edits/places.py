"""Where along a reading an edit acts, and how strongly at each position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from torch import Tensor

# A number, or a ramp: ``(position, value)`` pairs, linear between them and flat outside.
Strength = float | tuple[tuple[int, float], ...]
STRANDS = ("", "+", "-")


@dataclass(frozen=True)
class Where:
    """Tokens of a reading at which an edit acts: those for which everything given here holds.

    Attributes
    ----------
    intervals : tuple of (int, int)
        0-based half-open, counted from the first token of the reading; none for everywhere. One position is
        an interval of one, the intervals of a track are theirs.
    strand : str
        ``+`` or ``-``: only readings of that strand; empty for both.
    active : bool
        Only where the feature is active before the edit.
    entropy : float
        Bits: only where the untouched model's prediction of the token has at least as much entropy, which is
        where it is unsure (2 for four bases alike); 0 for everywhere.
    """

    intervals: tuple[tuple[int, int], ...] = ()
    strand: str = ""
    active: bool = False
    entropy: float = 0.0

    def __post_init__(self) -> None:
        for interval in self.intervals:
            if len(interval) != 2 or not all(isinstance(at, Integral) for at in interval):
                raise ValueError(f"interval {interval}: expected two whole numbers")
            if not 0 <= interval[0] < interval[1]:
                raise ValueError(f"interval {interval}: expected 0 <= start < end")
        if self.strand not in STRANDS:
            raise ValueError(f"strand {self.strand!r}: expected '+', '-' or none")
        if not isinstance(self.active, bool):
            raise ValueError(f"active {self.active!r}: expected true or false")
        if not 0 <= self.entropy < 2:
            raise ValueError(f"entropy {self.entropy}: expected bits, at least 0 and below 2")

    def covers(self, offset: int, length: int) -> Tensor:
        """Bool ``(length,)``: which of the positions from ``offset`` lie in the intervals."""
        if not self.intervals:
            return torch.ones(length, dtype=torch.bool)
        found = torch.zeros(length, dtype=torch.bool)
        for start, end in self.intervals:
            found[max(0, start - offset) : max(0, end - offset)] = True
        return found

    def __str__(self) -> str:
        parts = [", ".join(f"{start}-{end}" for start, end in self.intervals)]
        parts += [f"on the {'plus' if self.strand == '+' else 'minus'} strand"] if self.strand else []
        parts += ["where active"] if self.active else []
        parts += [f"where entropy >= {self.entropy:g} bits"] if self.entropy else []
        return " ".join(part for part in parts if part) or "everywhere"


def check_strength(value: Any, name: str) -> Strength:
    """The strength as it is kept; ``ValueError`` for NaN, infinity and ramps that are out of order."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}: expected a finite number")
        return float(value)
    try:
        ramp = tuple((int(position), float(strength)) for position, strength in value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} is {value!r}: expected a number, or a ramp of (position, value) pairs"
        ) from None
    positions = [position for position, _ in ramp]
    if not ramp or positions != sorted(set(positions)) or positions[0] < 0:
        raise ValueError(f"{name}: positions of a ramp are {positions}; expected ascending from 0")
    for _, strength in ramp:
        check_strength(strength, name)
    return ramp


def strength_at(value: Strength, offset: int, length: int) -> Tensor:
    """Float32 ``(length,)``: the strength at the positions from ``offset``."""
    if isinstance(value, float):
        return torch.full((length,), value)
    positions, strengths = zip(*value, strict=True)
    found = np.interp(np.arange(offset, offset + length), positions, strengths)
    return torch.from_numpy(found.astype(np.float32))


def as_text(value: Strength) -> str:
    """A strength for people: a number, or the ends of a ramp."""
    if isinstance(value, float):
        return f"{value:g}"
    return " to ".join(f"{strength:g} at {position}" for position, strength in value)


def places_from(values: dict[str, Any]) -> Where:
    """A ``Where`` from JSON values."""
    intervals = tuple(tuple(interval) for interval in values.get("intervals", ()))
    return Where(**values | {"intervals": intervals})
