"""What two models predict of the same bases: divergence, and what is predicted after each word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from genomic_models.contract import DNAModel
from genomic_models.dna import BASES, UNKNOWN

# Bases of the longest word.
LONGEST = 7


class Read(NamedTuple):
    """What a model makes of one sequence, a row a base.

    probabilities : float64 (n, 4) of A, C, G, T before the base is seen; NaN for the first base
    activations : float32 (n, d)
    """

    probabilities: np.ndarray
    activations: np.ndarray


def read_bases(model: DNAModel, layer: str, sequences: Sequence[str]) -> list[Read]:
    """Predictions and activations in one pass; ``ModelError`` for a model that predicts no single bases.

    Probabilities are of the four bases alone and sum to 1.
    """
    model.require_bases("its predictions are not compared")
    letters = model.base_tokens()
    assert letters is not None
    with torch.no_grad():
        found = model.forward(sequences, taps=[layer])
    assert found.logits is not None
    chosen = found.logits[..., letters.to(found.logits.device)].double().softmax(-1).cpu().numpy()
    values = found.taps[layer].float().cpu().numpy()
    reads = []
    for row, sequence in enumerate(sequences):
        size = len(sequence)
        known = np.full((size, 4), np.nan)
        known[1:] = chosen[row, : size - 1]
        reads.append(Read(known, values[row, :size]))
    return reads


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Kullback-Leibler divergence of ``q`` from ``p``, both float (n, 4), in bits: float64 (n)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = p * (np.log2(p) - np.log2(q))
    return np.where(p > 0, parts, np.where(np.isnan(p), np.nan, 0.0)).sum(axis=1)


def surprisal_bits(p: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Bits that each base costs, float64 (n), of its code int (n); NaN where the letter is unknown."""
    known = codes != UNKNOWN
    taken = p[np.arange(len(codes)), np.where(known, codes, 0)]
    with np.errstate(divide="ignore"):
        return np.where(known, -np.log2(taken), np.nan)


class Words:
    """Sums of predictions after every word of 1 to ``LONGEST`` bases, for several models; additive.

    Attributes
    ----------
    counts : ndarray
        float64 ``(words,)``; words of one base first, each length in the order of the alphabet.
    sums : ndarray
        float64 ``(models, 4, words)``, of probabilities.
    """

    def __init__(self, models: int) -> None:
        total = sum(4**k for k in range(1, LONGEST + 1))
        self.counts = np.zeros(total)
        self.sums = np.zeros((models, 4, total))

    def add(self, codes: np.ndarray, probabilities: Sequence[np.ndarray], use: np.ndarray) -> None:
        """Add a reading.

        Parameters
        ----------
        codes : ndarray
            int ``(n,)`` of its letters, in its direction.
        probabilities : sequence of ndarray
            float ``(n, 4)`` of each model.
        use : ndarray
            bool ``(n,)``, bases whose predictions count.
        """
        known = codes != UNKNOWN
        index, first = np.zeros(len(codes), np.int64), 0
        whole = use.copy()
        for k in range(1, LONGEST + 1):
            # The letter k bases before: the new leading digit of the word.
            before = np.zeros(len(codes), np.int64)
            before[k:] = codes[:-k]
            whole[:k] = False
            whole[k:] &= known[:-k]
            index += before * 4 ** (k - 1)
            own = first + index[whole]
            np.add.at(self.counts, own, 1)
            for model, values in enumerate(probabilities):
                for base in range(4):
                    np.add.at(self.sums[model, base], own, values[whole, base])
            first += 4**k

    def table(self, fewest: int) -> tuple[pd.DataFrame, np.ndarray]:
        """Words seen ``fewest`` times or more, each with each base that may follow.

        Returns
        -------
        DataFrame, ndarray
            ``word, base, count`` of every row; mean probabilities float64 ``(models, rows)``.
        """
        kept = np.flatnonzero(self.counts >= fewest)
        names = np.array(_names())[kept]
        means = self.sums[:, :, kept] / self.counts[kept]
        table = pd.DataFrame(
            {
                "word": np.repeat(names, 4),
                "base": np.tile(list(BASES), len(kept)),
                "count": np.repeat(self.counts[kept], 4).astype(np.int64),
            }
        )
        return table, means.transpose(0, 2, 1).reshape(len(self.sums), -1)


def _names() -> list[str]:
    names, longer = [], [""]
    for _ in range(LONGEST):
        longer = [word + base for word in longer for base in BASES]
        names += longer
    return names
