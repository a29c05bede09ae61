"""Streams of activations for training: shuffled in a bounded buffer, and resumable.

A source's state says where it is, not what it holds: on resume the buffer is made again, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from genomic_models.contract import DNAModel


class Window(NamedTuple):
    """A sequence to read: letters, leading positions to skip, and which of the rest count (bool) or None."""

    sequence: str
    skip: int
    use: np.ndarray | None


class Source(Protocol):
    """What a trainer draws from."""

    def next_batch(self) -> Tensor:
        """``(batch, d_in)`` float32."""

    def state(self) -> list[int]:
        """Where the source is."""

    def restore(self, state: list[int]) -> None:
        """Go to where a state says."""


class _Shuffled:
    """Batches drawn from chunks of rows, each chunk shuffled whole; state is (epoch, chunk, batch)."""

    def __init__(self, batch: int, chunks: int, seed: int) -> None:
        self.batch, self.chunks, self.seed = batch, chunks, seed
        self._epoch = self._chunk = self._next = 0
        self._rows: Tensor | None = None
        self._held = (-1, -1)

    def _fill(self, epoch: int, chunk: int) -> Tensor:
        raise TypeError("_Shuffled is abstract")

    def next_batch(self) -> Tensor:
        barren = 0
        while True:
            if self._held != (self._epoch, self._chunk):
                rows = self._fill(self._epoch, self._chunk)
                rng = np.random.default_rng([self.seed, self._epoch, self._chunk])
                self._rows = rows[torch.from_numpy(rng.permutation(len(rows)))]
                self._held = (self._epoch, self._chunk)
            assert self._rows is not None
            start = self._next * self.batch
            if start + self.batch <= len(self._rows):
                self._next += 1
                return self._rows[start : start + self.batch]
            barren = barren + 1 if not self._next else 0
            if barren > self.chunks:
                raise ValueError(
                    f"no chunk holds a batch of {self.batch} positions: use a smaller batch or more sequence"
                )
            self._next, self._chunk = 0, self._chunk + 1
            if self._chunk == self.chunks:
                self._chunk, self._epoch = 0, self._epoch + 1

    def state(self) -> list[int]:
        return [self._epoch, self._chunk, self._next]

    def restore(self, state: list[int]) -> None:
        self._epoch, self._chunk, self._next = state


class ArrayActivations(_Shuffled):
    """Rows of an array ``(N, d_in)``, shuffled each epoch."""

    def __init__(self, rows: np.ndarray, batch: int, seed: int = 0) -> None:
        super().__init__(batch, 1, seed)
        self.rows = torch.from_numpy(np.ascontiguousarray(rows, np.float32))

    def _fill(self, epoch: int, chunk: int) -> Tensor:
        return self.rows


class ModelActivations(_Shuffled):
    """Activations straight from a model; no dense activations on disk.

    Parameters
    ----------
    model : DNAModel
    layer : str
        Tap; passes end there.
    windows : sequence of Window
        Read in a fresh random order each epoch.
    batch : int
        Positions of a training batch.
    windows_per_pass : int
        Windows run through the model together.
    buffer : int
        Windows whose rows are shuffled together: the memory bound.
    seed : int
    """

    def __init__(
        self,
        model: DNAModel,
        layer: str,
        windows: Sequence[Window],
        batch: int,
        windows_per_pass: int = 8,
        buffer: int = 64,
        seed: int = 0,
    ) -> None:
        if not len(windows):
            raise ValueError("no window to train on")
        super().__init__(batch, -(-len(windows) // buffer), seed)
        self.model, self.layer, self.windows = model, model.resolve(layer), windows
        self.windows_per_pass, self.buffer = windows_per_pass, buffer
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def _fill(self, epoch: int, chunk: int) -> Tensor:
        if self._order[0] != epoch:
            rng = np.random.default_rng([self.seed, 1, epoch])
            self._order = (epoch, rng.permutation(len(self.windows)))
        chosen = self._order[1][chunk * self.buffer : (chunk + 1) * self.buffer]
        return window_activations(
            self.model, self.layer, [self.windows[int(i)] for i in chosen], self.windows_per_pass
        )


def window_activations(
    model: DNAModel, layer: str, windows: Sequence[Window], per_pass: int
) -> Tensor:
    """Rows ``(positions that count, d)`` float32 of windows, those of a length run together."""
    parts: list[Tensor] = []
    ordered = sorted(windows, key=lambda w: len(w.sequence))
    start = 0
    while start < len(ordered):
        size = len(ordered[start].sequence)
        group = [w for w in ordered[start : start + per_pass] if len(w.sequence) == size]
        values = model.forward([w.sequence for w in group], taps=[layer], until=layer).taps[layer]
        for window, rows in zip(group, values.float().cpu(), strict=True):
            own = rows[window.skip : size]
            parts.append(own if window.use is None else own[torch.from_numpy(window.use)])
        start += len(group)
    return torch.cat(parts)
