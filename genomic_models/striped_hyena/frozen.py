"""Gates, attention patterns and sizes of norms held as they are, so that a pass is linear in what is put in.

What is left is the direct way from a layer to the output; what goes through a gate or a pattern that changes
is the rest of the total effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_HOLDING: ContextVar[bool] = ContextVar("holding", default=False)


@contextmanager
def holding(on: bool) -> Iterator[None]:
    """Within it, `held` cuts gradients, where ``on``."""
    token = _HOLDING.set(on)
    try:
        yield
    finally:
        _HOLDING.reset(token)


def held(x: Tensor) -> Tensor:
    """The same values; within `holding` a constant."""
    return x.detach() if _HOLDING.get() else x
