"""Bringing a network to its dtype and devices, parameter by parameter; blocks spread over several devices.

A memory-mapped checkpoint is so read once, page by page, into the memory where it is used: the host never
holds a second copy of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import nn

from genomic_models.striped_hyena.network import FP32_PARAMETERS, StripedHyena


def divide(sizes: Sequence[int], parts: int) -> list[int]:
    """Part of each item, contiguous, so that the parts' sums are near equal.

    An item goes where its middle lies on the line that all sizes form, cut into equal lengths.
    """
    total = sum(sizes)
    ends = accumulate(sizes)
    middles = [end - size / 2 for end, size in zip(ends, sizes, strict=True)]
    return [min(parts - 1, int(parts * middle / total)) for middle in middles]


def place(network: StripedHyena, dtype: torch.dtype, devices: Sequence[torch.device]) -> StripedHyena:
    """Bring parameters to ``dtype`` (poles and residues to fp32) and blocks to ``devices``, in order.

    Embedding and final norm stay with the first device, where logits come out. What passes between two
    devices is the residual stream alone.
    """
    sizes = [sum(p.numel() for p in block.parameters()) for block in network.blocks]
    network.places = [devices[part] for part in divide(sizes, len(devices))]
    _move(network.embedding_layer, dtype, devices[0])
    _move(network.norm, dtype, devices[0])
    for block, device in zip(network.blocks, network.places, strict=True):
        _move(block, dtype, device)
    return network


def _move(module: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            kept = torch.float32 if name in FP32_PARAMETERS else dtype
            moved = parameter.detach().to(device, kept)
            setattr(part, name, nn.Parameter(moved, requires_grad=parameter.requires_grad))
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, buffer.to(device))
