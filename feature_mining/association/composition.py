"""The composition control: the share of a track that GC, k-mers and codon periodicity explain.

An L1 logistic model a track column over covariates of the sequence alone, read in the direction of
the reading: k-mers of 1 to 6 letters that end at the base and (from 2) that are centred on it,
counts of 1- to 3-mers and GC within 50 bases, and the composition of the three phases (positions p
+ 3 j, p + 1 + 3 j, p + 2 + 3 j) within 60 bases. The codon phase itself cannot be read without
annotation; the phase composition carries what the sequence shows of it. Windows look both ways,
more than a causal model sees: a strict control.

Fitted on *select* bases, scored on *report*. Optimiser: FTRL-Proximal (McMahan et al. 2013), all
columns at once, L1 exact at every coordinate. Tracks that follow the window want k-mer weights that
learn slowly, those of a rare word fast ones: each column has the rate that serves a quarter of the
bases, left out of a first fit, best.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
import torch

from genomic_models.dna import UNKNOWN

KMER_RATES = np.array([0.05, 0.3, 1.0], np.float32)
DENSE_RATE = 0.05
HELD_OUT = 0.25
LONGEST = 6
WINDOW = 50
PHASE_WINDOW = 60
CHUNK = 65_536
# Columns that a thread fits together.
COLUMNS = 16

# (k, offset of the k-mer's first letter from the base) of every one-hot group.
GROUPS = [(k, 1 - k) for k in range(1, LONGEST + 1)]
GROUPS += [(k, -((k - 1) // 2)) for k in range(2, LONGEST + 1)]
GROUP_START = np.concatenate([[0], np.cumsum([4**k for k, _ in GROUPS])])
N_ONE_HOT = int(GROUP_START[-1])
N_DENSE = 1 + 4 + 16 + 64 + 12


class Reading(NamedTuple):
    """Sequence and labels of one strand's reading, all in the direction of the reading.

    codes : uint8 (n), A C G T = 0 1 2 3, anything else 4; for a minus reading the reverse
        complement
    states, table : label states (`labels.LabelStates`), reversed for a minus reading
    use : bool (n), callable *select* bases
    """

    codes: np.ndarray
    states: np.ndarray
    table: np.ndarray
    use: np.ndarray


@dataclass(frozen=True)
class CompositionModel:
    """A fitted control: float32 weights (n_one_hot + n_dense + 1, C); dense covariates are standardised."""

    weights: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(
        cls,
        readings: Sequence[Reading],
        max_bases: int = 100_000,
        l1: float = 2.0,
        epochs: int = 3,
        seed: int = 0,
    ) -> CompositionModel:
        """Fit on a sample of the readings' usable bases.

        Parameters
        ----------
        readings : select readings; their tables have the same columns
        max_bases : expected size of the sample: half drawn evenly, half from the labelled bases of
            each column in equal parts; weights are inverse to the chance of being drawn
        l1 : penalty on a weight, in units of the summed log-loss of a sample of mean weight 1
        """
        random = np.random.default_rng(seed)
        chosen = draw_bases(readings, max_bases, random)
        hot, dense, labels, weight = [], [], [], []
        for reading, (rows, chance) in zip(readings, chosen, strict=True):
            for first in range(0, reading.codes.size, CHUNK):
                here = rows[(rows >= first) & (rows < first + CHUNK)]
                if here.size:
                    some_hot, some_dense = covariates(reading.codes, first, first + CHUNK)
                    hot.append(some_hot[here - first])
                    dense.append(some_dense[here - first])
            labels.append(reading.table[reading.states[rows]])
            weight.append(1 / chance)
        if not hot:
            raise ValueError("the composition control found no usable base to be fitted on")
        x = np.concatenate(dense)
        y = np.concatenate(labels)
        w = np.concatenate(weight).astype(np.float32)
        centre, scale = x.mean(axis=0), x.std(axis=0)
        scale[scale == 0] = 1.0
        kmers, windows, w = np.concatenate(hot), (x - centre) / scale, w / w.mean()

        def descend(rows: np.ndarray, labels: np.ndarray, rates: np.ndarray) -> np.ndarray:
            order = np.concatenate([random.permutation(rows) for _ in range(epochs)])

            def some(first: int) -> np.ndarray:
                own = np.ascontiguousarray(labels[:, first : first + COLUMNS])
                part = rates[first : first + COLUMNS]
                return _ftrl(kmers, windows, own, w, order, N_ONE_HOT, l1, part, DENSE_RATE)

            # No column knows of another.
            with ThreadPoolExecutor(torch.get_num_threads()) as pool:
                return np.hstack(list(pool.map(some, range(0, labels.shape[1], COLUMNS))))

        tried = np.tile(y, len(KMER_RATES))
        held = random.random(len(x)) < HELD_OUT
        trial = descend(np.flatnonzero(~held), tried, np.repeat(KMER_RATES, y.shape[1]))
        odds = _log_odds(kmers[held], windows[held], trial)
        loss = w[held] @ np.logaddexp(0, np.where(tried[held], -odds, odds))
        best = loss.reshape(len(KMER_RATES), -1).argmin(axis=0)
        return cls(descend(np.arange(len(x)), y, KMER_RATES[best]), centre, scale)

    def score(self, codes: np.ndarray) -> np.ndarray:
        """Log-odds of every base in every column, float32 (n, C), in the direction of `codes`."""
        out = np.empty((codes.size, self.weights.shape[1]), np.float32)
        for first in range(0, codes.size, CHUNK):
            hot, dense = covariates(codes, first, first + CHUNK)
            windows = (dense - self.centre) / self.scale
            out[first : first + CHUNK] = _log_odds(hot, windows, self.weights)
        return out


def _log_odds(hot: np.ndarray, windows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of covariates, the dense ones standardised, float32 (m, C)."""
    odds: np.ndarray = windows @ weights[N_ONE_HOT:-1] + weights[-1]
    _add_hot(odds, hot, weights)
    return odds


def covariates(codes: np.ndarray, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Covariates of bases `[start, min(end, n))`.

    Returns
    -------
    hot : int32 (m, n_groups), column of the k-mer of every group, -1 where a letter is unknown or
        missing
    dense : float32 (m, N_DENSE), GC share, counts of 1-, 2-, 3-mers in the window, phase
        composition
    """
    end = min(end, codes.size)
    m, halo = end - start, PHASE_WINDOW + LONGEST
    padded = np.full(m + 2 * halo, UNKNOWN, np.uint8)
    lo, hi = max(start - halo, 0), min(end + halo, codes.size)
    padded[lo - start + halo : hi - start + halo] = codes[lo:hi]
    words = {k: _words(padded, k) for k in range(1, LONGEST + 1)}
    hot = np.empty((m, len(GROUPS)), np.int32)
    for group, (k, offset) in enumerate(GROUPS):
        word = words[k][halo + offset : halo + offset + m]
        hot[:, group] = np.where(word >= 0, word + GROUP_START[group], -1)
    parts = []
    for k in (1, 2, 3):
        # k-mers that lie wholly within the window.
        sums = _running(words[k], 4**k, 1)
        parts.append(sums[halo + WINDOW - k + 2 :][:m] - sums[halo - WINDOW :][:m])
    counts = parts[0]
    known = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    gc = counts[:, 1:3].sum(axis=1, keepdims=True) / known
    strided = _running(words[1], 4, 3)
    phases = []
    for phase in range(3):
        # sums[i + 3] holds i and every third position before it.
        last = halo + phase + PHASE_WINDOW - 3
        first = halo + phase - PHASE_WINDOW
        count = strided[last + 3 :][:m] - strided[first:][:m]
        phases.append(count / np.maximum(count.sum(axis=1, keepdims=True), 1))
    dense = np.concatenate([gc, *parts, *phases], axis=1)
    return hot, dense.astype(np.float32)


def _words(padded: np.ndarray, k: int) -> np.ndarray:
    """Number of the k-mer that begins at every position, -1 with an unknown letter; int32, same length."""
    n = padded.size - k + 1
    word = np.zeros(padded.size, np.int32)
    known = np.zeros(padded.size, bool)
    known[:n] = True
    for i in range(k):
        letter = padded[i : i + n]
        word[:n] = word[:n] * 4 + letter
        known[:n] &= letter < UNKNOWN
    return np.where(known, word, -1)


def _running(word: np.ndarray, size: int, stride: int) -> np.ndarray:
    """Running counts of words along every `stride`-th position; row i counts positions before i."""
    n = -(-word.size // stride) * stride
    one_hot = np.zeros((n + stride, size), np.float32)
    at = np.flatnonzero(word >= 0)
    one_hot[at + stride, word[at]] = 1.0
    return np.cumsum(one_hot.reshape(-1, stride, size), axis=0).reshape(-1, size)


def draw_bases(
    readings: Sequence[Reading], max_bases: int, random: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows drawn from every reading and the chance, float64, that each had.

    About `max_bases` in all: half evenly, half in equal parts from the labelled bases of the columns, so that
    rare labels are there. Only `states`, `table` and `use` of the readings are looked at.
    """
    bases = sum(int(reading.use.sum()) for reading in readings)
    columns = readings[0].table.shape[1] if readings else 0
    positives = np.zeros(columns)
    for reading in readings:
        per_state = np.bincount(reading.states[reading.use], minlength=len(reading.table))
        positives += per_state @ reading.table.astype(np.float64)
    even = 0.5 * max_bases / max(bases, 1)
    each = np.minimum(1.0, 0.5 * max_bases / max(columns, 1) / np.maximum(positives, 1))
    out = []
    for reading in readings:
        per_state = np.where(reading.table, each, 0.0).max(axis=1, initial=0.0)
        chance = np.minimum(1.0, np.maximum(per_state, even))[reading.states]
        rows = np.flatnonzero(reading.use & (random.random(chance.size) < chance))
        out.append((rows, chance[rows]))
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _ftrl(hot, dense, labels, weight, order, n_hot, l1, kmer_rates, dense_rate):
    n_columns = labels.shape[1]
    n_dense = dense.shape[1]
    n_groups = hot.shape[1]
    size = n_hot + n_dense + 1
    w = np.zeros((size, n_columns), np.float32)
    z = np.zeros((size, n_columns), np.float32)
    root = np.zeros((size, n_columns), np.float32)
    margin = np.empty(n_columns, np.float32)
    at = np.empty(n_groups + n_dense + 1, np.int64)
    value = np.ones(n_groups + n_dense + 1, np.float32)
    others = np.full(n_columns, dense_rate, np.float32)
    for i in order:
        m = 0
        for g in range(n_groups):
            if hot[i, g] >= 0:
                at[m] = hot[i, g]
                value[m] = 1.0
                m += 1
        for d in range(n_dense):
            at[m] = n_hot + d
            value[m] = dense[i, d]
            m += 1
        at[m] = size - 1
        value[m] = 1.0
        m += 1
        margin[:] = 0.0
        for k in range(m):
            row = w[at[k]]
            for c in range(n_columns):
                margin[c] += value[k] * row[c]
        for c in range(n_columns):
            bounded = min(max(margin[c], np.float32(-30.0)), np.float32(30.0))
            chance = np.float32(1.0) / (np.float32(1.0) + np.exp(-bounded))
            margin[c] = weight[i] * (chance - np.float32(labels[i, c]))
        for k in range(m):
            row, row_z, row_root = w[at[k]], z[at[k]], root[at[k]]
            # No penalty on the intercept.
            penalty = np.float32(0.0) if at[k] == size - 1 else np.float32(l1)
            rates = kmer_rates if at[k] < n_hot else others
            for c in range(n_columns):
                slope = margin[c] * value[k]
                grown = np.sqrt(row_root[c] * row_root[c] + slope * slope)
                row_z[c] += slope - (grown - row_root[c]) / rates[c] * row[c]
                row_root[c] = grown
                beyond = max(abs(row_z[c]) - penalty, np.float32(0.0))
                row[c] = -np.copysign(beyond, row_z[c]) * rates[c] / (np.float32(1.0) + grown)
    return w


@numba.njit(cache=True, nogil=True)
def _add_hot(out, hot, weights):
    for i in range(hot.shape[0]):
        for g in range(hot.shape[1]):
            if hot[i, g] >= 0:
                row = weights[hot[i, g]]
                for c in range(out.shape[1]):
                    out[i, c] += row[c]
