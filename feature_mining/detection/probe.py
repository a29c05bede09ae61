"""A sparse probe: a logistic model with an L1 penalty on a few features, as a concept's weights.

The penalty is the weakest of a path that leaves at most as many features as are asked for.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import diags

from feature_mining.association.probe import Sample, correlations, matrix_of

# Features that the path may choose from, those most correlated with the labels; unlabelled bases at most.
POOL, UNLABELLED = 128, 100_000
_STEPS = 12


def fit_weights(sample: Sample, scales: np.ndarray, count: int, seed: int = 0) -> dict[int, float]:
    """Weights of at most ``count`` features, in units of each one's 99.9 % activation.

    Parameters
    ----------
    sample : Sample
        Bases with labels bool ``(n, 1)`` of both kinds.
    scales : ndarray
        float ``(d_sae,)``, every feature's 99.9 % activation; those of 0 are not used.
    count : int
    seed : int
        Of the draw of unlabelled bases, where there are more than ``UNLABELLED``.

    Raises
    ------
    ValueError
        Where no feature goes with the labels.
    """
    from sklearn.linear_model import LogisticRegression

    labels, matrix = sample.labels[:, 0], matrix_of(sample.features)
    strength = np.nan_to_num(np.abs(correlations(matrix.tocsc(), sample)[:, 0])) * (scales > 0)
    pool = np.argsort(-strength, kind="stable")[:POOL]
    pool = np.sort(pool[strength[pool] > 0])
    rows = np.flatnonzero(~labels)
    share = min(1.0, UNLABELLED / max(rows.size, 1))
    rows = np.random.default_rng(seed).choice(rows, int(share * rows.size), replace=False)
    rows = np.sort(np.concatenate([np.flatnonzero(labels), rows]))
    x = matrix[rows].tocsc()[:, pool] @ diags(1 / scales[pool])
    weight = sample.weight[rows] * np.where(labels[rows], 1.0, 1 / share)
    weight *= len(rows) / weight.sum()
    best: dict[int, float] = {}
    for penalty in np.geomspace(1e-3, 10, _STEPS) if pool.size else ():
        model = LogisticRegression(C=penalty, l1_ratio=1.0, solver="liblinear", tol=1e-4, random_state=0)
        model.fit(x.tocsr(), labels[rows], sample_weight=weight)
        chosen = np.flatnonzero(model.coef_[0])
        if chosen.size > count:
            break
        best = {int(pool[i]): float(model.coef_[0, i]) for i in chosen} or best
    if not best:
        raise ValueError(f"no {count} features or fewer go with the labels")
    return best
