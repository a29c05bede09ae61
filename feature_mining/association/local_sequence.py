"""A rival that sees 31 bases and no model: a logistic regression on the letters around a base.

Letters and pairs of neighbouring letters at each of the 31 places, read in the direction of the reading, with
a weak ridge. A feature that marks what 31 bases tell by themselves is no more than a sequence motif; in a
study of another DNA model (Open-Athena's marin-dna, 2026) such a rival beat features on splice donors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genomic_models.dna import UNKNOWN, Codes

WIDTH = 31
# Inverse strength of the ridge, on a sample whose weights have mean 1.
RIDGE = 1.0


def windows(codes: Codes, rows: np.ndarray) -> np.ndarray:
    """Letters around some bases as indicators, float32 ``(n, 31 * 4 + 30 * 16)``.

    Parameters
    ----------
    codes
        uint8 ``(L,)``, in the direction of the reading; letters other than A, C, G and T, and those past the
        ends, indicate nothing.
    rows : int64 ``(n,)``
        Places in ``codes``.
    """
    half = WIDTH // 2
    padded = np.concatenate([np.full(half, UNKNOWN), codes, np.full(half, UNKNOWN)]).astype(np.int64)
    letters = padded[np.asarray(rows)[:, None] + np.arange(WIDTH)]
    known = letters != UNKNOWN
    pairs = np.where(known[:, :-1] & known[:, 1:], 4 * letters[:, :-1] + letters[:, 1:], -1)
    single = letters[:, :, None] == np.arange(4)
    double = pairs[:, :, None] == np.arange(16)
    n = len(letters)
    return np.concatenate([single.reshape(n, -1), double.reshape(n, -1)], axis=1).astype(np.float32)


@dataclass(frozen=True)
class LocalSequence:
    """A fitted rival: ``weights`` float64 ``(604,)`` and ``intercept``, log-odds."""

    weights: np.ndarray
    intercept: float

    @classmethod
    def fit(cls, x: np.ndarray, labels: np.ndarray, weight: np.ndarray) -> LocalSequence:
        """Fit to `windows` ``(n, 604)``, bool labels of both kinds and positive weights ``(n,)``."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=RIDGE, solver="newton-cholesky")
        # Letters of a place sum to 1: too ill-conditioned for Newton's steps in single precision.
        model.fit(x.astype(np.float64), labels, sample_weight=weight / weight.mean())
        return cls(model.coef_[0], float(model.intercept_[0]))

    def score(self, x: np.ndarray) -> np.ndarray:
        """Log-odds float64 ``(n,)``."""
        odds: np.ndarray = x @ self.weights + self.intercept
        return odds
