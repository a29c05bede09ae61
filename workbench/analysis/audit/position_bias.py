"""What the stored feature maps show without labels: place in the window, plus against minus readings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from workbench.study.study import Study

# Parts that the kept bases of a window are cut into.
PARTS = 8


class MapCounts(NamedTuple):
    """Counts of one stretch, both readings.

    place : int64 (F, PARTS), firings by place among the kept bases of a window, in reading direction
    place_bases : int64 (PARTS)
    active : int64 (2, F), firings in the plus and the minus reading; bases : int64 (2)
    both : int64 (F), bases where both readings fire
    """

    place: np.ndarray
    place_bases: np.ndarray
    active: np.ndarray
    bases: np.ndarray
    both: np.ndarray


def count_maps(study: Study, chrom: str, start: int, end: int) -> MapCounts:
    """Count a stretch, bases that both readings can call."""
    width, stride = study.sae_config.d_sae, study.grid.stride
    readings = list(study.features.strands(chrom, start, end).values())
    use = readings[0].callable & readings[1].callable
    position = np.arange(start, end)
    cell_end = np.minimum((position // stride + 1) * stride, study.manifest.contigs[chrom])
    along = (position % stride, cell_end - 1 - position)
    place, place_bases = np.zeros((width, PARTS), np.int64), np.zeros(PARTS, np.int64)
    active, keys = np.zeros((2, width), np.int64), []
    for s, reading in enumerate(readings):
        part = along[s] * PARTS // stride
        rows = np.repeat(np.arange(end - start), np.diff(reading.features.indptr))
        keep = use[rows]
        rows, indices = rows[keep], reading.features.indices[keep].astype(np.int64)
        counts = np.bincount(indices * PARTS + part[rows], minlength=width * PARTS)
        place += counts.reshape(width, PARTS)
        place_bases += np.bincount(part[use], minlength=PARTS)
        active[s] = np.bincount(indices, minlength=width)
        keys.append(rows * width + indices)
    together = np.intersect1d(keys[0], keys[1], assume_unique=True) % width
    bases = np.full(2, int(use.sum()), np.int64)
    return MapCounts(place, place_bases, active, bases, np.bincount(together, minlength=width))


class Difference:
    """Mean difference of two rates over stretches, with its standard error between stretches."""

    def __init__(self, width: int) -> None:
        self.n = 0
        self.sum, self.square = np.zeros(width), np.zeros(width)

    def add(self, a: np.ndarray, a_bases: int, b: np.ndarray, b_bases: int) -> None:
        """Add a stretch: firings of each feature and bases, on either side; none where a side is empty."""
        if a_bases and b_bases:
            d = a / a_bases - b / b_bases
            self.n += 1
            self.sum += d
            self.square += d**2

    def z(self) -> np.ndarray:
        """Difference over its standard error, float64 (F); NaN with fewer than three stretches."""
        if self.n < 3:
            return np.full(self.sum.shape, np.nan)
        mean = self.sum / self.n
        error = np.sqrt(np.maximum(self.square / self.n - mean**2, 0) / (self.n - 1))
        out = np.full(mean.shape, np.nan)
        return np.divide(mean, error, out=out, where=error > 0)


def map_table(stretches: Iterable[MapCounts]) -> pd.DataFrame:
    """Rates and their differences by feature, from the counts of all stretches, one at least.

    Returns
    -------
    DataFrame
        ``first_rate, rest_rate, position_z`` (first eighth of the kept bases of a window against the rest),
        ``plus_rate, minus_rate, strand_z``, ``strand_overlap`` (bases where both readings fire over bases
        where either does), ``fired``.
    """
    total: MapCounts | None = None
    for s in stretches:
        if total is None:
            position, strand = Difference(len(s.both)), Difference(len(s.both))
        first, rest = s.place[:, 0], s.place[:, 1:].sum(axis=1)
        position.add(first, int(s.place_bases[0]), rest, int(s.place_bases[1:].sum()))
        strand.add(s.active[0], int(s.bases[0]), s.active[1], int(s.bases[1]))
        total = s if total is None else MapCounts(*(a + b for a, b in zip(total, s, strict=True)))
    assert total is not None
    fired = total.active.sum(axis=0)
    either = np.maximum(fired - total.both, 1)
    bases = np.maximum(total.place_bases, 1)
    return pd.DataFrame(
        {
            "fired": fired,
            "first_rate": total.place[:, 0] / bases[0],
            "rest_rate": total.place[:, 1:].sum(axis=1) / bases[1:].sum(),
            "position_z": position.z(),
            "plus_rate": total.active[0] / max(1, int(total.bases[0])),
            "minus_rate": total.active[1] / max(1, int(total.bases[1])),
            "strand_z": strand.z(),
            "strand_overlap": total.both / either,
        }
    )
