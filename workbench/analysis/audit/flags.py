"""Flags of features: what in their behaviour speaks for a shortcut, each by a written rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

SPIKE = 5.0
FIRINGS = 20
MANY = 100
RATIO = 1.5
POSITION_RATIO = 2.0
SURE = 5.0
SHIFT = 0.5
GC = 0.1
PHASE = 0.1
KMER = 0.5
COPIED = 0.5


class Flag(NamedTuple):
    """A flag: the rule in words, what it means, and the rule on the table of features (bool by row)."""

    rule: str
    meaning: str
    holds: Callable[[pd.DataFrame], pd.Series]


def _uneven(a: pd.Series, b: pd.Series, ratio: float) -> pd.Series:
    return np.maximum(a, b) >= ratio * np.minimum(a, b)


FLAGS: dict[str, Flag] = {
    "warmup": Flag(
        f"fires at least {SPIKE:g} times as often in the first 64 bases of a window as after the warm-up"
        f" ({FIRINGS} firings or more there)",
        "reacts to the beginning of a window; the warm-up is discarded, but the feature means little",
        lambda t: (t["early_fired"] >= FIRINGS) & (t["early_rate"] >= SPIKE * t["late_rate"]),
    ),
    "window_position": Flag(
        f"its rate in the first eighth of a window's kept bases differs from the rest by a factor of"
        f" {POSITION_RATIO:g} or more, |z| at least {SURE:g} between stretches ({MANY} firings or more)",
        "the warm-up is too short for it",
        lambda t: (
            (t["fired"] >= MANY)
            & _uneven(t["first_rate"], t["rest_rate"], POSITION_RATIO)
            & (t["position_z"].abs() >= SURE)
        ),
    ),
    "shift_inconsistent": Flag(
        f"its values change by {SHIFT:.0%} or more (relative L2, after the warm-up) when the window begins"
        f" half a window earlier ({FIRINGS} firings or more)",
        "its value at a base depends on where reading began",
        lambda t: (t["shift_fired"] >= FIRINGS) & (t["shift_change"] >= SHIFT),
    ),
    "strand_inconsistent": Flag(
        f"its rates in plus and minus readings differ by a factor of {RATIO:g} or more, |z| at least"
        f" {SURE:g} between stretches ({MANY} firings or more)",
        "tells the strands of this genome apart by more than its annotation should",
        lambda t: (
            (t["fired"] >= MANY)
            & _uneven(t["plus_rate"], t["minus_rate"], RATIO)
            & (t["strand_z"].abs() >= SURE)
        ),
    ),
    "gc": Flag(
        f"GC content within 50 bases explains {GC:.0%} or more of where it fires",
        "largely a detector of base composition",
        lambda t: t["gc_share"] >= GC,
    ),
    "phase": Flag(
        f"the composition of the three codon phases explains {PHASE:.0%} or more beyond GC",
        "largely a detector of three-base periodicity",
        lambda t: t["phase_share"] >= PHASE,
    ),
    "kmer": Flag(
        f"the six letters that end at a base explain {KMER:.0%} or more of where it fires",
        "largely a detector of a short word",
        lambda t: t["kmer_share"] >= KMER,
    ),
    "homology": Flag(
        f"{COPIED:.0%} or more of its firings in the report split lie in sequence that train or select hold"
        f" a near copy of ({FIRINGS} firings or more)",
        "its held-out scores are partly scores on sequence seen before",
        lambda t: (t["report_fired"] >= FIRINGS) & (t["copied_share"] >= COPIED),
    ),
}


def flag_features(table: pd.DataFrame) -> pd.Series:
    """Names of the flags of every feature (row), joined by commas; empty for none."""
    held = {name: flag.holds(table).fillna(False).to_numpy(bool) for name, flag in FLAGS.items()}
    words = [",".join(name for name, mask in held.items() if mask[row]) for row in range(len(table))]
    return pd.Series(words, index=table.index, dtype=object)
