"""The controls beside the features: raw neurons, principal directions, the whole layer, composition."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from feature_mining.association import composition
from feature_mining.association.curves import average_precision
from feature_mining.association.histogram import Histogram
from feature_mining.association.labels import LabelStates
from feature_mining.association.scores import BLOCK_CELLS
from feature_mining.association.sparse import by_feature, dense_edges
from feature_mining.feature_map import Csr
from feature_mining.sae.calibrate import Calibration
from feature_mining.sae.model import SparseAutoencoder
from genomic_models.dna import reverse_complement_codes

N_BINS = 65
# Of the linear probe, in units of the activations' mean variance.
RIDGE = 1e-3


class Source(NamedTuple):
    """An autoencoder with its bin edges."""

    sae: SparseAutoencoder
    calibration: Calibration

    def scores(self, activations: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Values float32 (n, len(chosen)) of the chosen features; 0 for a feature of -1."""
        return chosen_values(self.sae.encode_sparse(np.ascontiguousarray(activations)), chosen)


def chosen_values(features: Csr, chosen: np.ndarray) -> np.ndarray:
    """Values float32 (n, len(chosen)) of the chosen features; 0 for a feature of -1."""
    turned = by_feature(*features)
    values = np.zeros((features.n_rows, len(chosen)), np.float32)
    for c, f in enumerate(chosen):
        if f >= 0:
            at = slice(turned.indptr[f], turned.indptr[f + 1])
            values[turned.rows[at], c] = turned.values[at]
    return values


class Directions(NamedTuple):
    """Dense detectors, read in both signs: columns of ``axes`` with bin edges of their projections.

    centre : float32 (d); axes : float32 (d, m), or empty for the neurons themselves
    edges : float32 (m, N_BINS - 1)
    """

    centre: np.ndarray
    axes: np.ndarray
    edges: np.ndarray

    @classmethod
    def neurons(cls, sample: np.ndarray) -> Directions:
        """The layer's own axes, from a sample of activations float32 (n, d)."""
        width = sample.shape[1]
        nothing = np.zeros((width, 0), np.float32)
        return cls(np.zeros(width, np.float32), nothing, dense_edges(sample, N_BINS - 1))

    @classmethod
    def principal(cls, sample: np.ndarray) -> Directions:
        """All principal directions of a sample, by falling variance."""
        centre = sample.mean(axis=0, dtype=np.float64)
        covariance = np.cov(sample - centre, rowvar=False)
        axes = np.linalg.eigh(np.atleast_2d(covariance))[1][:, ::-1].astype(np.float32)
        # The sign of an eigenvector is nobody's choice: the largest entry is made positive.
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        made = cls(centre.astype(np.float32), axes, np.zeros((0, 0), np.float32))
        return made._replace(edges=dense_edges(made.project(sample), N_BINS - 1))

    def project(self, activations: np.ndarray) -> np.ndarray:
        """Values float32 (n, m) of every detector."""
        return (activations - self.centre) @ self.axes if self.axes.size else activations

    def scores(self, activations: np.ndarray, chosen: np.ndarray, flipped: np.ndarray) -> np.ndarray:
        """Values float32 (n, len(chosen)) of the chosen detectors, negative where flipped."""
        values = self.project(activations)[:, chosen]
        return np.where(flipped, -values, values).astype(np.float32)


class Moments(NamedTuple):
    """Weighted sums for a linear probe; additive.

    total : float64 (); x : (d); xx : (d, d); y : (C); xy : (d, C)
    """

    total: np.ndarray
    x: np.ndarray
    xx: np.ndarray
    y: np.ndarray
    xy: np.ndarray

    @classmethod
    def of(cls, activations: np.ndarray, labels: np.ndarray, weight: float) -> Moments:
        """Sums over bases (activations (n, d), labels bool (n, C)) of one weight."""
        x, y = activations.astype(np.float64), labels.astype(np.float64)
        sums = (np.float64(len(x)), x.sum(axis=0), x.T @ x, y.sum(axis=0), x.T @ y)
        return cls(*(weight * np.asarray(s) for s in sums))

    def plus(self, other: Moments) -> Moments:
        """Both together."""
        return Moments(*(a + b for a, b in zip(self, other, strict=True)))

    def probe(self) -> np.ndarray:
        """Ridge least-squares weights float64 (d, C): Fisher's direction for every column at once."""
        mean, rate = self.x / self.total, self.y / self.total
        covariance = self.xx / self.total - np.outer(mean, mean)
        size = len(covariance)
        ridge = RIDGE * max(float(np.trace(covariance)) / size, 1e-30) * np.eye(size)
        target: np.ndarray = self.xy / self.total - np.outer(mean, rate)
        return np.linalg.solve(covariance + ridge, target)


class WeightedCounts:
    """Histogram counts of detectors on columns, cells weighted: float64 (F, N_BINS, C) and (F, N_BINS)."""

    def __init__(self, n_detectors: int, n_columns: int) -> None:
        self.positive = np.zeros((n_detectors, N_BINS, n_columns))
        self.all = np.zeros((n_detectors, N_BINS))

    def add(self, histogram: Histogram, weight: float) -> None:
        """Count what was counted on cells of one weight."""
        self.positive += weight * histogram.positive
        self.all += weight * histogram.all


def precisions(positive: np.ndarray, all_: np.ndarray, silent_bin: bool) -> np.ndarray:
    """Average precision float64 (F, C) of every detector; -1 where it never fires or has no positives.

    Parameters
    ----------
    positive : (F, N_BINS, C); all_ : (F, N_BINS)
    silent_bin : whether bin 0 means "does not fire" (sparse features)
    """
    found = np.full((len(all_), positive.shape[2]), -1.0)
    step = max(1, BLOCK_CELLS // max(1, positive[0].size))
    for start in range(0, len(all_), step):
        rows = slice(start, start + step)
        found[rows] = average_precision(positive[rows], all_[rows])
    if silent_bin:
        found[all_[:, 1:].sum(axis=1) == 0] = -1
    return np.nan_to_num(found, nan=-1.0)


# -- composition ----------------------------------------------------------------------------------

# Bases on both sides of a cell that its composition is read from.
HALO = composition.PHASE_WINDOW + composition.LONGEST


def composition_reading(
    codes: np.ndarray, labels: LabelStates, strand: str, use: np.ndarray
) -> composition.Reading:
    """A cell's reading for the composition model; ``codes`` (+ strand) with ``HALO`` on both sides."""
    states = np.pad(labels.states, HALO)
    mask = np.pad(use, HALO)
    if strand == "-":
        codes, states, mask = reverse_complement_codes(codes), states[::-1], mask[::-1]
    return composition.Reading(codes, states, labels.table, mask)


def composition_scores(model: composition.CompositionModel, codes: np.ndarray, strand: str) -> np.ndarray:
    """Log-odds float32 (cell, C), a row a base in genome order."""
    turned = codes if strand == "+" else reverse_complement_codes(codes)
    scores = model.score(turned)[HALO:-HALO]
    return scores if strand == "+" else scores[::-1]
