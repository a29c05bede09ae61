"""Activations of bases: what layers hold of sequences, a row a base, or pooled over each sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genomic_models.bases import spread
from genomic_models.contract import DNAModel
from genomic_models.dna import UNKNOWN, base_codes, refuse_string
from genomic_models.errors import ModelError
from genomic_models.scoring import Window, batches, checked, windows

POOLS = ("mean", "max", "last", "none")
# Shortest length that runs with the longest of its batch, as a share: what is padded is lost work.
ALIKE = 0.75


def read_activations(model: DNAModel, layer: str, sequences: Sequence[str]) -> list[Tensor]:
    """Activations ``(bases, d)`` float32 at one layer, one tensor a sequence; see ``read_layers``."""
    return [found for (found,) in read_layers(model, [layer], sequences)]


def bucket_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of sequences that run together: each bucket's shortest is at least ``ALIKE`` of its longest."""
    buckets: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if buckets and lengths[i] >= ALIKE * lengths[buckets[-1][0]]:
            buckets[-1].append(i)
        else:
            buckets.append([i])
    return buckets


def read_layers(model: DNAModel, layers: Sequence[str], sequences: Sequence[str]) -> list[tuple[Tensor, ...]]:
    """Activations at several layers in one pass: for each sequence a tensor a layer.

    Tensors are ``(bases, d)`` float32 on the model's device, a row a base. The pass ends at the last of the
    layers that it meets. Sequences of nearly one length run together, padded on the right (``ALIKE``);
    tokens of several bases give their activation to each of them (``genomic_models.bases.spread``). Raises
    ``ModelError`` for an unknown layer, and where a base is in no token; ``TypeError`` for one string in
    place of a list of sequences.
    """
    refuse_string(sequences)
    last = max((model.resolve(layer) for layer in layers), key=model.layers.index)
    results: dict[int, tuple[Tensor, ...]] = {}
    for members in bucket_lengths([len(s) for s in sequences]):
        with torch.no_grad():
            forward = model.forward([sequences[i] for i in members], taps=layers, until=last)
        values = [forward.taps[layer].float() for layer in layers]
        spans = [model.spans(layer, forward.tokens) for layer in layers]
        for row, i in enumerate(members):
            size = len(sequences[i])
            results[i] = tuple(
                v[row, :size] if s is None else spread(v[row], s[row], size)
                for v, s in zip(values, spans, strict=True)
            )
    return [results[i] for i in range(len(sequences))]


def read_phases(
    model: DNAModel, layers: Sequence[str], sequences: Sequence[str], phases: int
) -> list[tuple[Tensor, ...]]:
    """As ``read_layers``, each base the mean of ``phases`` readings, the next begun a base further on.

    As many as words have bases make it the same wherever a sequence begins, but for the first bases, which
    the later readings do not hold.
    """
    found = read_layers(model, layers, sequences)
    if phases == 1:
        return found
    for first in range(1, phases):
        shifted = read_layers(model, layers, [s[first:] or s for s in sequences])
        for sequence, whole, part in zip(sequences, found, shifted, strict=True):
            if first < len(sequence):
                for values, own in zip(whole, part, strict=True):
                    values[first:] += own
    for sequence, whole in zip(sequences, found, strict=True):
        counts = torch.arange(1, len(sequence) + 1, device=whole[0].device).clamp_max(phases)
        for values in whole:
            values /= counts[:, None]
    return found


def embed(model: DNAModel, sequences: Sequence[str], layer: str, pool: str = "mean") -> list[np.ndarray]:
    """What a layer holds of each sequence, float32 on the CPU, in their order.

    Parameters
    ----------
    model : DNAModel
        One that is causal and reads a token a base reads what is longer than its context in windows
        (``genomic_models.scoring.windows``); any other reads each sequence whole.
    sequences : sequence of str
        DNA, IUPAC letters in either case, U read as T.
    layer : str
    pool : {"mean", "max", "last", "none"}
        Over the bases of a sequence that are A, C, G or T: ``(d,)``, NaN where there are none. ``none`` gives
        ``(bases, d)``, all letters.

    Raises
    ------
    ModelError
        An unknown layer or pool; a sequence that is empty, no DNA, or too long for the model.
    TypeError
        One string in place of a list of sequences.
    """
    if pool not in POOLS:
        raise ModelError(f"pool {pool!r}: expected {', '.join(POOLS)}")
    texts, width = checked(sequences), model.d_model(layer)
    cut = model.causal and model.base_tokens() is not None
    work = [
        (i, window)
        for i, text in enumerate(texts)
        for window in (windows(len(text), model.context) if cut else [Window(0, 0, len(text))])
    ]
    pools = [_Pool(pool, text, width) for text in texts]
    for group in batches([window.end - window.start for _, window in work]):
        members = [work[i] for i in group]
        found = read_activations(model, layer, [texts[i][w.start : w.end] for i, w in members])
        for (i, window), rows in zip(members, found, strict=True):
            pools[i].add(window.first, rows[window.first - window.start :].cpu().numpy())
    return [own.result() for own in pools]


class _Pool:
    """The running pool of a sequence; its stretches may come in any order."""

    def __init__(self, how: str, text: str, width: int) -> None:
        self.how, self.known = how, base_codes(text) != UNKNOWN
        shape = (len(text), width) if how == "none" else (width,)
        self.values = np.full(shape, np.nan, np.float32)
        self.sums, self.last = np.zeros(width), -1

    def add(self, start: int, rows: np.ndarray) -> None:
        """Take the values of the bases from ``start`` on."""
        if self.how == "none":
            self.values[start : start + len(rows)] = rows
            return
        known = np.flatnonzero(self.known[start : start + len(rows)])
        if not known.size:
            return
        if self.how == "mean":
            self.sums += rows[known].sum(axis=0, dtype=np.float64)
        elif self.how == "max":
            self.values = np.fmax(self.values, rows[known].max(axis=0))
        elif start + known[-1] > self.last:
            self.last, self.values = start + int(known[-1]), rows[known[-1]].copy()

    def result(self) -> np.ndarray:
        """What was asked for, of all that was taken."""
        if self.how == "mean" and self.known.any():
            return (self.sums / self.known.sum()).astype(np.float32)
        return self.values
