"""What is fuzzed: files of one kind that are fine, and who reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Target(NamedTuple):
    """Files of one kind and their reader.

    Attributes
    ----------
    make : callable
        Writes valid files into an empty folder.
    read : callable
        Reads them as the product does; raises what the product raises.
    damaged : tuple of str
        Patterns of the files that are made wrong, one at a time.
    share : float
        Examples, as a share of what others get: less where one takes long.
    """

    make: Callable[[Path], object]
    read: Callable[[Path], object]
    damaged: tuple[str, ...]
    share: float = 1.0
