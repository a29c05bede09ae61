"""Numbers as files write them: what Python alone would take for one (``1_000``, other digits) is none."""

from __future__ import annotations

import math


def parse_whole(text: str) -> int:
    """A whole number; ``ValueError`` for anything else."""
    return int(_plain(text))


def parse_number(text: str) -> float:
    """A finite number; ``ValueError`` for anything else."""
    value = float(_plain(text))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _plain(text: str) -> str:
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text
