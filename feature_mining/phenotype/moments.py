"""The one pass over the feature matrix that every linear test needs."""

from __future__ import annotations

import numpy as np
from numba import njit, prange


def moments(
    values: np.ndarray, basis: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Products of every feature with every column, and its weighted sum of squares.

    Parameters
    ----------
    values : float32 or float64 (n_features, n_samples), no NaN
    basis : float64 (n_samples, k)
    weights : float64 (n_samples,)

    Returns
    -------
    products : float64 (n_features, k), ``values @ basis``
    squares : float64 (n_features,), ``values**2 @ weights``

    Notes
    -----
    Sums run in float64 whatever the type of `values`; nothing the size of `values` is allocated.
    """
    columns = np.ascontiguousarray(basis.T, dtype=np.float64)
    rows = np.ascontiguousarray(values)
    products: np.ndarray
    squares: np.ndarray
    products, squares = _moments(rows, columns, np.ascontiguousarray(weights, dtype=np.float64))
    return products, squares


# Sums may be reordered (that is what makes them vector code); NaN and infinity keep their meaning.
@njit(parallel=True, cache=True, fastmath={"reassoc", "contract"})
def _moments(values, columns, weights):
    n_features, n = values.shape
    k = columns.shape[0]
    products = np.empty((n_features, k))
    squares = np.empty(n_features)
    for i in prange(n_features):
        row = values[i]
        total = 0.0
        for s in range(n):
            v = np.float64(row[s])
            total += v * v * weights[s]
        squares[i] = total
        j = 0
        # Four columns at a time: the row is read and widened once for the four.
        while j + 4 <= k:
            c0, c1, c2, c3 = columns[j], columns[j + 1], columns[j + 2], columns[j + 3]
            a0 = a1 = a2 = a3 = 0.0
            for s in range(n):
                v = np.float64(row[s])
                a0 += v * c0[s]
                a1 += v * c1[s]
                a2 += v * c2[s]
                a3 += v * c3[s]
            products[i, j], products[i, j + 1] = a0, a1
            products[i, j + 2], products[i, j + 3] = a2, a3
            j += 4
        while j < k:
            column = columns[j]
            a0 = 0.0
            for s in range(n):
                a0 += np.float64(row[s]) * column[s]
            products[i, j] = a0
            j += 1
    return products, squares
