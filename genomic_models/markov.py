"""Interpolated Markov models of DNA: the baseline a network must beat.

The chance of base ``b`` after a context ``u`` of ``k`` bases is a Dirichlet estimate centred on the
estimate after the last ``k - 1`` of them (MacKay & Peto 1995), down to the uniform distribution::

    p_k(b | u) = (c(u b) + s * p_{k-1}(b | u[1:])) / (c(u) + s)

with counts ``c`` from both strands. The strength ``s`` depends on the order and on how often the context
was seen (one value a power of two of ``c(u)``, as in Jelinek-Mercer smoothing with count classes); each is
the one of a fixed grid that spends the fewest bits on training sequences left out of the counts, in turn.
Nothing is tuned on what is scored later. A model of order ``k`` contains all lower orders.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from genomic_models.dna import UNKNOWN, Codes, base_codes, refuse_string

MAX_ORDER = 12
FOLDS = 12
# Bases on which strengths are chosen, at most; evenly spaced over the training sequences.
TUNING_BASES = 2_000_000
COUNT_CLASSES = 33
# Strengths to choose from; the last one means: do not listen to this order.
GRID = np.concatenate([2.0 ** np.arange(-3, 21), [1e12]])

Counts = npt.NDArray[np.uint32]
Values = npt.NDArray[np.float64]


@numba.njit
def _count(codes: Codes, order: int, counts: Counts) -> None:
    """Add the words of ``order + 1`` bases of both strands to ``counts`` (4 ** (order + 1))."""
    mask = (np.int64(1) << (2 * (order + 1))) - 1
    word, reverse, run = np.int64(0), np.int64(0), 0
    for code in codes:
        if code == UNKNOWN:
            run = 0
            continue
        word = ((word << 2) | code) & mask
        reverse = (reverse >> 2) | (np.int64(3 - code) << (2 * order))
        run += 1
        if run > order:
            counts[word] += 1
            counts[reverse] += 1


@numba.njit
def _count_class(n: float) -> int:
    """Floor of log2(n) for n >= 1."""
    size = 0
    whole = np.int64(n)
    while whole > 1:
        whole >>= 1
        size += 1
    return size


@numba.njit
def _refine(codes: Codes, order: int, counts: Counts, strengths: Values, p: Values) -> None:
    """Turn ``p`` of order - 1 into that of ``order``, in place, where the context is whole."""
    mask = (np.int64(1) << (2 * (order + 1))) - 1
    word, run = np.int64(0), 0
    for i in range(codes.size):
        if codes[i] == UNKNOWN:
            run = 0
            continue
        word = ((word << 2) | codes[i]) & mask
        run += 1
        if run > order:
            first = word & ~np.int64(3)
            n = 0.0
            for b in range(4):
                n += counts[first + b]
            if n > 0:
                s = strengths[_count_class(n)]
                p[i] = (counts[word] + s * p[i]) / (n + s)


@numba.njit
def _tally(
    codes: Codes,
    order: int,
    total: Counts,
    own: Counts,
    step: int,
    grid: Values,
    p: Values,
    bits: Values,
    seen: Values,
    within: Values,
) -> None:
    """Bits that each strength of ``grid`` spends on every ``step``-th base, by count class.

    ``own`` counts of the left-out sequences are taken off ``total``. ``p``, ``seen`` and ``within`` have
    one entry a tuned base: the chance by the lower order, and counts of the context and of the word.
    """
    mask = (np.int64(1) << (2 * (order + 1))) - 1
    word, run = np.int64(0), 0
    for i in range(codes.size):
        if codes[i] == UNKNOWN:
            run = 0
        else:
            word = ((word << 2) | codes[i]) & mask
            run += 1
        if i % step:
            continue
        j = i // step
        seen[j] = 0.0
        if run > order:
            first = word & ~np.int64(3)
            n = 0.0
            for b in range(4):
                n += np.float64(total[first + b]) - np.float64(own[first + b])
            c = np.float64(total[word]) - np.float64(own[word])
            seen[j], within[j] = n, c
            if n > 0:
                row = _count_class(n)
                for g in range(grid.size):
                    bits[row, g] -= np.log2((c + grid[g] * p[j]) / (n + grid[g]))


@numba.njit
def _settle(seen: Values, within: Values, strengths: Values, p: Values) -> None:
    """Turn ``p`` of the tuned bases into that of the order whose counts were just taken."""
    for j in range(p.size):
        if seen[j] > 0:
            s = strengths[_count_class(seen[j])]
            p[j] = (within[j] + s * p[j]) / (seen[j] + s)


def _folds(sequences: list[Codes]) -> list[list[Codes]]:
    """Deal whole sequences into at most ``FOLDS`` folds of about one size, the longest first.

    A single sequence is cut into stretches. One fold is left out at a time.
    """
    if len(sequences) == 1:
        sequences = [part for part in np.array_split(sequences[0], FOLDS) if part.size]
    folds: list[list[Codes]] = [[] for _ in range(min(FOLDS, len(sequences)))]
    sizes = [0] * len(folds)
    for sequence in sorted(sequences, key=len, reverse=True):
        lightest = sizes.index(min(sizes))
        folds[lightest].append(sequence)
        sizes[lightest] += len(sequence)
    return folds


def _join(fold: list[Codes]) -> Codes:
    gap = np.array([UNKNOWN], np.uint8)
    return np.concatenate([part for sequence in fold for part in (sequence, gap)])


@dataclass(frozen=True)
class MarkovModel:
    """An interpolated Markov model and all lower orders in it.

    Attributes
    ----------
    counts : tuple of ndarray
        For each order k, ``(4 ** (k + 1),)`` uint32: how often each word was seen on either strand;
        the last base is the fastest digit, A, C, G, T = 0..3.
    strengths : tuple of ndarray
        For each order, ``(33,)`` float64: strength of the lower order for contexts seen
        ``[2 ** i, 2 ** (i + 1))`` times.
    """

    counts: tuple[Counts, ...]
    strengths: tuple[Values, ...]

    @property
    def order(self) -> int:
        """Bases of context of the highest order."""
        return len(self.counts) - 1

    @classmethod
    def fit(cls, sequences: Iterable[str], order: int) -> MarkovModel:
        """Count both strands of sequences and choose strengths on sequences left out in turn.

        Parameters
        ----------
        sequences : iterable of str
            Training DNA; anything but A, C, G, T (either case) breaks the context. One string should be
            one genome (its contigs joined by N), so that what is left out is unlike what is counted.
        order : int
            Highest order, 0..12. Memory: 9 * 4 ** (order + 1) bytes or so, 0.6 GB at 12.

        Raises
        ------
        ValueError
            If the order is out of range or there is no base to count.
        TypeError
            If ``sequences`` is one string.
        """
        refuse_string(sequences)
        if not 0 <= order <= MAX_ORDER:
            raise ValueError(f"Markov order {order}: expected 0 to {MAX_ORDER}")
        coded = [codes for sequence in sequences if (codes := base_codes(sequence)).size]
        if not any((codes != UNKNOWN).any() for codes in coded):
            raise ValueError("no A, C, G or T in the training sequences: nothing to count")
        folds = [_join(fold) for fold in _folds(coded)]
        step = max(1, sum(fold.size for fold in folds) // TUNING_BASES)
        lower = [np.full(-(-fold.size // step), 0.25) for fold in folds]
        seen = [np.zeros_like(p) for p in lower]
        within = [np.zeros_like(p) for p in lower]
        counts, strengths = [], []
        for k in range(order + 1):
            total = np.zeros(4 ** (k + 1), dtype=np.uint32)
            for codes in coded:
                _count(codes, k, total)
            own = np.empty_like(total)
            bits = np.zeros((COUNT_CLASSES, GRID.size))
            for fold, p, n, c in zip(folds, lower, seen, within, strict=True):
                own.fill(0)
                _count(fold, k, own)
                _tally(fold, k, total, own, step, GRID, p, bits, n, c)
            chosen = _choose(bits)
            for p, n, c in zip(lower, seen, within, strict=True):
                _settle(n, c, chosen, p)
            counts.append(total)
            strengths.append(chosen)
        return cls(tuple(counts), tuple(strengths))

    def log2_likelihood(self, sequence: str, order: int | None = None) -> Values:
        """Log2 of the chance of each base given those before it.

        Parameters
        ----------
        sequence : str
            DNA, read from its first base on; a base with fewer than ``order`` known bases before it is
            read by the order that they allow.
        order : int, optional
            Any order up to the model's; the highest where not given.

        Returns
        -------
        ndarray
            ``(len(sequence),)`` float64, bits, <= 0; NaN where the letter is not A, C, G or T.
        """
        highest = self.order if order is None else order
        if not 0 <= highest <= self.order:
            raise ValueError(f"order {highest}: this Markov model holds orders 0 to {self.order}")
        codes = base_codes(sequence)
        p = np.where(codes != UNKNOWN, 0.25, np.nan)
        for k in range(highest + 1):
            _refine(codes, k, self.counts[k], self.strengths[k], p)
        return np.log2(p)

    def bits_per_base(self, sequence: str, order: int | None = None, start: int = 0) -> float:
        """Mean bits a base of the bases from ``start`` on (those before it are context only).

        Raises
        ------
        ValueError
            If there is no base to score.
        """
        scored = self.log2_likelihood(sequence, order)[start:]
        scored = scored[~np.isnan(scored)]
        if not scored.size:
            raise ValueError("no A, C, G or T to score in the sequence")
        return float(-scored.mean())


def _choose(bits: Values) -> Values:
    """Cheapest strength of each count class; a class without data takes that of its neighbour below."""
    chosen = GRID[bits.argmin(axis=1)]
    known = bits.any(axis=1)
    if not known.any():
        return np.full(len(bits), GRID[-1])
    # classes before the first known one take its strength
    nearest = np.maximum.accumulate(np.where(known, np.arange(len(bits)), known.argmax()))
    return chosen[nearest]
