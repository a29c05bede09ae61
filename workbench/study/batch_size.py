"""How many windows run together where ``[windows] batch = 0`` leaves it to the memory that is free."""

from __future__ import annotations

from collections.abc import Callable

import torch

from genomic_models import DNAModel
from genomic_models.activations import read_activations

# Windows that run together without a GPU: more gains nothing there.
ON_A_CPU = 4
# Of the free memory that a batch may take.
SHARE = 0.8
MOST = 256


def fitting_batch(model: DNAModel, layer: str, window: int) -> int:
    """Windows of ``window`` bases that fit together on the model's GPU, by a measured pass of one and of two.

    ``ON_A_CPU`` where the model is on no GPU. What it foresees wrongly is met by halving the batch.
    """
    device = torch.device(model.device)
    if device.type != "cuda":
        return ON_A_CPU

    def peak(windows: int) -> int:
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        read_activations(model, layer, ["ACGT" * (window // 4 + 1)] * windows)
        return int(torch.cuda.max_memory_allocated(device) - before)

    free, _ = torch.cuda.mem_get_info(device)
    return windows_that_fit(peak, free)


def windows_that_fit(peak: Callable[[int], int], free: int) -> int:
    """Largest batch, 1 to ``MOST``, whose memory stays within ``SHARE`` of ``free`` bytes.

    ``peak(n)`` measures the bytes of ``n`` windows; memory is a straight line in ``n``.
    """
    one, two = peak(1), peak(2)
    each = max(1, two - one)
    return int(min(MOST, max(1, (SHARE * free - (one - each)) // each)))
