"""An adaptive weight of the L1 penalty: it rises while more than ``k`` features are active."""

from __future__ import annotations

import math

import torch

_FIRST, _LEAST, _MOST = 0.02, 1e-5, 20.0
_RATE = 0.05


class Weight:
    """Weight of a sparsity penalty.

    Parameters
    ----------
    k : int
        Target number of active features a position.
    fixed : float
        The weight, reached over the first tenth of ``steps``; 0 to adapt it.

    Attributes
    ----------
    state : Tensor
        float64 ``(2,)``: logarithm of the weight, steps done.
    """

    def __init__(self, k: int, fixed: float, steps: int) -> None:
        self.k, self.fixed = k, fixed
        self.rise = max(1, round(steps * 0.1))
        self.state = torch.tensor([math.log(_FIRST), 0.0], dtype=torch.float64)

    @property
    def value(self) -> float:
        """The weight of this step."""
        if self.fixed:
            return self.fixed * min(1.0, float(self.state[1]) / self.rise)
        return math.exp(float(self.state[0]))

    def update(self, l0: float) -> None:
        """Move towards ``k`` after a step with ``l0`` active features a position."""
        pull = math.log(max(l0, 1e-3) / self.k)
        moved = float(self.state[0]) + _RATE * min(max(pull, -1.0), 1.0)
        self.state[0] = min(max(moved, math.log(_LEAST)), math.log(_MOST))
        self.state[1] += 1
