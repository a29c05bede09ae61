"""Activations straight from a model: no dense activations on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae.training.shuffled_rows import ShuffledRows
from genomic_models.bases import spread
from genomic_models.contract import DNAModel
from genomic_models.dna import refuse_string


class Window(NamedTuple):
    """A sequence for the model.

    sequence : letters in the direction of the reading
    skip : leading letters whose activations are discarded
    use : bool (len(sequence) - skip), in the direction of the reading, or None for all
    """

    sequence: str
    skip: int
    use: np.ndarray | None


def read_activations(model: DNAModel, layer: str, sequences: Sequence[str]) -> list[Tensor]:
    """Activations ``(bases, d)`` float32 at one layer, one tensor a sequence; see ``read_layers``."""
    return [found for (found,) in read_layers(model, [layer], sequences)]


# Shortest length that runs with the longest of its batch, as a share: what is padded is lost work.
ALIKE = 0.75


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


def window_rows(model: DNAModel, layer: str, windows: Sequence[Window], together: int) -> Iterator[Tensor]:
    """The usable rows ``(n, d)`` of each window, in order; ``together`` windows run at once."""
    return usable_rows(lambda sequences: read_activations(model, layer, sequences), windows, together)


def usable_rows(
    read: Callable[[list[str]], list[Tensor]], windows: Sequence[Window], together: int
) -> Iterator[Tensor]:
    """The usable rows of each window, in order; ``read`` gives ``(bases, d)`` a sequence."""
    for start in range(0, len(windows), together):
        group = [windows[i] for i in range(start, min(start + together, len(windows)))]
        for window, rows in zip(group, read([w.sequence for w in group]), strict=True):
            own = rows[window.skip :]
            yield own if window.use is None else own[torch.from_numpy(window.use).to(own.device)]


class ShuffledActivations(ShuffledRows):
    """An endless stream of shuffled batches ``(batch, d)`` float32, for ``Trainer``; see ``ShuffledRows``.

    Parameters
    ----------
    model, layer
        Where activations are read; the pass ends there.
    windows : sequence of Window
        ``len`` and indexing suffice, so windows may be cut when they are asked for.
    batch, buffer, seed : int
        As for ``ShuffledRows``.
    together : int
        Windows that run together.

    Raises
    ------
    ValueError
        No windows, or too few usable rows for one batch.
    """

    def __init__(
        self,
        model: DNAModel,
        layer: str,
        windows: Sequence[Window],
        batch: int = 2048,
        together: int = 8,
        buffer: int = 131_072,
        seed: int = 0,
    ) -> None:
        if not len(windows):
            raise ValueError("no training windows: the training part of the genome holds none")
        self.model, self.layer, self.windows = model, model.resolve(layer), windows
        few = _total_rows(windows, max(buffer, batch)) <= max(buffer, batch)
        super().__init__(len(windows), few, batch, together, buffer, seed)

    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        return self._read(_Picked(self.windows, indices))

    def _read(self, windows: Sequence[Window]) -> Iterator[Tensor]:
        return window_rows(self.model, self.layer, windows, self.together)


class _Picked(Sequence[Window]):
    """Windows at some indices, cut when asked for."""

    def __init__(self, windows: Sequence[Window], indices: Sequence[int]) -> None:
        self.windows, self.indices = windows, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, at: int) -> Window:  # type: ignore[override]
        return self.windows[self.indices[at]]


def _total_rows(windows: Sequence[Window], enough: int) -> int:
    """Rows of all windows, before masks; counting stops once there are more than ``enough``."""
    total = 0
    for i in range(len(windows)):
        total += len(windows[i].sequence) - windows[i].skip
        if total > enough:
            break
    return total
