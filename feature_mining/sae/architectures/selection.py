"""Keeping the largest values of a batch, dense; for training only.

Nothing is sorted. A sample of the values says about where the cut lies; only those above a level safely below
it are compared with each other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from feature_mining.sae.architectures.ranks import Ranks

_SAMPLE = 65_536
# How many more values than wanted a level is to let through.
_SPARE = 1.3


def keep_largest(codes: Tensor, k: int, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """The ``B * k`` largest of ``codes`` (B, m) >= 0, over the batch of all processes.

    Returns the codes with everything else 0, and the kept values of this process. Of equal values at the cut
    the first are kept. Gradients pass to what is kept.
    """
    with torch.no_grad():
        flat = codes.detach().flatten()
        places = _largest(flat, len(codes) * k * ranks.count, ranks)
        mask = torch.zeros_like(flat, dtype=torch.bool).index_fill_(0, places, True)
    return codes * mask.view_as(codes), flat[places]


def _largest(flat: Tensor, wanted: int, ranks: Ranks) -> Tensor:
    """Places of the ``wanted`` largest positive of ``flat`` (n,), ascending."""
    # Odd, so that with an even number of columns it meets all of them.
    stride = max(1, len(flat) // _SAMPLE) | 1
    sample = flat[::stride]
    share = int(_SPARE * wanted / (ranks.count * stride)) + 8
    level = float(sample.topk(share, sorted=False).values.min()) if share < len(sample) else 0.0
    level = ranks.least(level)
    places = (flat > level).nonzero()[:, 0]
    # Every process must begin at one level, or one might miss what belongs to the largest of all.
    if ranks.total(len(places)) < wanted and level > 0:
        places = (flat > 0).nonzero()[:, 0]
    values = flat[places]
    if ranks.count > 1:
        mine = ranks.largest(values.float().cpu().numpy(), wanted)
        return places[torch.from_numpy(mine).to(places.device)]
    if len(values) <= wanted:
        return places
    cut = values.topk(wanted, sorted=False).values.min()
    keep = values > cut
    ties = (values == cut).nonzero()[: wanted - int(keep.sum()), 0]
    keep[ties] = True
    return places[keep]
