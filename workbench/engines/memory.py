"""Memory that shards free and take again, kept by the process in between."""

from __future__ import annotations

import ctypes
from functools import cache

# Parameters of glibc's mallopt: free memory at the top of the heap that goes back to the system, and the size
# from which a block is the system's own.
_TRIM, _MAP = -1, -3
KEPT, LARGEST = 1 << 29, 1 << 28


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
    return bool(tell(_TRIM, KEPT)) and bool(tell(_MAP, LARGEST))
