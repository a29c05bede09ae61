"""Factors: sets of features that are active together, by non-negative factorisation of sparse codes.

Codes are in units of each feature, so that a factor's weights are what is painted. The factorisation is
scikit-learn's online one (Lefèvre et al. 2011) from random beginnings: beginnings by singular vectors are
nearly the same for every seed, and would make any number of factors look stable.
"""

from __future__ import annotations

from collections.abc import Sequence
from warnings import catch_warnings, simplefilter

import numpy as np
from scipy.sparse import csr_array
from sklearn.decomposition import MiniBatchNMF, non_negative_factorization
from sklearn.exceptions import ConvergenceWarning

from feature_mining.feature_map import Csr
from feature_mining.sae.measures.dictionary import match, unit

BATCH, PASSES = 1024, 30
# Sweeps of the least squares, and change at which they end.
SWEEPS, TOLERANCE = 50, 1e-3
# Share of a factor's squared length that its smallest weights, which are dropped, have together.
DROPPED = 0.01


def relative(codes: Csr, scales: np.ndarray) -> csr_array:
    """Codes in units of their features, float32 ``(n, d_sae)``.

    ``scales`` ``(d_sae,)`` are ``Dictionary.unit``; features of unit 0 are left out.
    """
    own = np.asarray(scales, np.float32)[codes.indices]
    values = np.divide(codes.values, own, out=np.zeros_like(codes.values), where=own > 0)
    found = csr_array((values, codes.indices, codes.indptr), shape=(codes.n_rows, codes.n_features))
    found.eliminate_zeros()
    return found


def factorise(codes: csr_array, count: int, seed: int) -> np.ndarray:
    """Factors of codes ``(n, d_sae)``: rows of length 1, float32 ``(count, d_sae)``.

    The smallest weights of each, `DROPPED` of its squared length together, are 0. Rows of codes come in a
    random order; the same seed gives the same factors. A factor that died is a row of zeros. Raises
    ``ValueError`` for more factors than rows or features.
    """
    if not 0 < count <= min(codes.shape):
        raise ValueError(f"{count} factors of {codes.shape[0]} bases and {codes.shape[1]} features")
    order = np.random.default_rng(seed).permutation(codes.shape[0])
    model = MiniBatchNMF(
        count, init="random", batch_size=BATCH, max_iter=PASSES, max_no_improvement=None, random_state=seed
    )
    with catch_warnings():
        # It goes on to the last pass: a palette needs no more digits.
        simplefilter("ignore", ConvergenceWarning)
        model.fit(codes[order])
    factors = unit(model.components_)
    squares = np.sort(factors**2, axis=1)
    kept = np.cumsum(squares, axis=1) > DROPPED
    least = squares[np.arange(count), kept.argmax(axis=1)]
    return unit(np.where(factors**2 >= least[:, None], factors, 0)).astype(np.float32)


def amounts(codes: csr_array, factors: np.ndarray) -> np.ndarray:
    """How much of each factor makes up each row best, none below 0, float32 ``(n, count)``.

    Non-negative least squares by coordinate descent.
    """
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)
        found, *_ = non_negative_factorization(
            codes, H=np.ascontiguousarray(factors, codes.dtype), n_components=len(factors), init="custom",
            update_H=False, max_iter=SWEEPS, tol=TOLERANCE,
        )  # fmt: skip
    return np.asarray(found)


def explained(codes: csr_array, factors: np.ndarray) -> float:
    """Share of the variance of codes, about each feature's mean, that factors reconstruct; best given them.

    Of rows that the factors were not found on it says how well they hold. Raises ``ValueError`` for codes
    that do not vary.
    """
    found = amounts(codes, factors).astype(np.float64)
    squares = float((codes.data.astype(np.float64) ** 2).sum())
    mean = np.asarray(codes.mean(axis=0), np.float64).ravel()
    varies = squares - codes.shape[0] * float(mean @ mean)
    if varies <= 0:
        raise ValueError("codes that do not vary: nothing to reconstruct")
    wide = factors.astype(np.float64)
    cross = float(((codes @ wide.T) * found).sum())
    return 1 - (squares - 2 * cross + float(((found.T @ found) * (wide @ wide.T)).sum())) / varies


def stability(factors: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
    """Cosine of each factor with its partner, mean over factorisations of other seeds, float64 ``(count,)``.

    Partners are paired one to one. Raises ``ValueError`` without another factorisation.
    """
    if not others:
        raise ValueError("stability needs factors of another seed")
    return np.stack([match(factors, other).cosine for other in others]).mean(axis=0).astype(np.float64)
