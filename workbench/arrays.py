"""Named arrays in one file, written atomically and read without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from workbench.atomic import write_atomic
from workbench.errors import InputError

Arrays = dict[str, np.ndarray]


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as compressed npz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(handle, **arrays)  # type: ignore[arg-type]


def add_arrays(a: Arrays, b: Arrays) -> Arrays:
    """Sum of two sets of arrays, name by name; a name that one lacks counts as zero there."""
    total = dict(a)
    for name, values in b.items():
        total[name] = total[name] + values if name in total else values
    return total


def read_arrays(path: Path) -> Arrays:
    """Read arrays; ``InputError`` where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: not a readable work file ({error}); run again with --force"
        ) from None
