"""One number of threads for PyTorch and for Numba's parallel loops."""

from __future__ import annotations

import numba
import torch


def use_threads() -> None:
    """Make parallel loops use as many threads as PyTorch does; to be called before them.

    Numba, when it starts its threads, sets OpenMP's number, which is PyTorch's too: a worker that was to
    have one thread would continue with all, and its sums would differ. So that number is restored. The
    threads do not survive ``fork``: a child that is to run such loops must be spawned, as the workers are.
    """
    threads = torch.get_num_threads()
    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    numba.set_num_threads(max(1, min(threads, most)))
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
