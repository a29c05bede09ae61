"""Runs: stretches of active bases of a feature, short gaps bridged, found piece by piece.

The unit is that of the interval-level scores (``feature_mining.association.intervals``): a base is active at
the feature's frozen threshold, and up to ``gap`` inactive bases are bridged. Where the genome was cut into
shards changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from workbench.export.choice import Choice
from workbench.export.stream import Piece

# A run ``[start, end)``: largest value, sum of values and number of its active bases.
RUN = np.dtype(
    [
        ("start", np.int64),
        ("end", np.int64),
        ("max", np.float32),
        ("sum", np.float64),
        ("active", np.int64),
        ("choice", np.int32),
        ("minus", np.bool_),
    ]
)


def find_runs(positions: np.ndarray, values: np.ndarray, gap: int) -> np.ndarray:
    """Runs (RUN) of ascending active positions int64 (n) with values float32 (n)."""
    if positions.size == 0:
        return np.zeros(0, RUN)
    first = np.flatnonzero(np.diff(positions, prepend=positions[0] - gap - 2) > gap + 1)
    last = np.append(first[1:], positions.size) - 1
    runs = np.zeros(first.size, RUN)
    runs["start"], runs["end"] = positions[first], positions[last] + 1
    runs["max"] = np.maximum.reduceat(values, first)
    runs["sum"] = np.add.reduceat(values.astype(np.float64), first)
    runs["active"] = last - first + 1
    return runs


def join(earlier: np.ndarray, runs: np.ndarray, gap: int) -> np.ndarray:
    """Runs after at most one earlier run, made one with the first where the gap allows it."""
    if not (earlier.size and runs.size) or runs["start"][0] - earlier["end"][0] > gap:
        return np.concatenate([earlier, runs])
    runs = runs.copy()
    runs["start"][0] = earlier["start"][0]
    runs["max"][0] = max(runs["max"][0], earlier["max"][0])
    for name in ("sum", "active"):
        runs[name][0] += earlier[name][0]
    return runs


def genome_runs(stream: Iterator[Piece], chosen: list[Choice], gap: int) -> Iterator[tuple[str, np.ndarray]]:
    """Batches (contig, runs), in order of contig, then start, end, choice, plus before minus."""
    for chrom, stretch in groupby(stream, key=lambda piece: piece.chrom):
        unfinished: dict[tuple[int, str], np.ndarray] = {}
        waiting = [np.zeros(0, RUN)]
        for piece in stretch:
            for strand, reading in piece.readings.items():
                for i, choice in enumerate(chosen):
                    rows, values = reading.values(choice.feature)
                    on = choice.active(values)
                    runs = find_runs(rows[on] + piece.start, values[on], gap)
                    runs["choice"], runs["minus"] = i, strand == "-"
                    runs = join(unfinished.pop((i, strand), runs[:0]), runs, gap)
                    if runs.size and piece.end - runs["end"][-1] <= gap:
                        unfinished[i, strand] = runs[-1:]
                        runs = runs[:-1]
                    waiting.append(runs)
            # No run that is still to come begins before this base.
            horizon = min([piece.end, *(int(r["start"][0]) for r in unfinished.values())])
            found = np.concatenate(waiting)
            ready = found["start"] < horizon
            yield chrom, _ordered(found[ready])
            waiting = [found[~ready]]
        yield chrom, _ordered(np.concatenate([*waiting, *unfinished.values()]))


def _ordered(runs: np.ndarray) -> np.ndarray:
    return runs[np.lexsort((runs["minus"], runs["choice"], runs["end"], runs["start"]))]
