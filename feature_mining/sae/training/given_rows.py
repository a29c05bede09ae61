"""Activations that a caller has: an array, in memory or on disk, or a stream of arrays.

Every tenth block of rows is kept out of training, for thresholds and held-out figures. A block is of rows
that follow each other, since neighbours along a sequence are alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from feature_mining.sae.training.shuffled_rows import ShuffledRows

# One block in so many is held out.
HELD_OUT_SHARE = 10
# Rows held out that are kept, at most.
HELD_OUT_ROWS = 65_536
# Rows held for shuffling.
BUFFER = 131_072
_BLOCK = 256


class ArrayRows(ShuffledRows):
    """Shuffled batches of an array's rows, again and again; resumes to the same bytes.

    Parameters
    ----------
    rows : array ``(n, d)``
        What has a shape and gives its rows by slices: NumPy arrays and memory maps, tensors, DataFrames, HDF5
        data sets. Only blocks are read where all rows are more than the buffer.
    batch, seed : int
    device : str
        Where batches are put.
    hold_out : bool
        Whether every tenth block is kept out.

    Raises
    ------
    ValueError
        Anything else than finite numbers in two dimensions; too few rows.
    """

    def __init__(
        self, rows: Any, batch: int = 2048, seed: int = 0, device: str = "cpu", hold_out: bool = True
    ) -> None:
        if len(rows.shape) != 2:
            raise ValueError(f"activations of shape {tuple(rows.shape)}; expected (rows, width)")
        self.rows, self.device = rows, device
        count = int(rows.shape[0])
        size = max(1, min(_BLOCK, count // (2 * HELD_OUT_SHARE)))
        blocks = [slice(at, min(at + size, count)) for at in range(0, count, size)]
        if len(blocks) < HELD_OUT_SHARE:
            raise ValueError(f"{count} rows of activations; expected at least {HELD_OUT_SHARE}")
        self.held_out = [b for i, b in enumerate(blocks) if hold_out and _is_held_out(i)]
        self.blocks = [b for i, b in enumerate(blocks) if not (hold_out and _is_held_out(i))]
        there = sum(b.stop - b.start for b in self.blocks)
        super().__init__(len(self.blocks), there <= BUFFER, min(batch, there), 8, BUFFER, seed)
        self.first = _digest(self._block(blocks[0]))

    def read(self, indices: Sequence[int]) -> Iterator[Tensor]:
        return (self._block(self.blocks[i]).to(self.device) for i in indices)

    def held_out_rows(self) -> list[Tensor]:
        """Rows that are not trained on, ``(n, d)`` float32 a block, spread over all there are."""
        there = sum(b.stop - b.start for b in self.held_out)
        step = max(1, -(-there // HELD_OUT_ROWS))
        return [self._block(block).to(self.device) for block in self.held_out[::step]]

    @property
    def width(self) -> int:
        """Numbers of a row."""
        return int(self.rows.shape[1])

    def state_dict(self) -> dict[str, int]:
        return super().state_dict() | {"first": self.first}

    def load_state_dict(self, state: dict[str, int]) -> None:
        _refuse_other(state, self.first)
        super().load_state_dict(state)

    def _block(self, block: slice) -> Tensor:
        part = self.rows.iloc[block] if isinstance(self.rows, pd.DataFrame) else self.rows[block]
        return as_rows(part, block.start)


class StreamRows:
    """Shuffled batches of a stream of arrays, each of any number of rows.

    A stream that can begin again (a list, a data set) is read again when it ends. State is how many batches
    were given: to resume, the stream is read from its beginning up to there.

    Parameters
    ----------
    arrays : iterable of arrays ``(n, d)``
    batch, seed : int
    device : str
    hold_out : bool
        Whether every tenth block is kept out.
    """

    def __init__(
        self,
        arrays: Iterable[Any],
        batch: int = 2048,
        seed: int = 0,
        device: str = "cpu",
        hold_out: bool = True,
    ) -> None:
        self.arrays, self.batch, self.seed, self.device = arrays, batch, seed, device
        self.hold_out = hold_out
        self.given, self.first = 0, 0
        self._kept: list[Tensor] = []
        self._batches = self._shuffled()
        self._ahead: Tensor | None = None

    def __iter__(self) -> StreamRows:
        return self

    def __next__(self) -> Tensor:
        found, self._ahead = self._ahead, None
        if found is None:
            found = next(self._batches)
        self.given += 1
        return found.to(self.device)

    @property
    def width(self) -> int:
        """Numbers of a row; reads the first buffer. ``ValueError`` for less than a batch."""
        if self._ahead is None:
            self._ahead = next(self._batches, None)
        if self._ahead is None:
            raise ValueError(f"the stream has fewer rows than one batch of {self.batch:,}")
        return self._ahead.shape[1]

    def held_out_rows(self) -> list[Tensor]:
        """Rows that were met so far and are not trained on, ``(n, d)`` float32 a block."""
        return [block.to(self.device) for block in self._kept]

    def state_dict(self) -> dict[str, int]:
        """Position in the stream."""
        return {"given": self.given, "first": self.first}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Read the stream up to ``state``; ``ValueError`` where it ends before or is another one."""
        for _ in range(state["given"] - self.given):
            if next(self, None) is None:
                raise ValueError(
                    f"the stream ended after {self.given:,} batches; the checkpoint is {state['given']:,}"
                    " into it: give the stream from its beginning"
                )
        _refuse_other(state, self.first)

    def _shuffled(self) -> Iterator[Tensor]:
        waiting: list[Tensor] = []
        held = filled = 0
        for block in self._trained():
            if block is not None:
                waiting.append(block)
                held += len(block)
            if held >= (self.batch if block is None else max(BUFFER, self.batch)):
                rest = yield from self._out(torch.cat(waiting), filled)
                waiting, held, filled = [rest], len(rest), filled + 1

    def _out(self, rows: Tensor, filled: int) -> Generator[Tensor, None, Tensor]:
        """Whole batches of shuffled rows; returns those that fill none."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + filled)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        whole = len(rows) - len(rows) % self.batch
        yield from rows[:whole].split(self.batch) if whole else ()
        return rows[whole:].clone()

    def _trained(self) -> Iterator[Tensor | None]:
        """Blocks to train on, over and over, None after each time; those held out are kept the first time."""
        again = False
        while True:
            empty = True
            for i, block in enumerate(self._blocks()):
                if not self.first:
                    self.first = _digest(block)
                empty = False
                if not (self.hold_out and _is_held_out(i)):
                    yield block
                elif not again and len(self._kept) * _BLOCK < HELD_OUT_ROWS:
                    self._kept.append(block)
            yield None
            again = True
            if empty or not begins_again(self.arrays):
                return

    def _blocks(self) -> Iterator[Tensor]:
        """All rows of the stream once, ``_BLOCK`` at a time; the last may be shorter."""
        rest: Tensor | None = None
        read = 0
        for array in self.arrays:
            rows = as_rows(array, read, "of the stream ")
            read += len(rows)
            if rest is not None:
                if rows.shape[1] != rest.shape[1]:
                    raise ValueError(f"the stream gives rows of width {rest.shape[1]}, then {rows.shape[1]}")
                rows = torch.cat([rest, rows])
            whole = len(rows) - len(rows) % _BLOCK
            yield from rows[:whole].split(_BLOCK) if whole else ()
            rest = rows[whole:].clone()
        if rest is not None and len(rest):
            yield rest


def begins_again(arrays: Iterable[Any]) -> bool:
    """Whether a stream can be read more than once."""
    return iter(arrays) is not arrays


def as_rows(values: Any, first: int = 0, where: str = "") -> Tensor:
    """Numbers ``(n, d)`` as float32; ``first`` is the number of the first row, for what is said of them.

    Raises ``ValueError`` for anything that is no finite number in two dimensions.
    """
    if isinstance(values, pd.DataFrame):
        text = [str(c) for c, kind in values.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
        if text:
            raise ValueError(
                f"columns {', '.join(text[:6])} hold no numbers: give those of activations alone"
            )
        values = values.to_numpy(np.float32, na_value=np.nan)
    if isinstance(values, Tensor):
        rows = values.detach()
        numbers = not rows.is_complex()
    else:
        array = np.asarray(values)
        numbers = array.dtype.kind in "biuf"
        if numbers:
            # What is too large for float32 is refused below.
            with np.errstate(over="ignore"):
                rows = torch.from_numpy(np.array(array, np.float32))
    if not numbers:
        raise ValueError(f"rows {where}from {first:,} on hold no real numbers; expected (rows, width)")
    if rows.ndim != 2:
        raise ValueError(f"rows {where}from {first:,} on: shape {tuple(rows.shape)}; expected (rows, width)")
    rows = rows.to("cpu", torch.float32)
    bad = ~torch.isfinite(rows).all(dim=1)
    if bad.any():
        at = first + int(bad.nonzero()[0])
        raise ValueError(f"row {at:,} {where}holds NaN, an infinite value or one too large for float32")
    return rows


def _is_held_out(block: int) -> bool:
    return block % HELD_OUT_SHARE == HELD_OUT_SHARE - 1


def _digest(rows: Tensor) -> int:
    return zlib.crc32(rows.contiguous().numpy().tobytes()) or 1


def _refuse_other(state: dict[str, int], first: int) -> None:
    if state.get("first") != first:
        raise ValueError("the checkpoint is of training on other activations; delete it or name another file")
