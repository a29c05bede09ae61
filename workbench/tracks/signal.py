"""Signal tracks: a value a base, from bigWig or bedGraph; missing stays missing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from workbench.errors import InputError
from workbench.files.contained import ReadFailure, read_foreign
from workbench.files.numbers import parse_number, parse_whole
from workbench.files.text import read_lines, stem_of, suffix_of
from workbench.tracks.bed import is_display
from workbench.tracks.track import Contigs, Track, check_span, empty_intervals
from workbench.wording import visible_name

BIGWIG = (".bw", ".bigwig")


class BigWig:
    """A bigWig file, read where asked, in a child process."""

    def __init__(self, path: Path, contigs: Contigs) -> None:
        self.path = path
        if not path.exists():
            raise InputError(f"{path}: no such file")
        lengths = json.loads(b"".join(self._read("signal_contigs")))
        if lengths is None:
            raise InputError(f"{path}: this is a bigBed; expected a bigWig")
        self.lengths: dict[str, int] = {visible_name(own): length for own, length in lengths.items()}
        self.counts = dict.fromkeys(self.lengths, 1)
        self._contigs = contigs
        self._own: dict[str, str] = {}
        for own, length in lengths.items():
            target = contigs.target(visible_name(own))
            if target is None or target not in contigs.lengths:
                continue
            if length != contigs.lengths[target]:
                raise InputError(
                    f"{path}: {own} has {length} bases here, {contigs.lengths[target]} in the genome; is"
                    " this the signal of another assembly?"
                )
            self._own[target] = own

    def _read(self, reading: str, *arguments: object) -> Iterator[bytes]:
        try:
            yield from read_foreign(reading, self.path, *arguments)
        except ReadFailure as error:
            raise InputError(f"{self.path}: not readable as bigWig ({error})") from None

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """float32 ``(end - start)``; NaN where the file says nothing. ``InputError`` where it is damaged."""
        chrom, start, end = self._contigs.stretch(chrom, start, end)
        if chrom not in self._own:
            return np.full(end - start, np.nan, np.float32)
        found = bytearray().join(self._read("signal_values", self._own[chrom], start, end))
        return np.frombuffer(found, np.float32)


class _Spans(NamedTuple):
    start: np.ndarray
    end: np.ndarray
    value: np.ndarray


def _on_ring(span: tuple[int, int, float], length: int) -> list[tuple[int, int, float]]:
    """A span of a contig, cut in two where it goes on over the origin of a circular one."""
    start, end, value = span
    parts = [(start, min(end, length), value), (max(0, start - length), end - length, value)]
    return [part for part in parts if part[0] < part[1]]


class BedGraph:
    """A bedGraph file, plain or gzipped, kept in memory as intervals."""

    def __init__(self, path: Path, contigs: Contigs) -> None:
        rows: dict[str, list[tuple[int, int, float]]] = {}
        self.counts: Counter[str] = Counter()
        for number, line in read_lines(path):
            if not line.strip() or is_display(line):
                continue
            where, fields = f"{path}: line {number:,}", line.split()
            try:
                chrom, start, end, value = fields
                span = (parse_whole(start), parse_whole(end), parse_number(value))
            except ValueError:
                raise InputError(
                    f"{where}: {line[:60]!r}; expected chrom, start, end and a number (bedGraph); a place"
                    " without a value has no line"
                ) from None
            check_span(where, chrom, span[0], span[1], contigs)
            self.counts[chrom] += 1
            target = contigs.target(chrom)
            if target is not None:
                length = contigs.lengths.get(target, span[1])
                rows.setdefault(target, []).extend(_on_ring(span, length))
        if not self.counts:
            raise InputError(f"{path}: no value in it; expected bedGraph lines")
        self._contigs = contigs
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
        chrom, start, end = self._contigs.stretch(chrom, start, end)
        out = np.full(end - start, np.nan, np.float32)
        spans = self._spans.get(chrom)
        if spans is None:
            return out
        lo, hi = (np.searchsorted(spans.end, start, "right"), np.searchsorted(spans.start, end, "left"))
        first = np.maximum(spans.start[lo:hi], start) - start
        size = np.minimum(spans.end[lo:hi], end) - start - first
        at = np.repeat(first - (np.cumsum(size) - size), size) + np.arange(size.sum())
        out[at] = np.repeat(spans.value[lo:hi], size)
        return out


def read_signal(path: Path, contigs: Contigs) -> list[Track]:
    """One track of kind ``signal`` from a bigWig or bedGraph; raises ``InputError``."""
    kind = BigWig if suffix_of(path) in BIGWIG else BedGraph
    return [Track(stem_of(path), empty_intervals(), str(path), "signal", signal=kind(path, contigs))]
