"""Reading haplotypes with a model, and adding up features over regions in reference coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from feature_mining.feature_map import Csr, concatenate, keep_rows, take_rows
from feature_mining.sae.model import SparseAutoencoder
from genomic_models import DNAModel
from genomic_models.activations import read_activations
from genomic_models.dna import UNKNOWN, base_codes, reverse_complement
from workbench.cohort.edits import Edit, apply_edits
from workbench.cohort.store import STATISTICS
from workbench.genome.windows import Cell, Grid, Sequences


class Window(NamedTuple):
    """One strand of a cell with the context that its reading needs: ``[left, right)`` of the reference."""

    cell: Cell
    strand: str
    left: int
    right: int


def cell_window(genome: Sequences, grid: Grid, cell: Cell, strand: str, needed: tuple[int, int]) -> Window:
    """What of the reference one strand's reading of a cell sees; past the ends on a circular contig.

    The reading ends where the ``needed`` part of the cell does, and the grid's ``lookahead`` after it: what
    comes later cannot change it.
    """
    left = cell.start - grid.warmup if strand == "+" else needed[0] - grid.lookahead
    right = needed[1] + grid.lookahead if strand == "+" else cell.end + grid.warmup
    if cell.chrom not in genome.circular:
        left, right = max(0, left), min(genome.lengths[cell.chrom], right)
    return Window(cell, strand, left, right)


class Reading(NamedTuple):
    """What the model is given for one haplotype, in the direction of the reading.

    sequence : letters, the context first
    skip : leading letters to discard
    positions : int64 (rows), reference base of each letter after the context
    callable : bool (rows), full context, letter of ACGT
    """

    sequence: str
    skip: int
    positions: np.ndarray
    callable: np.ndarray


def make_reading(genome: Sequences, grid: Grid, window: Window, edits: Sequence[Edit]) -> Reading:
    """The reading of a cell by a haplotype; without edits, that of the reference."""
    cell, strand = window.cell, window.strand
    reference = genome.fetch(cell.chrom, window.left, window.right)
    letters, positions = apply_edits(reference, window.left, edits)
    if strand == "-":
        letters, positions = reverse_complement(letters), positions[::-1]
    context = positions < cell.start if strand == "+" else positions >= cell.end
    skip = int(context.sum())
    own = positions[skip:]
    known = base_codes(letters[skip:]) != UNKNOWN
    ahead = window.right - 1 - own if strand == "+" else own - window.left
    known = known & (ahead >= grid.lookahead)
    if cell.chrom not in genome.circular:
        behind = own if strand == "+" else genome.lengths[cell.chrom] - 1 - own
        known = known & (behind >= grid.warmup)
    return Reading(letters, skip, own, known)


def common_prefix(a: str, b: str) -> int:
    """Leading letters that two sequences share."""
    size = min(len(a), len(b))
    left, right = (np.frombuffer(s[:size].encode(), np.uint8) for s in (a, b))
    apart = np.flatnonzero(left != right)
    return int(apart[0]) if apart.size else size


def encode_readings(
    model: DNAModel, layer: str, sae: SparseAutoencoder, readings: Sequence[Reading], batch: int
) -> Iterator[Csr]:
    """Features of each reading, a row a letter after the context; rows that are not callable are empty.

    A causal model gives the letters before a haplotype's first difference the values of the reading before
    it; so they are taken from the first reading, and differences there are exactly 0.
    """
    first: Csr | None = None
    for start in range(0, len(readings), batch):
        group = readings[start : start + batch]
        found = read_activations(model, layer, [r.sequence for r in group])
        for reading, values in zip(group, found, strict=True):
            rows = np.ascontiguousarray(values[reading.skip :].cpu().numpy())
            features = keep_rows(sae.encode_sparse(rows), reading.callable)
            if first is None:
                first = features
            elif model.causal:
                shared = common_prefix(readings[0].sequence, reading.sequence) - reading.skip
                if shared > 0:
                    tail = take_rows(features, shared, features.n_rows)
                    features = concatenate([take_rows(first, 0, shared), tail])
            yield features


class SpanSums(NamedTuple):
    """Features added up: row ``haplotype * spans + span``, sparse over features.

    indptr int64 (rows + 1), features int32 (nnz), values float32 (nnz, 5) in the order of `STATISTICS`,
    bases int64 (rows): letters of the haplotype in the span that have a value
    """

    indptr: np.ndarray
    features: np.ndarray
    values: np.ndarray
    bases: np.ndarray


def _entries(csr: Csr, positions: np.ndarray, lo: int, hi: int) -> tuple[np.ndarray, ...]:
    """Positions, features, values of the entries in ``[lo, hi)``."""
    where = np.repeat(positions, np.diff(csr.indptr))
    keep = (where >= lo) & (where < hi)
    return where[keep], csr.indices[keep], csr.values[keep]


def _changes(
    own: tuple[np.ndarray, ...], reference: tuple[np.ndarray, ...], width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sums over bases of what rises above, and falls below, the reference: float64 (width) each."""
    key = np.concatenate([own[0] * width + own[1], reference[0] * width + reference[1]])
    difference = np.concatenate([own[2], -reference[2]]).astype(np.float64)
    unique, inverse = np.unique(key, return_inverse=True)
    total = np.bincount(inverse, difference, minlength=unique.size)
    feature = unique % width
    return (
        np.bincount(feature, np.maximum(total, 0), minlength=width),
        np.bincount(feature, np.maximum(-total, 0), minlength=width),
    )


def sum_spans(
    encoded: Sequence[tuple[Reading, Csr]], reference: tuple[Reading, Csr], spans: Sequence[tuple[int, int]]
) -> SpanSums:
    """Statistics of each reading over each span ``(start, end)`` of the reference.

    Letters that a haplotype has more count for the base they are attached to; bases that it lacks count
    nothing. ``gained`` and ``lost`` compare base with base.
    """
    counts, features, values, bases = [0], [], [], []
    base_entries = [_entries(reference[1], reference[0].positions, *span) for span in spans]
    for reading, csr in encoded:
        width = csr.n_features
        for span, expected in zip(spans, base_entries, strict=True):
            own = _entries(csr, reading.positions, *span)
            top = np.zeros(width, np.float32)
            np.maximum.at(top, own[1], own[2])
            columns: list[np.ndarray] = [
                top,
                np.bincount(own[1], own[2], minlength=width),
                np.bincount(own[1], minlength=width),
                *_changes(own, expected, width),
            ]
            table = np.stack(columns, axis=1).astype(np.float32)
            there = np.flatnonzero(table.any(axis=1))
            counts.append(there.size)
            features.append(there.astype(np.int32))
            values.append(table[there])
            inside = (reading.positions >= span[0]) & (reading.positions < span[1])
            bases.append(int((inside & reading.callable).sum()))
    return SpanSums(
        np.cumsum(counts, dtype=np.int64),
        np.concatenate(features) if features else np.zeros(0, np.int32),
        np.concatenate(values) if values else np.zeros((0, len(STATISTICS)), np.float32),
        np.array(bases, np.int64),
    )
