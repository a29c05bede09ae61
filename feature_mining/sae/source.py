"""Activations straight from a model, shuffled in bounded memory: no dense activations on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genomic_models.contract import DNAModel


class Window(NamedTuple):
    """A sequence for the model.

    sequence : letters in the direction of the reading
    skip : leading letters whose activations are thrown away
    use : bool (len(sequence) - skip), in the direction of the reading, or None for all
    """

    sequence: str
    skip: int
    use: np.ndarray | None


def read_activations(model: DNAModel, layer: str, sequences: Sequence[str]) -> list[Tensor]:
    """Activations ``(bases, d)`` float32 at one layer, one tensor a sequence; see ``read_layers``."""
    return [found for (found,) in read_layers(model, [layer], sequences)]


ALIKE = 0.75
"""Shortest length that runs with the longest of its batch, as a share: what is padded is lost work."""


def bucket_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of sequences that run together: each bucket's shortest is at least ``ALIKE`` of its longest."""
    buckets: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if buckets and lengths[i] >= ALIKE * lengths[buckets[-1][0]]:
            buckets[-1].append(i)
        else:
            buckets.append([i])
    return buckets


def read_layers(
    model: DNAModel, layers: Sequence[str], sequences: Sequence[str]
) -> list[tuple[Tensor, ...]]:
    """Activations at several layers in one pass: for each sequence a tensor a layer.

    Tensors are ``(bases, d)`` float32 on the model's device, a row a base. The pass ends at the last of the
    layers that it meets. Sequences of nearly one length run together, padded on the right (``ALIKE``);
    tokens of several bases give their activation to each of them. Raises ``ModelError`` for an unknown layer.
    """
    last = max((model.resolve(layer) for layer in layers), key=model.layers.index)
    results: dict[int, tuple[Tensor, ...]] = {}
    for members in bucket_lengths([len(s) for s in sequences]):
        with torch.no_grad():
            forward = model.forward([sequences[i] for i in members], taps=layers, until=last)
        values = [forward.taps[layer].float() for layer in layers]
        spans = forward.tokens.spans
        for row, i in enumerate(members):
            size = len(sequences[i])
            if spans is None:
                results[i] = tuple(v[row, :size] for v in values)
            else:
                bases = (spans[row, :, 1] - spans[row, :, 0]).to(values[0].device)
                results[i] = tuple(v[row].repeat_interleave(bases, dim=0) for v in values)
    return [results[i] for i in range(len(sequences))]


def window_rows(
    model: DNAModel, layer: str, windows: Sequence[Window], together: int
) -> Iterator[Tensor]:
    """The usable rows ``(n, d)`` of each window, in order; ``together`` windows run at once."""
    return usable_rows(
        lambda sequences: read_activations(model, layer, sequences), windows, together
    )


def usable_rows(
    read: Callable[[list[str]], list[Tensor]], windows: Sequence[Window], together: int
) -> Iterator[Tensor]:
    """The usable rows of each window, in order; ``read`` gives ``(bases, d)`` a sequence."""
    for start in range(0, len(windows), together):
        group = [windows[i] for i in range(start, min(start + together, len(windows)))]
        for window, rows in zip(group, read([w.sequence for w in group]), strict=True):
            own = rows[window.skip :]
            yield own if window.use is None else own[torch.from_numpy(window.use).to(own.device)]


class ShuffledActivations:
    """An endless stream of batches ``(batch, d)`` float32, for ``Trainer``.

    Windows come in an order drawn anew for each epoch. Their rows fill a buffer, which is shuffled and
    given out whole before the next is filled; rows that fill no batch are dropped. Where all windows fit
    into the buffer they are read once and shuffled every epoch.

    Parameters
    ----------
    model, layer
        Where activations are read; the pass ends there.
    windows : sequence of Window
        ``len`` and indexing suffice, so windows may be cut when they are asked for.
    batch : int
        Rows of a batch.
    together : int
        Windows that run together.
    buffer : int
        Rows held for shuffling; at most one window's more.
    seed : int

    Notes
    -----
    The state is which windows the buffer began with and how many batches were given out. After
    ``load_state_dict`` the buffer is computed again from the same groups of windows: the same bytes.

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
        self.batch, self.together, self.seed = batch, together, seed
        self.buffer = max(buffer, batch)
        self._cursor = self._round = self._given = 0
        self._next_cursor = 0
        self._rows: Tensor | None = None
        self._resident: Tensor | None = None
        self._fits = _total_rows(windows, self.buffer) <= self.buffer

    def __iter__(self) -> ShuffledActivations:
        return self

    def __next__(self) -> Tensor:
        if self._rows is None:
            self._fill()
        assert self._rows is not None
        if (self._given + 1) * self.batch > len(self._rows):
            self._cursor, self._round, self._given = self._next_cursor, self._round + 1, 0
            self._fill()
        start = self._given * self.batch
        self._given += 1
        return self._rows[start : start + self.batch]

    def state_dict(self) -> dict[str, int]:
        """Where the stream is."""
        return {"cursor": self._cursor, "round": self._round, "given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from ``state``."""
        self._cursor, self._round, self._given = state["cursor"], state["round"], state["given"]
        self._rows = None

    def _read(self, windows: Sequence[Window]) -> Iterator[Tensor]:
        return window_rows(self.model, self.layer, windows, self.together)

    def _fill(self) -> None:
        rows = self._all_rows() if self._fits else self._next_rows()
        if len(rows) < self.batch:
            raise ValueError(
                f"the training windows have {len(rows):,} usable positions, fewer than one batch of"
                f" {self.batch:,}: use a smaller batch or more sequence"
            )
        generator = torch.Generator().manual_seed(_mixed(self.seed, 1, self._round))
        self._rows = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]

    def _all_rows(self) -> Tensor:
        if self._resident is None:
            self._resident = torch.cat(list(self._read(self.windows)))
        self._next_cursor = self._cursor + len(self.windows)
        return self._resident

    def _next_rows(self) -> Tensor:
        """Rows of whole groups of windows, from the cursor on, until the buffer is full."""
        parts: list[Tensor] = []
        held, at = 0, self._cursor
        while held < self.buffer:
            group = _Picked(self.windows, [self._window(at + i) for i in range(self.together)])
            for rows in self._read(group):
                parts.append(rows)
                held += len(rows)
            at += self.together
            if not held and at - self._cursor > 2 * len(self.windows):
                break
        self._next_cursor = at
        # A copy in one piece frees the batches of the model.
        return torch.cat(parts)

    def _window(self, position: int) -> int:
        """Index of the window at a position of the endless stream."""
        epoch, at = divmod(position, len(self.windows))
        return int(self._order(epoch)[at])

    def _order(self, epoch: int) -> np.ndarray:
        if getattr(self, "_ordered", (-1, None))[0] != epoch:
            rng = np.random.default_rng([self.seed, 0, epoch])
            self._ordered = (epoch, rng.permutation(len(self.windows)))
        return self._ordered[1]


class _Picked(Sequence[Window]):
    """Windows at some indices, cut when asked for."""

    def __init__(self, windows: Sequence[Window], indices: list[int]) -> None:
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


def _mixed(*parts: int) -> int:
    """One seed out of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
