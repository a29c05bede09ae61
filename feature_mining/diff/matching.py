"""Features of two dictionaries matched by what they do on the same bases, coordinates their one language.

The null shifts one of them along the bases, all of its features together: what they are stays, where they
are is another place. Features are matched anew at every shift, so that the best of many is compared with the
best of many.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix

from feature_mining.feature_map import Csr

# Features of a side that are matched, those that are active most often first; it takes about width³ steps.
WIDEST = 4096


class Universality(NamedTuple):
    """How alike two dictionaries are on the same bases.

    feature, partner : int64 (n), pairs, of features active in at least `fewest` bases
    correlation : float64 (n), Pearson's of their activations
    chance : float64 (n), mean of the feature's matched correlation over the shifts
    p : float64 (n), of its matched correlation among those of the shifts; smallest 1 / (1 + shifts)
    score : mean correlation over all features of the first side that could be matched
    null : float64 (shifts), the same of every shift
    """

    feature: np.ndarray
    partner: np.ndarray
    correlation: np.ndarray
    chance: np.ndarray
    p: np.ndarray
    score: float
    null: np.ndarray


def sparse(features: Csr) -> csr_matrix:
    """Activations as a sparse matrix (bases, features) of float64."""
    shape = (features.n_rows, features.n_features)
    return csr_matrix((features.values.astype(np.float64), features.indices, features.indptr), shape)


def correlations(x: csr_matrix, y: csr_matrix) -> np.ndarray:
    """Pearson's correlation of every column of ``x`` with every one of ``y``, float64; 0 of a constant."""
    n = x.shape[0]
    means = [np.asarray(each.mean(axis=0)).ravel() for each in (x, y)]
    squares = [np.asarray(each.multiply(each).mean(axis=0)).ravel() for each in (x, y)]
    a, b = (np.sqrt(np.maximum(s - m**2, 0)) for s, m in zip(squares, means, strict=True))
    covariance = (x.T @ y).toarray() / n - np.outer(means[0], means[1])
    spread = np.outer(a, b)
    return np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 0)


def match_by_activation(x: csr_matrix, y: csr_matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of columns, one to one, whose correlations add up to the most: rows, columns, correlations."""
    found = correlations(x, y)
    rows, columns = linear_sum_assignment(found, maximize=True)
    return rows, columns, found[rows, columns]


def universality(a: Csr, b: Csr, shifts: int, seed: int, fewest: int = 10) -> Universality:
    """Match features of ``a`` with those of ``b``, a row a base on both sides, in an order along the genome.

    Raises ``ValueError`` where the sides are of other bases, or one has no active feature.
    """
    if a.n_rows != b.n_rows:
        raise ValueError(f"activations of {a.n_rows} and of {b.n_rows} bases: expected the same bases")
    x, y = sparse(a), sparse(b)
    own, other = _active(x, fewest), _active(y, fewest)
    if not own.size or not other.size:
        raise ValueError(f"no feature of one side is active at {fewest} of {a.n_rows} bases or more")
    x, y = x[:, own], y[:, other]
    rows, columns, found = match_by_activation(x, y)
    random = np.random.default_rng([seed, 13])
    # A shift of less than a tenth would leave long features where they were.
    steps = random.integers(a.n_rows // 10, a.n_rows - a.n_rows // 10, shifts)
    matched = np.full((shifts, len(own)), np.nan)
    for row, step in zip(matched, steps, strict=True):
        order = (np.arange(a.n_rows) + step) % a.n_rows
        at, _, values = match_by_activation(x, y[order])
        row[at] = values
    drawn = matched[:, rows]
    # Where one side is the wider one, a shift may leave a feature without a partner: it then has nothing.
    drawn = np.nan_to_num(drawn, nan=0.0)
    p = (1 + (drawn >= found).sum(axis=0)) / (1 + shifts)
    size = min(len(own), len(other))
    null = np.nansum(matched, axis=1) / size
    chance = drawn.mean(axis=0) if shifts else np.full(len(rows), np.nan)
    return Universality(own[rows], other[columns], found, chance, p, float(found.sum() / size), null)


def _active(x: csr_matrix, fewest: int) -> np.ndarray:
    count = x.getnnz(axis=0)
    order = np.argsort(-count, kind="stable")[:WIDEST]
    return np.sort(order[count[order] >= fewest])
