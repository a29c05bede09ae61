"""Readings of a split with their labels, held in memory: what probes and counts of tracks are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from feature_mining.association.histogram import Histogram, add_dense, add_sparse
from feature_mining.association.labels import Column, LabelStates
from feature_mining.association.probe import Sample
from feature_mining.association.sparse import bin_values, by_feature
from feature_mining.feature_map import Csr, concatenate, select_rows
from workbench.analysis.detectors import N_BINS, WeightedCounts
from workbench.analysis.kept_readings import read_kept
from workbench.analysis.labels import labels_of
from workbench.analysis.sample import sample

if TYPE_CHECKING:
    from workbench.progress import Progress
    from workbench.study.study import Study

# Activations held at once, as numbers (512 MiB in float32).
MOST_NUMBERS = 1 << 27


class Labelled(NamedTuple):
    """One strand of one cell.

    activations : float32 (n, d); features : Csr, n rows; labels : LabelStates; use : bool (n), callable
    weight : of every base
    """

    activations: np.ndarray
    features: Csr
    labels: LabelStates
    use: np.ndarray
    weight: float


class Stacked(NamedTuple):
    """The callable bases of many readings.

    activations : float32 (n, d); sample : features, labels bool (n, C) and weights
    """

    activations: np.ndarray
    sample: Sample


def read_labelled(
    study: Study, split: str, bases: int, columns: list[Column], progress: Progress
) -> list[Labelled]:
    """Both strands of the drawn cells of a split, at most about ``bases`` bases; empty where it has none.

    Fewer where the layer is so wide that their activations would take more than ``MOST_NUMBERS``.
    """
    room = MOST_NUMBERS // (2 * study.manifest.model.d_model)
    drawn = sample(study, split, min(bases, max(room, study.grid.stride)))
    weight = {d.cell: d.weight for d in drawn}
    found = []
    for reading in read_kept(study, weight, keep=weight):
        cell = reading.cell
        values = np.ascontiguousarray(reading.activations)
        labels = labels_of(study, columns, cell.chrom, cell.start, cell.end, reading.strand)
        found.append(
            Labelled(values, study.sae.encode_sparse(values), labels, reading.callable, weight[cell])
        )
        progress.advance(len(values) / 2)
    return found


def stack(readings: Sequence[Labelled]) -> Stacked:
    """Callable bases of all readings. Raises ``ValueError`` for no readings."""
    return Stacked(
        np.concatenate([r.activations[r.use] for r in readings]),
        Sample(
            concatenate([select_rows(r.features, r.use) for r in readings]),
            np.concatenate([r.labels.table[r.labels.states[r.use]] for r in readings]),
            np.concatenate([np.full(int(r.use.sum()), r.weight) for r in readings]),
        ),
    )


Counter = Callable[[Histogram, Labelled], None]


def feature_counter(edges: np.ndarray) -> Counter:
    """Counts features, binned at ``edges`` float32 (F, N_BINS - 2)."""

    def count(histogram: Histogram, reading: Labelled) -> None:
        features = by_feature(*reading.features)
        bins = bin_values(features, edges)
        add_sparse(histogram, features, bins, reading.labels, reading.use)

    return count


def neuron_counter(edges: np.ndarray) -> Counter:
    """Counts the numbers of the layer, binned at ``edges`` float32 (d, N_BINS - 1)."""

    def count(histogram: Histogram, reading: Labelled) -> None:
        add_dense(histogram, reading.activations, edges, reading.labels, reading.use)

    return count


def count_weighted(
    readings: Sequence[Labelled], detectors: int, columns: int, count: Counter
) -> WeightedCounts:
    """Counts of all readings, each with its weight."""
    total = WeightedCounts(detectors, columns)
    ordered = sorted(readings, key=lambda r: r.weight)
    for weight, group in groupby(ordered, key=lambda r: r.weight):
        fresh = Histogram.empty(detectors, N_BINS, columns)
        for reading in group:
            count(fresh, reading)
        total.add(fresh, weight)
    return total
