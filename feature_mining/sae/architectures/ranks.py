"""Sums and selections over the processes that train one autoencoder together.

Each process holds a part of every batch. One process needs no group and does nothing here.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor


class Ranks:
    """The processes of a training run.

    Parameters
    ----------
    together : bool
        Whether the default group of ``torch.distributed`` takes part; it must be initialised.

    Attributes
    ----------
    count, rank : int
        Number of processes, and which one this is.
    """

    def __init__(self, together: bool = False) -> None:
        self.count = dist.get_world_size() if together else 1
        self.rank = dist.get_rank() if together else 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum of ``tensor`` over processes, in place."""
        if self.count > 1:
            dist.all_reduce(tensor)
        return tensor

    def total(self, value: float) -> float:
        """Sum of a number over processes."""
        return self._reduce(value, dist.ReduceOp.SUM) if self.count > 1 else value

    def least(self, value: float) -> float:
        """The smallest of a number over processes."""
        return self._reduce(value, dist.ReduceOp.MIN) if self.count > 1 else value

    def any(self, flags: Tensor) -> Tensor:
        """Where ``flags`` (bool) hold in some process."""
        return self.sum(flags.int()) > 0 if self.count > 1 else flags

    def largest(self, values: np.ndarray, wanted: int) -> np.ndarray:
        """Which of this process's ``values`` (n,) are among the ``wanted`` largest of all processes.

        Of equal values at the cut the first are taken, earlier processes first. Returns bool ``(n,)``.
        """
        sizes = self._gather(torch.tensor([values.size], dtype=torch.int64))
        most = int(torch.stack(sizes).max())
        padded = torch.full((most,), -torch.inf)
        padded[: values.size] = torch.from_numpy(np.ascontiguousarray(values))
        everyone = [part[: int(size)].numpy() for part, size in zip(self._gather(padded), sizes, strict=True)]
        whole = np.concatenate(everyone)
        if whole.size <= wanted:
            return np.ones(values.size, bool)
        cut = np.partition(whole, whole.size - wanted)[whole.size - wanted]
        free = wanted - int((whole > cut).sum())
        free -= sum(int((part == cut).sum()) for part in everyone[: self.rank])
        keep = values > cut
        ties = np.flatnonzero(values == cut)
        keep[ties[: max(0, free)]] = True
        return keep

    def join(self, rows: Tensor) -> Tensor:
        """Rows ``(B, d)`` of all processes, one after another."""
        if self.count == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.count)]
        dist.all_gather(parts, rows)
        return torch.cat(parts)

    def collect(self, state: dict[str, int]) -> list[dict[str, int]]:
        """What each process gives, in order."""
        if self.count == 1:
            return [state]
        states: list[dict[str, int]] = [{}] * self.count
        dist.all_gather_object(states, state)
        return states

    def _gather(self, tensor: Tensor) -> list[Tensor]:
        if self.count == 1:
            return [tensor]
        held = tensor.to(self._device())
        parts = [torch.empty_like(held) for _ in range(self.count)]
        dist.all_gather(parts, held)
        return [part.cpu() for part in parts]

    def _reduce(self, value: float, how: dist.ReduceOp.RedOpType) -> float:
        held = torch.tensor(value, dtype=torch.float64, device=self._device())
        dist.all_reduce(held, how)
        return float(held)

    def _device(self) -> str:
        return "cuda" if dist.get_backend() == "nccl" else "cpu"
