"""Which nodes and edges of a graph an output rests on: influence, pruning and scores; arrays alone.

Sources of ``n`` targets: rows of a matrix are what each target is read from, in absolute size shares of one;
features feed only targets after them. Influence of a source is the sum over all paths to the output of the
products of those shares (Ameisen et al. 2025, "Circuit tracing", whose scores these are).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Influence(NamedTuple):
    """How much of an output passes through what.

    shares : float64 (targets, sources), rows sum to 1 (0 where nothing is read)
    targets : float64 (targets,), 1 of the output, which is the last
    sources : float64 (sources,)
    """

    shares: np.ndarray
    targets: np.ndarray
    sources: np.ndarray


def influence(weights: np.ndarray, features: int) -> Influence:
    """Influence of all nodes.

    Parameters
    ----------
    weights : ndarray
        float64 ``(targets, sources)``. The last ``features`` sources are the first ``features`` targets, in
        the order of the pass; the last target is the output.
    features : int
    """
    sizes = np.abs(weights)
    total = sizes.sum(axis=1, keepdims=True)
    shares = np.divide(sizes, total, out=np.zeros_like(sizes), where=total > 0)
    targets = np.zeros(len(weights))
    targets[-1] = 1.0
    first = weights.shape[1] - features
    for feature in range(features - 1, -1, -1):
        targets[feature] = shares[:, first + feature] @ targets
    return Influence(shares, targets, targets @ shares)


def leading(sizes: np.ndarray, share: float) -> np.ndarray:
    """The fewest, largest first, that make up ``share`` of the sum: bool, as ``sizes`` (none below 0)."""
    order = np.argsort(-sizes, axis=None, kind="stable")
    sums = np.cumsum(sizes.ravel()[order])
    chosen = np.zeros(sizes.size, bool)
    if sums.size and sums[-1] > 0:
        # Rounding of the sum may leave it below the whole.
        count = int(np.searchsorted(sums, share * sums[-1] * (1 - 1e-12))) + 1
        chosen[order[:count]] = True
        chosen &= sizes.ravel() > 0
    found: np.ndarray = chosen.reshape(sizes.shape)
    return found


def prune(found: Influence, features: int, nodes: float, edges: float) -> tuple[np.ndarray, np.ndarray]:
    """Sources and edges that are kept.

    Parameters
    ----------
    found : Influence
    features : int
        As of `influence`.
    nodes, edges : float
        Shares of the sources' influence, and of that of the edges among them.

    Returns
    -------
    ndarray, ndarray
        bool ``(sources,)`` and ``(targets, sources)``. A source that feeds no kept target is not kept.
    """
    kept = leading(found.sources, nodes)
    first = len(kept) - features
    there = np.append(kept[first:], True)
    weights = found.shares * found.targets[:, None] * there[:, None] * kept
    lines = leading(weights, edges)
    while True:
        feeding = kept & lines.any(axis=0)
        if (feeding == kept).all():
            return kept, lines
        kept = feeding
        lines = lines & np.append(kept[first:], True)[:, None]


class Scores(NamedTuple):
    """What of an output a graph explains.

    replacement : share of the influence of first sources (bases, errors) that is of bases
    completeness : share of what targets read that is no error, targets weighed by influence
    """

    replacement: float
    completeness: float


def scores(found: Influence, errors: np.ndarray, features: int) -> Scores:
    """Scores; ``errors`` is bool ``(sources,)``."""
    first = np.arange(len(found.sources)) < len(found.sources) - features
    of_errors, of_all = found.sources[errors].sum(), found.sources[first].sum()
    missed = found.shares[:, errors].sum(axis=1) @ found.targets
    return Scores(
        float(1 - of_errors / of_all) if of_all else float("nan"), float(1 - missed / found.targets.sum())
    )
