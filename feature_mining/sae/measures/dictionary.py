"""What a dictionary looks like: near copies within it, and whether another seed finds the same directions.

Stability pairs the features of two dictionaries one to one so that the sum of cosines of the decoder rows
is largest (Hungarian method; mean maximum cosine similarity alone would let many features share a partner).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from feature_mining.sae.model import SparseAutoencoder

# Features up to which the assignment is solved exactly; it takes about width³ steps.
WIDEST = 8192
# Nearest rows a feature may be paired with beyond that width.
CANDIDATES = 32
_BLOCK = 1024


class Cosines(NamedTuple):
    """Cosines of a dictionary with itself, float32 (d_sae).

    decoder, encoder : largest cosine with another feature's row; -1 for a dictionary of one
    own : cosine of a feature's encoder column with its own decoder row
    """

    decoder: np.ndarray
    encoder: np.ndarray
    own: np.ndarray


class Matching(NamedTuple):
    """Pairs of the features of one dictionary with those of another.

    partner : int64 (n), row of the other; -1 where none is left
    cosine : float32 (n), of the pair; 0 where there is none
    exact : bool, whether the sum of cosines is the largest there is (else pairs were taken greedily)
    """

    partner: np.ndarray
    cosine: np.ndarray
    exact: bool


class Stability(NamedTuple):
    """Whether other seeds find the same features.

    feature : float32 (d_sae), mean over the other seeds of the matched cosine
    chance : float, mean matched cosine with dictionaries drawn at random around the same axes
    exact : bool, as in ``Matching``
    """

    feature: np.ndarray
    chance: float
    exact: bool


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows divided by their lengths; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


def nearest_cosine(rows: np.ndarray) -> np.ndarray:
    """Largest cosine of each row ``(n, d)`` with another one, float32 (n)."""
    directions = unit(np.asarray(rows, np.float32))
    best = np.full(len(directions), -1, np.float32)
    for start in range(0, len(directions), _BLOCK):
        cosine = directions[start : start + _BLOCK] @ directions.T
        own = np.arange(len(cosine))
        cosine[own, start + own] = -1
        best[start : start + _BLOCK] = cosine.max(axis=1)
    return best


def dictionary_cosines(sae: SparseAutoencoder) -> Cosines:
    """Cosine maxima of decoder and encoder, and of each feature's encoder with its decoder."""
    decoder, encoder = sae.W_dec.cpu().numpy(), sae.W_enc.cpu().numpy().T.copy()
    own = (unit(decoder) * unit(encoder)).sum(axis=1)
    return Cosines(nearest_cosine(decoder), nearest_cosine(encoder), own)


def match(a: np.ndarray, b: np.ndarray, widest: int = WIDEST) -> Matching:
    """Pair rows of ``a`` ``(n, d)`` one to one with rows of ``b`` ``(m, d)`` by cosine.

    Beyond ``widest`` rows, pairs are taken in order of falling cosine among each row's ``CANDIDATES``
    nearest: a lower bound on the best sum.
    """
    left, right = unit(np.asarray(a, np.float32)), unit(np.asarray(b, np.float32))
    partner = np.full(len(left), -1, np.int64)
    cosine = np.zeros(len(left), np.float32)
    if max(len(left), len(right)) <= widest:
        similar = left @ right.T
        rows, columns = linear_sum_assignment(similar, maximize=True)
        partner[rows], cosine[rows] = columns, similar[rows, columns]
        return Matching(partner, cosine, True)
    count = min(CANDIDATES, len(right))
    near = np.empty((len(left), count), np.int64)
    value = np.empty((len(left), count), np.float32)
    for start in range(0, len(left), _BLOCK):
        block = left[start : start + _BLOCK] @ right.T
        top = np.argpartition(-block, count - 1, axis=1)[:, :count]
        near[start : start + _BLOCK] = top
        value[start : start + _BLOCK] = np.take_along_axis(block, top, axis=1)
    taken = np.zeros(len(right), bool)
    for flat in np.argsort(-value, axis=None, kind="stable"):
        row, column = int(flat) // count, int(near.flat[flat])
        if partner[row] < 0 and not taken[column]:
            partner[row], cosine[row], taken[column] = column, value.flat[flat], True
    return Matching(partner, cosine, False)


def seed_stability(
    decoder: np.ndarray, others: Sequence[np.ndarray], seed: int = 0, widest: int = WIDEST
) -> Stability:
    """Matched cosines of ``decoder`` ``(d_sae, d)`` with dictionaries of other seeds.

    The chance level comes from one dictionary a comparison whose rows are normal with the second moments
    of the other's: the same dense axes, no common features.

    Raises ``ValueError`` where there is no other dictionary, or one reads another layer.
    """
    if not others:
        raise ValueError("stability needs at least one more dictionary, trained from another seed")
    rng = np.random.default_rng([seed, 11])
    found, chance, exact = [], [], True
    for other in others:
        if other.shape[1] != decoder.shape[1]:
            raise ValueError(
                f"a dictionary of {other.shape[1]} dimensions cannot be compared with one of"
                f" {decoder.shape[1]}"
            )
        matching = match(decoder, other, widest)
        exact &= matching.exact
        found.append(matching.cosine)
        values, axes = np.linalg.eigh(other.T.astype(np.float64) @ other / len(other))
        spread = axes * np.sqrt(np.maximum(values, 0))
        random = rng.standard_normal(other.shape) @ spread.T
        chance.append(float(match(decoder, random, widest).cosine.mean()))
    mean = np.stack(found).mean(axis=0)
    return Stability(mean, float(np.mean(chance)), exact)
