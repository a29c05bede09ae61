"""Signals as means of bins, at any zoom: of files, and of the sequence itself (GC content and GC skew)."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import NamedTuple

import numpy as np

from workbench.genome.interval import Interval
from workbench.genome.reference import Genome

# Bases a bin of the sums that are kept of a contig once it has been seen from afar.
STEP = 64
# Bases read at once.
_PIECE = 1 << 20
Values = Callable[[str, int, int], np.ndarray]


class Bins(NamedTuple):
    """Adjoining bins of ``size`` bases from ``start`` on; ``means`` float32 (n), NaN: no value."""

    start: int
    size: int
    means: np.ndarray


class SignalBins:
    """A signal in bins; several threads may share it.

    Parameters
    ----------
    values : callable
        ``(chrom, start, end)`` to float32 ``(end - start)``, NaN where there is no value, as
        `workbench.tracks.track.SignalTrack` has it.
    """

    def __init__(self, values: Values) -> None:
        self._values = values
        self._kept: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._lock = RLock()

    def means(self, locus: Interval, size: int, length: int) -> Bins:
        """Means over bins of ``size`` bases (a power of two) that cover a stretch.

        ``length``: of the contig. Bins are the same wherever the stretch begins; the last of a contig may be
        shorter. From ``STEP`` on, the contig is read through once, whatever the stretch.
        """
        first, last = locus.start // size * size, min(length, -(-locus.end // size) * size)
        if size < STEP:
            sums, counts = _summed(self._values(locus.chrom, first, last), size)
        else:
            part = slice(first // STEP, -(-last // STEP))
            sums, counts = (_joined(whole[part], size // STEP) for whole in self._whole(locus.chrom, length))
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(counts > 0, sums / counts, np.nan)
        return Bins(first, size, means.astype(np.float32))

    def _whole(self, chrom: str, length: int) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            if chrom not in self._kept:
                pieces = range(0, length, _PIECE)
                read = [_summed(self._values(chrom, a, min(length, a + _PIECE)), STEP) for a in pieces]
                self._kept[chrom] = (
                    np.concatenate([sums for sums, _ in read]),
                    np.concatenate([counts for _, counts in read]),
                )
            return self._kept[chrom]


def _summed(values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums float64 and numbers of values int64 by bin; the last bin may be short."""
    known = np.isfinite(values)
    left = np.arange(0, values.size, size)
    sums = np.add.reduceat(np.where(known, values, 0).astype(np.float64), left)
    return sums, np.add.reduceat(known.astype(np.int64), left)


def _joined(sums: np.ndarray, many: int) -> np.ndarray:
    return np.add.reduceat(sums, np.arange(0, sums.size, many))


def gc_content(genome: Genome) -> SignalBins:
    """Share of G and C among the bases that are A, C, G or T."""
    return _of_letters(genome, {"A": 0, "T": 0, "G": 1, "C": 1})


def gc_skew(genome: Genome) -> SignalBins:
    """(G - C) / (G + C)."""
    return _of_letters(genome, {"G": 1, "C": -1})


def _of_letters(genome: Genome, worth: dict[str, int]) -> SignalBins:
    table = np.full(256, np.nan, np.float32)
    for letter, value in worth.items():
        table[ord(letter)] = table[ord(letter.lower())] = value

    def values(chrom: str, start: int, end: int) -> np.ndarray:
        letters = genome.fetch(chrom, start, end).encode("ascii", "replace")
        return table[np.frombuffer(letters, np.uint8)]

    return SignalBins(values)
