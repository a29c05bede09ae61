"""Keeping the largest values of a batch, dense; for training only."""

from __future__ import annotations

import torch
from torch import Tensor

from feature_mining.sae.ranks import Ranks


def keep_largest(codes: Tensor, k: int, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """The ``B * k`` largest of ``codes`` (B, m) >= 0, over the batch of all processes.

    Returns the codes with everything else 0, and the kept values of this process.
    """
    flat = codes.flatten()
    best = flat.topk(min(len(codes) * k * ranks.count, flat.numel()), sorted=False)
    if ranks.count > 1:
        order = best.indices.sort().indices
        places = best.indices[order]
        mine = ranks.largest(
            flat[places].detach().float().cpu().numpy(), len(codes) * k * ranks.count
        )
        places = places[torch.from_numpy(mine).to(places.device)]
        values = flat[places]
    else:
        places, values = best.indices, best.values
    kept = torch.zeros_like(flat).scatter_(0, places, values)
    return kept.view_as(codes), values
