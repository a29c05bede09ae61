"""What was written: how likely the untouched model finds it, how it differs from itself and from a corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from feature_mining.kmers import NONE, below, contains, kmer_hashes
from feature_mining.writing.write import Written
from genomic_models.contract import DNAModel
from genomic_models.dna import base_codes
from genomic_models.scoring import score

# Letters of the words by which outputs are compared.
WORD = 6


class Nearest(NamedTuple):
    """The other output that is most alike, and how far it is: 0 for the same words, 1 for none in common."""

    other: int
    distance: float


def untouched_nats(
    model: DNAModel,
    prompts: Sequence[str],
    written: Sequence[Written],
    told: Callable[[int], object] = lambda count: None,
) -> list[np.ndarray]:
    """Log-probability of each base written as the model without any plan finds it: ``(n,)`` float32, nats.

    ``told`` hears of bases read, prompts included.
    """
    if not written:
        return []
    found = score(model, [prompts[each.prompt] + each.sequence for each in written], told=told)
    return [own.nats[-len(each.sequence) :] for own, each in zip(found, written, strict=True)]


def gc_share(sequence: str) -> float:
    """Share of G and C."""
    return (sequence.count("G") + sequence.count("C")) / len(sequence)


def nearest_others(sequences: Sequence[str], k: int = WORD) -> list[Nearest]:
    """The most similar other of each sequence, by the words of ``k`` bases that both strands have.

    The distance is Bray and Curtis's: half the summed difference of the shares of words. A sequence that is
    alone, or shorter than ``k``, has none: index -1, distance NaN.
    """
    counts = _word_shares(sequences, k)
    found = []
    for i, own in enumerate(counts):
        distances = np.abs(counts - own).sum(1) / 2
        distances[i] = np.inf
        distances[~(counts.any(1))] = np.inf
        best = int(distances.argmin())
        known = own.any() and np.isfinite(distances[best])
        found.append(Nearest(best, float(distances[best])) if known else Nearest(-1, float("nan")))
    return found


def _word_shares(sequences: Sequence[str], k: int) -> np.ndarray:
    """Shares of words, float64 ``(n, words)``; a word and its reverse complement are one."""
    hashes = [own[own != NONE] for own in (kmer_hashes(base_codes(text), k) for text in sequences)]
    words = np.unique(np.concatenate(hashes)) if hashes else np.zeros(0, np.uint64)
    shares = np.zeros((len(sequences), words.size))
    for row, own in zip(shares, hashes, strict=True):
        np.add.at(row, np.searchsorted(words, own), 1.0 / max(1, own.size))
    return shares


def copied_words(sequence: str, sketch: np.ndarray, k: int, fraction: float) -> tuple[int, int]:
    """How many of a sequence's words a sketch of that share could hold, and how many it does.

    A sketch keeps one word in ``1 / fraction``: of a short sequence few or none, so that only many sequences
    together say how much is copied.
    """
    hashes = kmer_hashes(base_codes(sequence), k)
    sampled = np.unique(hashes[below(hashes, fraction)])
    return sampled.size, int(contains(sketch, sampled).sum())
