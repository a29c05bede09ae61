"""Rows of windows shuffled in bounded memory, wherever they are read from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor


class ShuffledRows(ABC):
    """An endless stream of batches ``(batch, d)`` float32, for ``Trainer``.

    Windows come in an order drawn anew for each epoch. Their rows fill a buffer, which is shuffled and
    given out whole before the next is filled; rows that fill no batch are dropped. Where all windows fit
    into the buffer they are read once and shuffled every epoch.

    Parameters
    ----------
    count : int
        Windows there are.
    few : bool
        Whether all of them fit into the buffer.
    batch : int
        Rows of a batch.
    together : int
        Windows that are read together.
    buffer : int
        Rows held for shuffling; at most one window's more.
    seed : int

    Notes
    -----
    The state is which windows the buffer began with and how many batches were given out. After
    ``load_state_dict`` the buffer is made again from the same groups of windows: the same bytes.
    """

    def __init__(self, count: int, few: bool, batch: int, together: int, buffer: int, seed: int) -> None:
        self.count, self._fits = count, few
        self.batch, self.together, self.seed = batch, together, seed
        self.buffer = max(buffer, batch)
        self._cursor = self._round = self._given = 0
        self._next_cursor = 0
        self._rows: Tensor | None = None
        self._resident: Tensor | None = None
        self._ordered: tuple[int, np.ndarray] | None = None

    @abstractmethod
    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        """The usable rows ``(n, d)`` of the windows at ``indices``, one tensor a window, in order."""

    def __iter__(self) -> ShuffledRows:
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
        """Position in the stream."""
        return {"cursor": self._cursor, "round": self._round, "given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume from ``state``."""
        self._cursor, self._round, self._given = state["cursor"], state["round"], state["given"]
        self._rows = None

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
            self._resident = torch.cat(list(self.read(range(self.count))))
        self._next_cursor = self._cursor + self.count
        return self._resident

    def _next_rows(self) -> Tensor:
        """Rows of whole groups of windows, from the cursor on, until the buffer is full."""
        parts: list[Tensor] = []
        held, at = 0, self._cursor
        while held < self.buffer:
            for rows in self.read([self._window(at + i) for i in range(self.together)]):
                parts.append(rows)
                held += len(rows)
            at += self.together
            if not held and at - self._cursor > 2 * self.count:
                break
        self._next_cursor = at
        # A copy in one piece frees the batches of the model.
        return torch.cat(parts)

    def _window(self, position: int) -> int:
        """Index of the window at a position of the endless stream."""
        epoch, at = divmod(position, self.count)
        return int(self._order(epoch)[at])

    def _order(self, epoch: int) -> np.ndarray:
        if self._ordered is None or self._ordered[0] != epoch:
            rng = np.random.default_rng([self.seed, 0, epoch])
            self._ordered = (epoch, rng.permutation(self.count))
        return self._ordered[1]


def _mixed(*parts: int) -> int:
    """One seed out of several numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
