"""Activations straight from a model: no dense activations on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from feature_mining.sae.training.shuffled_rows import ShuffledRows
from genomic_models.activations import read_activations
from genomic_models.contract import DNAModel


class Window(NamedTuple):
    """A sequence for the model.

    sequence : letters in the direction of the reading
    skip : leading letters whose activations are discarded
    use : bool (len(sequence) - skip), in the direction of the reading, or None for all
    """

    sequence: str
    skip: int
    use: np.ndarray | None


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
