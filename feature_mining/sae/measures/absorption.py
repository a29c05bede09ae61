"""Absorption: a parent's feature is inactive where a child's feature is active, which then carries both.

The test of SAEBench (Karvonen et al. 2025, after Chanin et al. 2024), moved from first letters of words to
nested annotation with exact labels (gene > coding sequence > stop codon): a linear probe gives the parent's
direction; the parent's *main* features are those that sparse probing needs; on held-out bases of the parent
where all of them are silent, absorption is one other feature whose decoder row lies along the probe and
which carries a good part of the activation's projection on it. As each child is judged apart, with the
parent's other bases beside it, a parent that is simply hard to see does not pass for an absorbed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from feature_mining.feature_map import Csr

# Of an absorbing feature's decoder row with the probe.
LEAST_COSINE = 0.1
# Of the activation's projection on the probe that the absorbing feature must carry.
LEAST_SHARE = 0.4
# In F1, that one more feature must bring to count as main.
LEAST_GAIN = 0.03
MOST_MAIN = 10
# Share of a child's bases that must lie in its parent.
CONTAINED = 0.9
# Share of a parent's bases that a child may at most cover: beyond, both are nearly one thing.
PROPER = 0.5


class Absorption(NamedTuple):
    """What happens to a parent's features on the bases of a child, and elsewhere on the parent.

    child_bases, rest_bases : parent bases that the probe calls, within the child and outside
    silent_child, silent_rest : shares of those where every main feature is silent
    absorbed_child, absorbed_rest : shares of those absorbed
    absorber : feature that absorbs most often within the child, -1 for none
    absorber_share : its share of the absorbed bases of the child
    """

    child_bases: int
    rest_bases: int
    silent_child: float
    silent_rest: float
    absorbed_child: float
    absorbed_rest: float
    absorber: int
    absorber_share: float


def nested(labels: np.ndarray, weight: np.ndarray, fewest: int = 50) -> list[tuple[int, int]]:
    """Pairs (parent, child) of columns of ``labels`` bool (n, C), from weighted bases.

    A child lies in its parent with at least ``CONTAINED`` of its bases, covers at most ``PROPER`` of it,
    and has at least ``fewest`` bases.
    """
    values = labels.astype(np.float64)
    together = (values * weight[:, None]).T @ values
    size = np.diag(together)
    inside = together / np.maximum(size[None, :], 1e-300)
    pairs = (inside >= CONTAINED) & (together <= PROPER * size[:, None])
    pairs &= (labels.sum(axis=0) >= fewest)[None, :]
    np.fill_diagonal(pairs, False)
    return [(int(p), int(c)) for p, c in np.argwhere(pairs)]


def main_features(order: Sequence[int], f1: Sequence[float]) -> np.ndarray:
    """Main features, int64: those of ``order`` up to the last that raised F1 by ``LEAST_GAIN``.

    Parameters
    ----------
    order : features in the order in which sparse probing takes them
    f1 : of the probe of the first 1, 2, ... of them; at most ``MOST_MAIN`` are looked at
    """
    count = min(len(order), len(f1), MOST_MAIN)
    gains = np.diff(np.asarray(f1[:count], np.float64), prepend=0.0)
    # The first is main whatever it reaches: without one there is nothing to be absorbed.
    last = int(np.flatnonzero(gains >= LEAST_GAIN).max(initial=0))
    return np.asarray(order[: min(count, last + 1)], np.int64)


def measure_absorption(
    projection: np.ndarray,
    called: np.ndarray,
    child: np.ndarray,
    features: Csr,
    decoder: np.ndarray,
    probe: np.ndarray,
    main: np.ndarray,
) -> Absorption:
    """Absorption of a parent on a child, over held-out bases of the parent.

    Parameters
    ----------
    projection : float (n)
        Activation less its mean, along the unit probe. Every row is a base of the parent.
    called : bool (n)
        Bases that the probe finds: the others say nothing about features.
    child : bool (n)
    features : Csr, n rows
    decoder : float32 (d_sae, d), unit rows
    probe : float (d)
        Direction of the parent, fitted on other bases.
    main : int64
        The parent's main features.
    """
    direction = probe / max(float(np.linalg.norm(probe)), 1e-300)
    along = decoder.astype(np.float64) @ direction
    shape = (features.n_rows, features.n_features)
    matrix = csr_matrix((features.values.astype(np.float64), features.indices, features.indptr), shape=shape)
    by_feature: csc_matrix = matrix.tocsc()
    silent = np.asarray((by_feature[:, main] > 0).sum(axis=1)).ravel() == 0
    candidate = along >= LEAST_COSINE
    candidate[main] = False
    carried = matrix.multiply((along * candidate)[None, :]).tocsr()
    best = np.asarray(carried.max(axis=1).todense()).ravel() if shape[0] else np.zeros(0)
    which = np.asarray(carried.argmax(axis=1)).ravel() if shape[0] else np.zeros(0, np.int64)
    absorbed = silent & (best > 0) & (projection > 0) & (best >= LEAST_SHARE * projection)
    inside, rest = called & child, called & ~child
    absorbers = which[inside & absorbed]
    counts = np.bincount(absorbers, minlength=1)
    return Absorption(
        child_bases=int(inside.sum()),
        rest_bases=int(rest.sum()),
        silent_child=_mean(silent[inside]),
        silent_rest=_mean(silent[rest]),
        absorbed_child=_mean(absorbed[inside]),
        absorbed_rest=_mean(absorbed[rest]),
        absorber=int(counts.argmax()) if len(absorbers) else -1,
        absorber_share=float(counts.max() / len(absorbers)) if len(absorbers) else float("nan"),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
