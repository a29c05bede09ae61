"""The one pass over the feature matrix that every linear test needs."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from feature_mining.threads import use_threads


def moments(values: np.ndarray, basis: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    use_threads()
    products, squares = _moments(rows, columns, np.ascontiguousarray(weights, dtype=np.float64))
    return products, squares


# Sums may be reordered (that is what makes them vector code); NaN and infinity keep their meaning.
@njit(parallel=True, cache=True, fastmath={"reassoc", "contract"})
def _moments(values, columns, weights):
    n_features, n = values.shape
    k = columns.shape[0]
    products = np.empty((n_features, k))
    squares = np.empty(n_features)
    # Four features by three columns at a time: twelve sums stay in registers, and the columns, which do
    # not fit the nearest cache, are read a quarter as often. At the ends the last one is done again.
    for tile in prange((n_features + 3) // 4):
        i0 = 4 * tile
        i1, i2 = min(i0 + 1, n_features - 1), min(i0 + 2, n_features - 1)
        i3 = min(i0 + 3, n_features - 1)
        r0, r1, r2, r3 = values[i0], values[i1], values[i2], values[i3]
        s0 = s1 = s2 = s3 = 0.0
        for s in range(n):
            w = weights[s]
            u = np.float64(r0[s])
            s0 += u * u * w
            u = np.float64(r1[s])
            s1 += u * u * w
            u = np.float64(r2[s])
            s2 += u * u * w
            u = np.float64(r3[s])
            s3 += u * u * w
        squares[i0], squares[i1], squares[i2], squares[i3] = s0, s1, s2, s3
        for j0 in range(0, k, 3):
            j1, j2 = min(j0 + 1, k - 1), min(j0 + 2, k - 1)
            c0, c1, c2 = columns[j0], columns[j1], columns[j2]
            a0 = a1 = a2 = b0 = b1 = b2 = d0 = d1 = d2 = e0 = e1 = e2 = 0.0
            for s in range(n):
                w0, w1, w2 = c0[s], c1[s], c2[s]
                u = np.float64(r0[s])
                a0 += u * w0
                a1 += u * w1
                a2 += u * w2
                u = np.float64(r1[s])
                b0 += u * w0
                b1 += u * w1
                b2 += u * w2
                u = np.float64(r2[s])
                d0 += u * w0
                d1 += u * w1
                d2 += u * w2
                u = np.float64(r3[s])
                e0 += u * w0
                e1 += u * w1
                e2 += u * w2
            products[i0, j0], products[i0, j1], products[i0, j2] = a0, a1, a2
            products[i1, j0], products[i1, j1], products[i1, j2] = b0, b1, b2
            products[i2, j0], products[i2, j1], products[i2, j2] = d0, d1, d2
            products[i3, j0], products[i3, j1], products[i3, j2] = e0, e1, e2
    return products, squares
