"""Detectors along sequence: scores tile by tile, what they keep silent on, and calls as GFF3 or BED."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from feature_mining.detection.calls import Caller, Calls
from feature_mining.detection.detector import Detector
from feature_mining.detection.domain import feature_rates, word_shares
from feature_mining.feature_map import Csr, concatenate
from genomic_models.dna import base_codes
from genomic_models.files import remove_leftovers
from workbench.errors import InputError
from workbench.files.atomic import write_atomic
from workbench.files.gff3 import gff3_header, gff3_line
from workbench.files.text import read_text
from workbench.genome.windows import Cell, Grid
from workbench.progress import Progress
from workbench.scans.source import Source
from workbench.study.study import Study
from workbench.wording import NOT_VALIDATED

# Bases of a tile, at least: whole cells that are like what a detector was made on, or not.
TILE = 1024
FORMATS = (".gff3", ".bed")
OTHER = {"+": "-", "-": "+"}


class Tile(NamedTuple):
    """Whole cells of a sequence, at least ``TILE`` bases of it, with both strands' features.

    readings : by strand, Csr (n rows) and bool (n), bases with a value; rows in genome order
    """

    chrom: str
    start: int
    end: int
    readings: dict[str, tuple[Csr, np.ndarray]]

    def describe(self, source: Source, features: np.ndarray) -> np.ndarray:
        """What `feature_mining.detection.domain` goes by, float64 (p)."""
        words = word_shares(base_codes(source.genome.fetch(self.chrom, self.start, self.end)))
        return np.concatenate([words, feature_rates(list(self.readings.values()), features)])

    def scores(self, detector: Detector) -> dict[str, np.ndarray]:
        """Scores by the strand that a call is of, plus first, float64 (n); NaN where a base has no value."""
        found = {strand: detector.score(*reading) for strand, reading in self.readings.items()}
        if detector.mode == "any":
            return {".": np.fmax(found["+"], found["-"])}
        return found if detector.mode == "same" else {strand: found[OTHER[strand]] for strand in found}


def tiles(source: Source, chrom: str, start: int = 0, end: int | None = None) -> Iterator[Tile]:
    """A sequence, or the cells that lie whole in a stretch of it, as tiles in order.

    What is left at the end, shorter than a tile, is of the one before it.
    """
    last = source.genome.lengths[chrom] if end is None else end
    ready: list[Cell] = []
    waiting: list[Cell] = []
    for cell in source.cells(chrom):
        if start <= cell.start and cell.end <= last:
            waiting.append(cell)
        if waiting and waiting[-1].end - waiting[0].start >= TILE:
            if ready:
                yield _tile(source, ready)
            ready, waiting = waiting, []
    if ready or waiting:
        yield _tile(source, ready + waiting)


def _tile(source: Source, cells: list[Cell]) -> Tile:
    parts: dict[str, list[tuple[Csr, np.ndarray]]] = {"+": [], "-": []}
    for piece in source.read(cells):
        parts[piece.strand].append((piece.features, piece.valued))
    readings = {
        strand: (concatenate([csr for csr, _ in own]), np.concatenate([use for _, use in own]))
        for strand, own in parts.items()
    }
    return Tile(cells[0].chrom, cells[0].start, cells[-1].end, readings)


def read_detector(path: Path) -> Detector:
    """A detector's file; ``InputError`` where it is none, with its line and field."""
    try:
        return Detector.from_json(read_text(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def check_detector(study: Study, detector: Detector) -> None:
    """Raise ``InputError`` for a detector of another model, autoencoder, layer or way of reading."""
    try:
        detector.check(study.manifest.model.weights_hash, study.sae_hash)
        if detector.concept.layer != study.layer:
            raise ValueError(f"it reads {detector.concept.layer}, the study's autoencoder {study.layer}")
        if Grid(detector.window, detector.warmup) != study.grid:
            raise ValueError(
                f"it was made on windows of {detector.window} bases with {detector.warmup} of warm-up; those"
                f" of {study.folder} are {study.grid.window} and {study.grid.warmup}: scores differ"
            )
        width = study.sae_config.d_sae
        if (last := max(*detector.concept.features, *detector.domain.features.tolist(), 0)) >= width:
            raise ValueError(f"it knows feature {last}; the autoencoder has 0 to {width - 1}")
    except ValueError as error:
        raise InputError(f"detector {detector.name}: {error}") from None


class Scanned(NamedTuple):
    """What a scan came to.

    calls : how many; judged, abstained, unread : bases of sequence
    """

    calls: int
    judged: int
    abstained: int
    unread: int

    def __str__(self) -> str:
        bases = max(1, self.judged + self.abstained + self.unread)
        return (
            f"{self.calls:,} calls; {self.judged / bases:.1%} of {bases:,} bases judged,"
            f" {self.abstained / bases:.1%} unlike what it was made on,"
            f" {self.unread / bases:.1%} without a value"
        )


def scan(study: Study, detector: Detector, source: Source, out: Path, progress: Progress) -> Scanned:
    """Write the calls along all sequence, both strands, as GFF3 or BED, atomically.

    Where sequence is unlike what the detector was made on nothing is called, and the stretch is written as
    abstained. Memory is that of a tile.

    Raises ``InputError`` for a detector that does not belong to the study, and another suffix.
    """
    check_detector(study, detector)
    if out.suffix not in FORMATS:
        raise InputError(f"{out}: unknown suffix {out.suffix!r}; expected {' or '.join(FORMATS)}")
    if not out.resolve().parent.is_dir():
        raise InputError(f"{out}: no such folder; make it first")
    remove_leftovers(out.parent, out.name)
    lengths = source.genome.lengths
    line = _gff3 if out.suffix == ".gff3" else _bed
    count: Counter[str] = Counter()
    progress.begin("scanning", sum(lengths.values()), "bases")
    with write_atomic(out) as temporary, temporary.open("w", encoding="utf-8") as handle:
        handle.write(gff3_header(lengths) if out.suffix == ".gff3" else "")
        handle.write(f"# {NOT_VALIDATED}: {detector}\n")
        for chrom in lengths:
            for row in _rows(detector, source, chrom, count, progress):
                count[row.kind] += 1
                handle.write(line(detector, row, count[row.kind]))
    progress.end()
    return Scanned(count["call"], count["judged"], count["silent"], count["unread"])


class _Row(NamedTuple):
    """A call, or a stretch on which the detector abstained."""

    chrom: str
    start: int
    end: int
    strand: str
    kind: str
    peak: float = float("nan")


def _rows(
    detector: Detector, source: Source, chrom: str, count: Counter[str], progress: Progress
) -> Iterator[_Row]:
    callers: dict[str, Caller] = {}
    silent: tuple[int, int] | None = None
    for tile in tiles(source, chrom):
        scores = tile.scores(detector)
        known = ~np.all([np.isnan(own) for own in scores.values()], axis=0)
        like = bool(detector.domain.covers(tile.describe(source, detector.domain.features)[None])[0])
        count["judged" if like else "silent"] += int(known.sum())
        count["unread"] += int((~known).sum())
        if not like and known.any():
            silent = (silent[0] if silent else tile.start, tile.end)
        elif silent:
            yield _Row(chrom, *silent, ".", "abstained")
            silent = None
        for strand, own in scores.items():
            caller = callers.setdefault(strand, Caller(detector.threshold, detector.gap))
            yield from _calls(chrom, strand, caller.read(own if like else np.full(len(own), np.nan)))
        progress.advance(tile.end - tile.start)
    for strand, caller in callers.items():
        yield from _calls(chrom, strand, caller.end())
    if silent:
        yield _Row(chrom, *silent, ".", "abstained")


def _calls(chrom: str, strand: str, calls: Calls) -> Iterator[_Row]:
    for start, end, peak in zip(*(column.tolist() for column in calls), strict=True):
        yield _Row(chrom, start, end, strand, "call", peak)


def _gff3(detector: Detector, row: _Row, number: int) -> str:
    if row.kind != "call":
        attributes = {"ID": f"abstained{number}", "Name": "abstained: unlike what it was made on"}
        return gff3_line(row.chrom, row.start, row.end, ".", row.strand, attributes, "region")
    probability = float(detector.probability(np.array([row.peak]))[0])
    attributes = {
        "ID": f"call{number}",
        "Name": detector.track,
        "detector": detector.name,
        "probability": f"{probability:.4f}",
        "level": f"{row.peak:.6g}",
    }
    return gff3_line(row.chrom, row.start, row.end, f"{probability:.4f}", row.strand, attributes)


def _bed(detector: Detector, row: _Row, number: int) -> str:
    probability = float(detector.probability(np.array([row.peak]))[0]) if row.kind == "call" else 0.0
    name = "_".join(detector.track.split()) if row.kind == "call" else "abstained"
    return f"{row.chrom}\t{row.start}\t{row.end}\t{name}\t{round(1000 * probability)}\t{row.strand}\n"
