"""Memory that shards free and take again, kept by the process in between."""

from __future__ import annotations

import ctypes
from functools import cache

# Parameters of glibc's mallopt: free memory at the top of the heap that goes back to the system, and the size
# from which a block is the system's own.
_TRIM, _MAP = -1, -3
KEPT, LARGEST = 1 << 29, 1 << 28
# What every glibc takes; older ones refuse more. A layer of a window's length needs no larger block.
REFUSED_BY_NONE = 1 << 25


@cache
def keep_freed_memory() -> bool:
    """Have this process keep up to ``KEPT`` bytes that it frees, of blocks up to ``LARGEST``; whether it can.

    Every layer of a model frees what the next one takes. Given back to the system each time, it comes as new
    pages, whose zeros took a tenth of a pass. Only glibc can be told so; elsewhere nothing changes.
    """
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # TypeError: Windows knows no None
        return False
    return bool(tell(_TRIM, KEPT)) and any(tell(_MAP, size) for size in (LARGEST, REFUSED_BY_NONE))
