"""Where a detector has nothing to say: sequence that is not like what it was calibrated on.

Pieces of sequence are described by their words of three letters (a word and its reverse complement are one)
and by how often features are active; a piece is as far out as its Mahalanobis distance from those that the
detector was made on, with the covariance of Ledoit and Wolf (2004). Beyond the distance that all but a share
of held-out pieces of the same genome keep to, it abstains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from feature_mining.feature_map import Csr
from genomic_models.dna import UNKNOWN, reverse_complement_codes

# Letters of a word, densest features whose rates describe a piece, and known bases that a piece needs.
WORD, DENSEST, LEAST = 3, 8, 256
# Pieces below which nothing is said of what is like them.
FEWEST = 15
# Share of held-out pieces of its own genome on which a detector abstains.
LEFT_OUT = 0.01


def _canonical() -> np.ndarray:
    """Column of every word of ``WORD`` letters, by its number: int64 (64)."""
    words = np.arange(4**WORD)
    letters = np.stack([words // 4**i % 4 for i in reversed(range(WORD))], axis=1).astype(np.uint8)
    turned = reverse_complement_codes(letters.reshape(-1)).reshape(-1, WORD)[::-1]
    other = turned.astype(np.int64) @ 4 ** np.arange(WORD)[::-1]
    return np.unique(np.minimum(words, other), return_inverse=True)[1]


_COLUMN = _canonical()
COLUMNS = int(_COLUMN.max()) + 1


def word_shares(codes: np.ndarray) -> np.ndarray:
    """Shares of words, float64 (32); NaN where fewer than ``LEAST`` bases are known."""
    codes = np.asarray(codes)
    known = codes != UNKNOWN
    if known.sum() < LEAST:
        return np.full(COLUMNS, np.nan)
    parts = np.stack([codes[i : codes.size - WORD + 1 + i] for i in range(WORD)], axis=1).astype(np.int64)
    words = (parts @ 4 ** np.arange(WORD)[::-1])[(parts != UNKNOWN).all(axis=1)]
    counts = np.bincount(_COLUMN[words], minlength=COLUMNS).astype(np.float64)
    return counts / max(counts.sum(), 1.0)


def feature_rates(readings: list[tuple[Csr, np.ndarray]], features: np.ndarray) -> np.ndarray:
    """Active features a base and the rates of some, float64 (1 + k), over readings with their valued bases.

    NaN where fewer than ``LEAST`` bases have a value.
    """
    bases = sum(int(use.sum()) for _, use in readings)
    if bases < LEAST:
        return np.full(1 + len(features), np.nan)
    counts = np.zeros(1 + len(features))
    for csr, use in readings:
        own = csr.indices[np.repeat(use, np.diff(csr.indptr))]
        counts[0] += own.size
        counts[1:] += np.bincount(own, minlength=csr.n_features)[features]
    return counts / bases


@dataclass(frozen=True, eq=False)
class Domain:
    """Pieces that a detector was made on.

    Attributes
    ----------
    features : ndarray
        int64 (k), features whose rates are looked at.
    centre : ndarray
        float64 (p), mean of the pieces' descriptions, p = 32 + 1 + k.
    whiten : ndarray
        float64 (p, p): a description less the centre, times this, has as its length the distance.
    limit : float
        Distance beyond which the detector abstains.
    """

    features: np.ndarray
    centre: np.ndarray
    whiten: np.ndarray
    limit: float

    @classmethod
    def fit(cls, made_on: np.ndarray, held_out: np.ndarray, features: np.ndarray) -> Domain:
        """Learnt from descriptions ``(n, p)`` of pieces, its limit from those of others.

        Raises ``ValueError`` for fewer than `FEWEST` pieces of either.
        """
        from sklearn.covariance import LedoitWolf

        made_on, held_out = (rows[np.isfinite(rows).all(axis=1)] for rows in (made_on, held_out))
        if min(len(made_on), len(held_out)) < FEWEST:
            raise ValueError(
                f"{len(made_on)} and {len(held_out)} pieces of sequence to say what is like them by;"
                f" expected {FEWEST} or more"
            )
        # In units of each column's own spread, so that rates and shares are shrunk alike.
        spread = np.maximum(made_on.std(axis=0), 1e-6)
        covariance = LedoitWolf().fit((made_on - made_on.mean(axis=0)) / spread).covariance_
        values, axes = np.linalg.eigh(covariance)
        whiten = (axes / np.sqrt(values)) / spread[:, None]
        found = cls(features, made_on.mean(axis=0), whiten, 0.0)
        limit = float(np.quantile(found.distance(held_out), 1 - LEFT_OUT))
        return cls(features, found.centre, whiten, limit)

    def distance(self, descriptions: np.ndarray) -> np.ndarray:
        """How far out pieces ``(n, p)`` are, float64 ``(n,)``; NaN for what cannot be described."""
        return np.asarray(np.linalg.norm((descriptions - self.centre) @ self.whiten, axis=1))

    def covers(self, descriptions: np.ndarray) -> np.ndarray:
        """Which pieces are like those that it was made on, bool ``(n,)``."""
        with np.errstate(invalid="ignore"):
            found: np.ndarray = self.distance(descriptions) <= self.limit
        return found


def densest(rates: np.ndarray, count: int = DENSEST) -> np.ndarray:
    """The most frequently active features, int64, by rates ``(d_sae,)``, ascending."""
    return np.sort(np.argsort(-rates, kind="stable")[:count]).astype(np.int64)
