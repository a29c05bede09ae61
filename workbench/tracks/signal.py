"""Signal tracks: a value a base, from bigWig or bedGraph; missing stays missing."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pybigtools

from workbench.errors import InputError
from workbench.text import read_lines, stem_of, suffix_of
from workbench.tracks.track import Contigs, Track, check_span, empty_intervals

_BIGWIG = (".bw", ".bigwig")


class SignalTrack(Protocol):
    """Values of a signal over the genome.

    Attributes
    ----------
    counts : mapping
        Name in the file to how much is there: intervals of a bedGraph, 1 a contig of a bigWig.
    """

    @property
    def counts(self) -> Mapping[str, int]: ...

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """float32 ``(end - start)`` of ``[start, end)``; NaN where the file says nothing."""
        ...


class BigWig:
    """A bigWig file, read where asked."""

    def __init__(self, path: Path, contigs: Contigs) -> None:
        self.path = path
        self._open()
        lengths = dict(self._file.chroms())
        self.counts = dict.fromkeys(lengths, 1)
        self._own: dict[str, str] = {}
        for own, length in lengths.items():
            target = contigs.target(own)
            if target is None or target not in contigs.lengths:
                continue
            if length != contigs.lengths[target]:
                raise InputError(
                    f"{path}: {own} has {length} bases here, {contigs.lengths[target]} in the genome; is"
                    " this the signal of another assembly?"
                )
            self._own[target] = own

    def _open(self) -> None:
        self._process = os.getpid()
        if not self.path.exists():
            raise InputError(f"{self.path}: no such file")
        try:
            self._file = pybigtools.open(str(self.path))
            readable = self._file.is_bigwig
        except Exception as error:  # pybigtools raises classes of its own
            raise InputError(f"{self.path}: not readable as bigWig ({error})") from None
        if not readable:
            raise InputError(f"{self.path}: this is a bigBed; expected a bigWig")

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """float32 ``(end - start)``; NaN where the file says nothing."""
        if chrom not in self._own or start == end:
            return np.full(end - start, np.nan, np.float32)
        # A forked process must not share the parent's place in the file.
        if self._process != os.getpid():
            self._open()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._file.values(self._own[chrom], start, end, missing=np.nan, oob=np.nan)
        return np.asarray(found, np.float32)


class _Spans(NamedTuple):
    start: np.ndarray
    end: np.ndarray
    value: np.ndarray


class BedGraph:
    """A bedGraph file, plain or gzipped, kept in memory as intervals."""

    def __init__(self, path: Path, contigs: Contigs) -> None:
        rows: dict[str, list[tuple[int, int, float]]] = {}
        self.counts: Counter[str] = Counter()
        for number, line in read_lines(path):
            if not line.strip() or line.startswith(("#", "track", "browser")):
                continue
            where, fields = f"{path}: line {number:,}", line.split()
            try:
                chrom, start, end, value = fields
                span = (int(start), int(end), float(value))
            except ValueError:
                raise InputError(
                    f"{where}: {line[:60]!r}; expected chrom, start, end and a number (bedGraph)"
                ) from None
            check_span(where, chrom, span[0], span[1], contigs)
            self.counts[chrom] += 1
            target = contigs.target(chrom)
            if target is not None:
                rows.setdefault(target, []).append(span)
        if not self.counts:
            raise InputError(f"{path}: no value in it; expected bedGraph lines")
        self._spans: dict[str, _Spans] = {}
        for chrom, spans in rows.items():
            ordered = sorted(spans)
            own = _Spans(
                np.array([s[0] for s in ordered]),
                np.array([s[1] for s in ordered]),
                np.array([s[2] for s in ordered], np.float32),
            )
            clash = np.flatnonzero(own.start[1:] < own.end[:-1])
            if clash.size:
                raise InputError(
                    f"{path}: intervals of {chrom} overlap at {own.start[clash[0] + 1]}; bedGraph allows"
                    " one value a base"
                )
            self._spans[chrom] = own

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """float32 ``(end - start)``; NaN where the file says nothing."""
        out = np.full(end - start, np.nan, np.float32)
        spans = self._spans.get(chrom)
        if spans is None:
            return out
        lo, hi = (
            np.searchsorted(spans.end, start, "right"),
            np.searchsorted(spans.start, end, "left"),
        )
        first = np.maximum(spans.start[lo:hi], start) - start
        size = np.minimum(spans.end[lo:hi], end) - start - first
        at = np.repeat(first - (np.cumsum(size) - size), size) + np.arange(size.sum())
        out[at] = np.repeat(spans.value[lo:hi], size)
        return out


def read_signal(path: Path, contigs: Contigs) -> list[Track]:
    """One track of kind ``signal`` from a bigWig or bedGraph; raises ``InputError``."""
    kind = BigWig if suffix_of(path) in _BIGWIG else BedGraph
    return [
        Track(stem_of(path), empty_intervals(), str(path), "signal", signal=kind(path, contigs))
    ]
